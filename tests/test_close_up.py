"""Close-ups: the mouth's axes, what the network is told, what it may change, and its training."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from headsync.experiment import load_config
from headsync.landmarks import MIRROR, canonical_face, pose_points
from headsync.landmarks.geometry import HeadPose
from render_stage import Drive, load_renderer
from render_stage.clip_frames import read_clip_frames
from render_stage.close_up import draw
from render_stage.close_up.batches import close_up_batch, drawn, sample_tensors, scores
from render_stage.close_up.draw import close_reference, close_up_side, drawn_again, drawn_where, needed, widened
from render_stage.close_up.material import CHANNELS, PACKED_PX, drawn_numbers, flat, mirrored, packed, sample_of, view_of
from render_stage.close_up.network import SHOWN, CloseUpNetwork, CloseUpSettings
from render_stage.close_up.train import CloseUpTrainSettings, train_close_up
from render_stage.close_up.view import alignment, corner, face_view, moved_reference, opening, view_maps
from render_stage.references import Reference
from render_stage.rhythmic_head.sharpening import MOST, SHARE, face_detail, sharpened
from tests.moving_faces import write_moving_corpus

SETTINGS = CloseUpSettings(channels=(5, 7), blocks=1, patch=2)


def face(*, yaw=0.0, roll=0.0, gap=7.0):
    """A made-up face (68, 3) in canvas pixels, turned, its lips `gap` pixels apart."""
    front = canonical_face().astype(np.float64)
    front[[61, 62, 63], 1] -= gap / 2
    front[[65, 66, 67], 1] += gap / 2
    return pose_points(front[None], HeadPose(np.array([[0.0, yaw, roll, 3.0, -5.0, 0.0]]), 1.1))[0].astype(np.float64)


def trained_looking(seed=3) -> CloseUpNetwork:
    torch.manual_seed(seed)
    network = CloseUpNetwork(SETTINGS)
    torch.nn.init.normal_(network.head.weight, std=0.3)
    return network.eval()


@pytest.mark.parametrize("yaw, roll", [(0.0, 0.0), (0.5, 0.0), (-0.3, 0.4)])
def test_head_coordinates_stay_on_the_face(yaw, roll):
    points = face(yaw=yaw, roll=roll)
    view, still = face_view(points), face_view(face())
    for right, down in ((0.0, 0.0), (0.2, 0.3)):
        front = canonical_face()[33].astype(np.float64) + np.array([right, down, 0]) * 80.4806
        pose = HeadPose(np.array([[0.0, yaw, roll, 3.0, -5.0, 0.0]]), 1.1)
        there = pose_points(front[None, None], pose)[0, 0, :2]
        assert np.abs(view.places(np.array([right, down])) - there).max() < 1.0
    assert view.chin == pytest.approx(still.chin, abs=0.1)


def test_a_reference_is_moved_onto_the_target():
    target, source = face(roll=0.3), face(roll=-0.2)
    there, here = face_view(target), face_view(source)
    matrix = alignment(here, there)
    moved = source[[48, 54, 33], :2] - 0.5
    moved = moved @ matrix[:, :2].T + matrix[:, 2] + 0.5
    assert np.abs(moved - target[[48, 54, 33], :2]).max() < 2.0
    picture = np.zeros((256, 256, 3), np.uint8)
    x, y = np.rint(source[48, :2]).astype(int)
    picture[y - 2 : y + 3, x - 2 : x + 3] = 255
    seen = moved_reference(picture, here, there, 256)[..., 0].astype(float)
    rows, columns = np.mgrid[:256, :256] + 0.5
    centre = np.array([(seen * columns).sum(), (seen * rows).sum()]) / seen.sum()
    assert np.abs(centre - target[48, :2]).max() < 2.0


def test_only_open_lips_are_open():
    assert opening(face_view(face(gap=9.0)), 256).astype(bool).sum() > 150
    shut = canonical_face().astype(np.float64)
    shut[[65, 66, 67], 1] = shut[[61, 62, 63], 1]
    assert not opening(face_view(shut), 256).any()
    crossed = shut.copy()
    crossed[[65, 66, 67], 1] -= 6
    assert not opening(face_view(crossed), 256).any()


def test_maps_of_a_mirrored_view_are_mirrored():
    view = face_view(face(yaw=0.3, roll=0.2))
    view = view.shifted(corner(view, 96, 256).astype(float))
    straight, turned = view_maps(view, 96), view_maps(mirrored(view, 96), 96)
    signs = np.array([1, 1, -1, 1, 1, 1, -1, 1, 1.0])[:, None, None]
    assert np.abs(straight[[2, 3, 4, 5, 6, 7]][..., ::-1] * signs[[2, 3, 4, 5, 6, 7]] - turned[[2, 3, 4, 5, 6, 7]]).max() < 1e-5
    assert np.abs(straight[:2][..., ::-1] - turned[:2]).mean() < 0.01
    points = face(yaw=0.3, roll=0.2)
    flipped = points[MIRROR] * (-1, 1, 1) + (256, 0, 0)
    assert np.abs(flat(mirrored(face_view(points), 256)) - flat(face_view(flipped))).max() < 0.75


def test_views_survive_being_numbers():
    view = face_view(face(yaw=0.2))
    assert all(np.array_equal(one, other) for one, other in zip(view, view_of(flat(view))))


def test_an_untrained_close_up_empties_open_lips_and_a_trained_one_draws_its_region():
    points, picture = face(gap=12.0), torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(7))
    reference = close_reference(np.full((256, 256, 3), 128, np.uint8), face(gap=-7.0))
    inside = torch.from_numpy(opening(widened(face_view(points), reference.view), 256))[None, None] / 255
    empty = drawn_again(CloseUpNetwork(SETTINGS), picture, points, reference).picture.detach()
    assert inside.sum() > 200 and (empty - picture * (1 - inside)).abs().max() < 0.02
    smiling = reference._replace(view=face_view(points))
    assert torch.equal(drawn_again(trained_looking(), picture, points, smiling).picture, picture)
    shut = face(gap=-7.0)
    assert torch.equal(drawn_again(CloseUpNetwork(SETTINGS), picture, shut, reference).picture, picture)
    made = drawn_again(trained_looking(), picture, points, reference)
    changed = (made.picture - picture).abs().amax((0, 1)).detach() > 0
    assert not (changed.numpy() & (made.region == 0)).any()
    rows, columns = np.nonzero(changed.numpy())
    assert len(rows) > 500 and rows.min() > points[33, 1] and rows.max() < points[8, 1]
    assert columns.min() > points[48, 0] - 30 and columns.max() < points[54, 0] + 30


def test_the_further_a_reference_is_open_the_less_is_drawn_again():
    shares = [needed(face_view(face(gap=one))) for one in np.linspace(-7, 3, 30)]
    assert shares[0] == 1 and shares[-1] == 0 and (np.diff(shares) <= 0).all() and 0 < np.mean(shares) < 1
    view = face_view(face(gap=-7.0))
    assert np.array_equal(drawn_where(view, 256), view_maps(view, 256)[5]) and not drawn_where(face_view(face()), 256).any()


def test_narrow_openings_are_drawn_wider_shut_and_wide_ones_are_not():
    def gap(points, change=lambda view: view):
        inner = change(face_view(points)).inner
        return float((inner[[7, 6, 5], 1] - inner[[1, 2, 3], 1]).mean())

    narrow, wide, shut = face(gap=-3.0), face(gap=9.0), face(gap=-7.0)
    still, wide_reference = face_view(shut), face_view(wide)

    def drawn_wider(view):
        return widened(view, still)

    assert gap(narrow, lambda view: widened(view, wide_reference)) == gap(narrow)
    for one in (shut, wide):
        assert gap(one, drawn_wider) == pytest.approx(gap(one), abs=0.05)
    assert 1.0 < gap(narrow) < 4.0 and 1.0 < gap(narrow, drawn_wider) - gap(narrow) < 2.5
    order = [gap(face(gap=one), drawn_wider) for one in np.linspace(-7, 12, 40)]
    assert (np.diff(order) > 0).all()


def test_larger_faces_get_larger_close_ups():
    small, large = face_view(face()), face_view(face() * 1.6)
    sides = [close_up_side(one, CloseUpNetwork(SETTINGS), 256) for one in (small, large)]
    assert sides[0] < sides[1] <= 256 and all(side % SETTINGS.step_px == 0 for side in sides)


def test_the_network_wants_levels_and_blocks():
    for wrong in ({"channels": (5,)}, {"blocks": 0}, {"patch": 0}):
        with pytest.raises(ValueError, match="two levels"):
            replace(SETTINGS, **wrong)


def test_scores_are_perfect_for_the_real_mouth_and_see_a_filled_one():
    real = np.full((256, 256, 3), 180, np.uint8)
    points = face(gap=14.0)
    view = face_view(points)
    real[opening(view, 256) > 128] = (20, 10, 10)
    sample = sample_of(np.full_like(real, 180), real, points, real, face_view(face(gap=-7.0)))
    made = type("Packed", (), {"pictures": sample.pictures[None], "views": flat(sample.view)[None]})
    batch = close_up_batch([sample_tensors(made, 0)])
    assert batch.shown.shape == (1, SHOWN, 96, 96) and sample.pictures.shape == (PACKED_PX, PACKED_PX, CHANNELS)
    lip_coloured = torch.from_numpy(sample.pictures[8:-8, 8:-8, :3]).permute(2, 0, 1)[None] / 255
    filled, perfect = scores(lip_coloured, batch), scores(batch.real, batch)
    assert (batch.shown[:, :3] < 0.05).all(1).sum() > 50     # what the renderer drew inside is not shown
    assert perfect["inside"] < 0.001 and perfect["dark"] == perfect["dark_real"] > 0.9 and perfect["ssim"] > 0.999
    assert filled["inside"] > 0.5 and filled["dark"] == 0 and filled["l1"] > 0.1


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_moving_corpus(tmp_path_factory.mktemp("corpus") / "faces")


def test_references_are_often_shut(corpus):
    clip = read_clip_frames(corpus, "train", stride=2, pool="", pooled=1)[0]
    clip = clip._replace(opening=np.arange(len(clip.opening), dtype=float))
    drawn_ones = np.array([drawn_numbers(clip, torch.Generator().manual_seed(seed)) for seed in range(200)])
    middle = len(clip.opening) / 2
    assert np.mean(drawn_ones[:, 0]) < 0.85 * middle < middle < np.mean(drawn_ones[:, 1])


def test_samples_are_packed_once_and_anew_when_their_source_changes(corpus, tmp_path):
    clips, renderer = read_clip_frames(corpus, "train", stride=2, pool="", pooled=1), load_renderer()
    told = {"material": {"colour": 0}}
    first = packed(clips, 3, tmp_path / "close", renderer, told, seed=1)
    time = (tmp_path / "close" / "pictures.npy").stat().st_mtime_ns
    packed(clips, 3, tmp_path / "close", None, told, seed=1)
    assert (tmp_path / "close" / "pictures.npy").stat().st_mtime_ns == time
    again = packed(clips, 2, tmp_path / "close", renderer, told | {"more": 1}, seed=2)
    assert len(first.pictures) == 3 and len(again.pictures) == 2 and not (tmp_path / "close.part").exists()


def test_training_learns_packed_mouths_and_the_renderer_draws_with_them(corpus, tmp_path, monkeypatch):
    settings = load_config(CloseUpTrainSettings, stage="close_up", preset="tiny",
                           overrides=["run.steps=4", "material.stride=2", "run.precision=fp32"])
    report = train_close_up(corpus, tmp_path / "run", settings)
    renderer = load_renderer(report.weights, precision="fp32")
    assert renderer.network.close_up is not None and (tmp_path / "run" / "sheets").is_dir()
    clip = read_clip_frames(corpus, "val", stride=2, pool="", pooled=1)[0]
    reference = Reference(clip.store.picture(0), clip.points[0].astype(np.float64), clip.mesh[0])
    monkeypatch.setattr(draw, "OPEN_ENOUGH", (1.0, 2.0))      # the made-up corpus smiles
    frames = renderer.frames(renderer.prepare([reference]), Drive(clip.points[:2].astype(np.float64)))
    plain = load_renderer(precision="fp32")
    without = plain.frames(plain.prepare([reference]), Drive(clip.points[:2].astype(np.float64)))
    assert frames.shape == without.shape and not np.array_equal(frames, without)


def test_a_mouth_can_be_overfitted():
    torch.manual_seed(5)
    shown = torch.rand(1, SHOWN, 32, 32)
    real = 0.5 * shown[:, 3:6] + 0.2
    shown[:, 12] = 1
    network = CloseUpNetwork(CloseUpSettings((16, 16), 1, 2))
    optimiser = torch.optim.Adam(network.parameters(), 0.003)
    before = (drawn(network, shown) - real).abs().mean().item()
    for _ in range(120):
        loss = (drawn(network, shown) - real).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.5 * before


def test_a_blurred_face_becomes_as_sharp_as_the_reference_and_a_sharp_one_stays():
    reference = np.random.default_rng(4).random((61, 67, 3)).astype(np.float32)
    reference = cv2.GaussianBlur(reference, (0, 0), 1.0)
    where = np.ones((61, 67), np.float32)
    detail = face_detail(reference, where)
    blurred = cv2.GaussianBlur(reference, (0, 0), 0.5)
    made = sharpened(blurred, where, detail)
    assert face_detail(blurred, where) < SHARE * detail
    assert face_detail(made, where) == pytest.approx(SHARE * detail, rel=0.02)
    assert sharpened(reference, where, detail) is reference
    much = sharpened(cv2.GaussianBlur(reference, (0, 0), 3.0), where, detail)
    beyond = cv2.GaussianBlur(reference, (0, 0), 3.0)
    assert np.abs(much - beyond - MOST * (beyond - cv2.GaussianBlur(beyond, (0, 0), 0.8))).max() < 1e-5
    assert np.array_equal(sharpened(blurred, 0 * where, detail), blurred)
