"""The renderer at work: blocks equal the whole, sizes, references in any order, files that hold no renderer."""

import copy

import numpy as np
import pytest
import torch

from headsync.experiment import config_dict, load_config, save_weights
from render_stage import Drive, Reference, load_renderer
from render_stage.rhythmic_head import RendererNetwork, RhythmicHead, layer_contributions
from render_stage.rhythmic_head.interpolation import run
from render_stage.rhythmic_head.renderer import MOST_REFERENCES, save_network
from render_stage.rhythmic_head.train import RendererSettings
from tests.moving_faces import moved_face, moving_head_face, still_face


@pytest.fixture(scope="module")
def renderer():
    torch.manual_seed(1)
    network = RendererNetwork(load_config(RendererSettings, stage="renderer", preset="tiny").network)
    for weights in network.parameters():
        if not weights.detach().any():
            torch.nn.init.normal_(weights, std=0.05)
    return RhythmicHead(network)


@pytest.fixture(scope="module")
def motion():
    return np.stack([face.points for face in moving_head_face(11, seed=2)])


def test_blocks_equal_the_whole(renderer, motion):
    identity = renderer.prepare([moved_face((0, 0)), moved_face((9, -4))])
    whole = renderer.frames(identity, Drive(motion))
    parts = np.concatenate([renderer.frames(identity, Drive(motion[:3])), renderer.frames(identity, Drive(motion[3:]))])
    single = np.concatenate([renderer.frames(identity, Drive(one[None])) for one in motion])
    assert whole.shape == (len(motion), 256, 256, 3) and whole.dtype == np.uint8
    assert np.abs(whole.astype(int) - parts).max() <= 1 and np.abs(whole.astype(int) - single).max() <= 1
    assert np.abs(whole[0].astype(int) - whole[7]).max() > 30


def test_frames_made_side_by_side_are_the_same(renderer, motion):
    identity, before = renderer.prepare([still_face()]), torch.get_num_threads()
    try:
        made = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            made.append(renderer.frames(identity, Drive(motion[:5])))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert np.abs(made[0].astype(int) - made[1]).max() <= 1 and np.abs(made[0][0].astype(int) - made[0][4]).max() > 5


def test_the_order_of_references_changes_nothing(renderer, motion):
    faces = [moved_face((0, 0)), moved_face((13, -4)), moved_face((-9, 6))]
    frames = [renderer.frames(renderer.prepare(order), Drive(motion[:3])) for order in (faces, faces[::-1])]
    assert np.abs(frames[0].astype(int) - frames[1]).max() <= 2


def test_a_reference_shows_itself():
    """Before anything is learned: the anchor of a frame that is a reference is that reference."""
    face = still_face()
    fresh = RhythmicHead(RendererNetwork(load_config(RendererSettings, stage="renderer", preset="tiny").network))
    _, made = fresh.explain(fresh.prepare([moved_face((25, 9)), face]), face.points[None])
    anchor = made.placed.anchor[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(anchor - face.picture).mean() < 1.0


@pytest.mark.parametrize("size", [128, 256, 384])
def test_pictures_have_the_references_size(renderer, motion, size):
    import cv2

    face = still_face()
    sized = Reference(cv2.resize(face.picture, (size, size), interpolation=cv2.INTER_AREA), face.points, face.mesh)
    frames = renderer.frames(renderer.prepare([sized]), Drive(motion[:2]))
    assert frames.shape == (2, size, size, 3)
    normal = renderer.frames(renderer.prepare([face]), Drive(motion[:2]))
    small = [np.stack([cv2.resize(one, (96, 96), interpolation=cv2.INTER_AREA) for one in each]) for each in (frames, normal)]
    assert np.abs(small[0].astype(int) - small[1]).mean() < 4


def test_every_layer_contributes_and_is_left_as_it_was(renderer, motion):
    identity = renderer.prepare([still_face()])
    before = renderer.frames(identity, Drive(motion[:1]))
    found = layer_contributions(renderer, identity, motion[:1])
    assert list(found) == [32, 16, 8, 4] and all(one.shape == (1, 256, 256) and one.max() > 0 for one in found.values())
    assert np.array_equal(before, renderer.frames(identity, Drive(motion[:1])))


def test_no_frames_are_no_frames(renderer):
    assert renderer.frames(renderer.prepare([still_face()]), Drive(np.zeros((0, 68, 3)))).shape == (0, 256, 256, 3)


def test_too_few_too_many_and_unlike_references(renderer):
    face = still_face()
    for references in ([], [face] * (MOST_REFERENCES + 1), [face, face._replace(picture=face.picture[:128, :128])]):
        with pytest.raises(ValueError, match="1 to 32 references of one size"):
            renderer.prepare(references)


def test_weights_come_back_as_they_were(tmp_path, renderer, motion):
    form = {"renderer": config_dict(renderer.network.settings)}
    path = save_weights(tmp_path / "r.safetensors", renderer.network.state_dict(), config=form)
    again = load_renderer(path)
    face = still_face()
    frames = [one.frames(one.prepare([face]), Drive(motion[:2])) for one in (renderer, again)]
    assert np.array_equal(*frames)


def test_files_that_hold_no_renderer(tmp_path):
    with pytest.raises(ValueError, match="no renderer weights"):
        load_renderer(tmp_path / "missing.safetensors")
    with pytest.raises(ValueError, match="holds no renderer"):
        load_renderer(save_weights(tmp_path / "a.safetensors", {"x": torch.ones(3)}, config={"generator": {}}))
    form = {"renderer": config_dict(load_config(RendererSettings, stage="renderer", preset="tiny").network)}
    with pytest.raises(ValueError, match="does not fit its own configuration"):
        load_renderer(save_weights(tmp_path / "b.safetensors", {"x": torch.ones(3)}, config=form))


def test_between_two_renderers_lies_a_third(renderer, tmp_path, capsys):
    other = copy.deepcopy(renderer.network)
    with torch.no_grad():
        for weights in other.parameters():
            weights.add_(torch.randn_like(weights))
    first, second, out = (tmp_path / f"{name}.safetensors" for name in ("first", "second", "out"))
    save_network(first, renderer.network, half=False), save_network(second, other, half=False)
    made = {}
    for share in (0, 0.25, 1):
        run([str(first), str(second), "--share", str(share), "--out", str(out)])
        made[share] = load_renderer(out).network.state_dict()
    for name, one in renderer.network.state_dict().items():
        aim = other.state_dict()[name]
        expected = {0: one, 0.25: one + 0.25 * (aim - one) if one.is_floating_point() else one, 1: aim}
        assert all(torch.allclose(made[share][name], expected[share], rtol=2e-3, atol=2e-3) for share in made), name
    assert "written" in capsys.readouterr().out


def test_nothing_lies_between_renderers_of_other_forms(renderer, tmp_path, capsys):
    first = str(save_network(tmp_path / "first.safetensors", renderer.network, half=False))
    for second, share, told in (("small", "0.5", "different forms"), (first, "1.5", "share must be in")):
        with pytest.raises(SystemExit) as ended:
            run([first, second, "--share", share, "--out", str(tmp_path / "out.safetensors")])
        said = capsys.readouterr().err
        assert ended.value.code == 2 and told in said and said.count("\n") == 1
    assert not (tmp_path / "out.safetensors").exists()
