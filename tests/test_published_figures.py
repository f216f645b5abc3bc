"""Figures of published networks in an evaluation: made only with their files, of the right crops, of both sides alike."""

import numpy as np
import pytest
import torch
from torch import nn

from headsync.evaluation import published_figures
from headsync.evaluation.items import Material
from headsync.evaluation.networks.files import PublishedNetwork
from headsync.evaluation.published_figures import FILES, PublishedEvaluator, PublishedNetworks, face_boxes, load_published
from headsync.evaluation.sides import Side
from headsync.landmarks import canonical_face
from headsync.media import samples_for_frames, write_flac

FRAMES, SIDE_PX = 43, 96
CROP = (0.0, 0.0, float(SIDE_PX), float(SIDE_PX))


class MeanColour(nn.Module):
    """Stands for a network: what it says is the mean of what it is shown, and three more numbers."""

    def __init__(self, features: int = 3):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1), requires_grad=False)
        self.features = features

    def forward(self, *pictures: torch.Tensor) -> torch.Tensor:
        means = [one.mean((-2, -1)) * self.scale for one in pictures]
        return means[0] + 2 if len(means) == 1 else (means[0] - means[1]).abs().mean(1)


class MeanClip(MeanColour):
    """Stands for I3D: (1, 3, T, H, W) -> (1, 3, n)."""

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return clip.mean((-2, -1))[:, :, ::8]


class MeanSync(MeanColour):
    """Stands for SyncNet."""

    def lips(self, x: torch.Tensor) -> torch.Tensor:
        return x[0].mean((0, 2, 3)).unfold(0, 5, 1)

    def sound(self, windows: torch.Tensor) -> torch.Tensor:
        return windows[:, 0, 0, :5]


def side(level: int) -> Side:
    random = np.random.default_rng(level)
    frames = [np.clip(random.normal(level, 3, (SIDE_PX, SIDE_PX, 3)), 0, 255).astype(np.uint8) for _ in range(FRAMES)]
    points = np.repeat(canonical_face()[None], FRAMES, 0).astype(np.float32)
    return Side(points, np.ones(FRAMES, bool), lambda: iter(frames))


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("s") / "a.flac"
    write_flac(path, (0.1 * np.random.default_rng(1).standard_normal(samples_for_frames(FRAMES))).astype(np.float32))
    return Material(audio=path)


def everything() -> PublishedNetworks:
    return PublishedNetworks(*(PublishedNetwork(network, ("abc",)) for network in (
        MeanSync(), MeanColour(), MeanClip(), MeanColour(), MeanColour())))


def test_every_file_makes_its_figures_and_says_which_it_is(sound):
    evaluator = PublishedEvaluator(everything())
    for _ in range(4):
        told = evaluator.clip("ours", side(120), side(90), crop=CROP, every=5, sound=sound)
        evaluator.clip("same", side(90), side(90), crop=CROP, every=5, sound=None)
    assert set(told) == {"lse_d", "lse_c", "csim_arcface", "lpips"}
    assert told["lpips"] == pytest.approx(2 * 30 / 255, rel=0.01) and 0.9 < told["csim_arcface"] < 1 + 1e-6
    sets, same = evaluator.sets("ours"), evaluator.sets("same")
    assert set(sets) == {"FID", "t-FID rasters", "FVD", "FVD rasters"} == set(same)
    assert sets["FID"].samples == 4 * 9 and sets["FVD"].samples == 4
    assert sets["FID"].value == pytest.approx(3 * (2 * 30 / 255) ** 2, rel=0.02) and same["FID"].value < 1e-6
    assert sets["FVD rasters"].value < 1e-9         # the landmarks are the same
    assert everything().provenance() == {name: ["abc"] for name in FILES}


def test_without_files_or_sound_nothing_is_claimed(sound):
    evaluator = PublishedEvaluator(PublishedNetworks())
    assert evaluator.clip("ours", side(120), side(90), crop=CROP, every=5, sound=sound) == {} and evaluator.sets("ours") == {}
    only = PublishedEvaluator(PublishedNetworks(syncnet=PublishedNetwork(MeanSync(), ("abc",))))
    assert only.clip("ours", side(120), side(90), crop=CROP, every=5, sound=None) == {}
    assert set(only.clip("ours", side(120), side(90), crop=CROP, every=5, sound=sound)) == {"lse_d", "lse_c"}


def test_boxes_reach_from_the_forehead_to_the_chin():
    points = np.repeat(canonical_face()[None], 2, 0)
    x0, y0, x1, y1 = face_boxes(points)[0]
    brows, chin = points[0, :, 1].min(), points[0, :, 1].max()
    assert y1 == chin and y0 == pytest.approx(brows - 0.35 * (chin - brows)) and (x0, x1) == (points[0, :, 0].min(),
                                                                                          points[0, :, 0].max())


def test_a_folder_without_any_of_the_files_is_refused(tmp_path):
    (tmp_path / "else.pth").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"none of syncnet_v2\.model"):
        load_published(tmp_path)


def test_damaged_and_lonely_files_are_told_and_the_others_stay(tmp_path, monkeypatch):
    (tmp_path / "syncnet_v2.model").write_bytes(b"x")
    (tmp_path / "alex.pth").write_bytes(b"x")
    (tmp_path / "backbone.pth").write_bytes(b"x")
    network = PublishedNetwork(MeanColour(), ("abc",))
    monkeypatch.setitem(published_figures.LOADERS, "arcface", lambda path: network)
    found = load_published(tmp_path)
    assert found.arcface is network and found.syncnet is None and found.provenance() == {"arcface": ["abc"]}
    damaged, lonely = found.refused
    assert "syncnet_v2.model holds no weights" in damaged and "lacks alexnet-owt-7be5be79.pth" in lonely
