"""The renderer's contract: what is no renderer is told so, drives are cut with their margins, files find their method."""

import numpy as np
import pytest
import torch

from headsync.experiment import save_weights
from headsync.landmarks import canonical_face, rotation_matrix
from headsync.media import extract_features, read_audio, read_frames
from render_stage import RENDERERS, Drive, RendererKind, check_renderer, load_renderer, registry, render_video
from render_stage.contract import checked_frames
from render_stage.driving import SILENCE_DB, drives, frame_poses, windows
from tests.face_files import shaking, write_tone, write_video
from tests.test_render import PIXELS, Dots, at_home, face, place  # noqa: F401 (fixtures)

T, SIZE, MARGIN = 53, 11, 3


class Watching:
    """Shows nothing and keeps every drive, in which it checks what it must find."""

    def __init__(self, needs, margin):
        self.needs, self.margin_frames, self.drives = frozenset(needs), margin, []

    def prepare(self, references):
        return references[0].picture

    def frames(self, identity, drive):
        self.drives.append(drive)
        return identity[None].repeat(len(drive.points) - 2 * self.margin_frames, 0)


class Old:
    def prepare(self, references):
        pass

    def frames(self, identity, points):
        pass


class Half:
    needs = frozenset({"points"})

    def prepare(self, references):
        pass


@pytest.mark.parametrize("renderer, words", [
    (object(), "object is no renderer, it has no prepare, frames, needs, margin_frames; give what load_renderer returns"),
    (Half(), "Half is no renderer, it has no frames, margin_frames"),
    (Old(), r"Old is a renderer of headsync 0.1, whose frames\(identity, points\) took landmarks: write frames\(identity, dri"),
    (Watching({"sound"}, 0), "needs must be some of points, rows, pose, source"),
    (Watching({"points"}, -1), "margin_frames must"),
    (Watching({"points"}, 0.5), "margin_frames must be 0 or more whole frames, got 0.5"),
])
def test_what_is_no_renderer_is_one_line(renderer, words):
    with pytest.raises(ValueError, match=words) as told:
        check_renderer(renderer)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("renderer", [object(), Half(), Old()])
def test_no_work_is_begun_without_a_renderer(tmp_path, renderer):
    with pytest.raises((TypeError, ValueError), match="renderer"):
        render_video(tmp_path / "missing.npz", tmp_path / "missing.png", tmp_path / "v.mp4", renderer=renderer)
    assert not list(tmp_path.iterdir())


def test_needs_may_not_be_one_word():
    watching = Watching((), 0)
    watching.needs = "points"
    with pytest.raises(ValueError, match="needs must be some of"):
        check_renderer(watching)


@pytest.mark.parametrize("made", [np.zeros((2, 5, 5, 3), np.uint8), np.zeros((3, 5, 5, 3), np.float32), [1], None])
def test_frames_of_another_form_are_one_line(made):
    with pytest.raises(ValueError, match=r"Old.frames must return uint8 \(3, 5, 5, 3\), got"):
        checked_frames(made, count=3, pixels=5, renderer=Old())


@pytest.mark.parametrize("cut", [1, 7, SIZE, T])
@pytest.mark.parametrize("items, filled", [(1, None), (4, None), (4, -9.0)])
def test_windows_have_their_margins(cut, items, filled):
    whole = np.arange(items * T * 2, dtype=np.float32).reshape(-1, 2)
    ends = [whole[:1].repeat(items * MARGIN, 0), whole[-1:].repeat(items * MARGIN, 0)]
    if filled is not None:
        ends = [np.full_like(end, filled) for end in ends]
    around = np.concatenate([ends[0], whole, ends[1]])
    blocks = np.split(whole, range(cut, len(whole), cut))
    found = list(windows(blocks, size=SIZE, margin=MARGIN, items=items, filled=filled))
    assert len(found) == -(-T // SIZE)
    for number, window in enumerate(found):
        begin = items * SIZE * number
        assert np.array_equal(window, around[begin : begin + items * (SIZE + 2 * MARGIN)])
    assert len(found[-1]) == items * (T - SIZE * (T // SIZE) + 2 * MARGIN)


def test_every_part_of_a_drive_belongs_to_its_frames():
    points = np.arange(T, dtype=np.float32)[:, None, None] + canonical_face()
    rows, source = np.arange(4 * T, dtype=np.float32)[:, None], np.arange(T, dtype=np.uint8)[:, None]
    phonetics, decibels = np.arange(2 * T, dtype=np.float32)[:, None], np.arange(4 * T, dtype=np.float32)[:, None] + 1
    sound = {"rows": np.split(rows[: 4 * (T - 2)], [5, 130]), "phonetics": np.split(phonetics[: 2 * (T - 4)], [3, 40]),
             "decibels": [decibels]}
    source = np.split(source[: T - 5], range(1, T - 5))
    for drive in drives([points], needs=Drive._fields, block_frames=SIZE, margin=MARGIN, sound=sound, source=source):
        first = drive.points[:, 0, 0] - canonical_face()[0, 0]
        assert len(drive.rows) == 4 * len(first) and len(drive.source) == len(drive.pose) == len(first)
        for t, frame in enumerate(np.round(first).astype(int)):
            inside = MARGIN <= t < len(first) - MARGIN
            silent = frame >= T - 2 or drive.rows[4 * t, 0] == SILENCE_DB
            assert silent or np.array_equal(drive.rows[4 * t : 4 * t + 4, 0], 4 * frame + np.arange(4))
            assert inside <= (drive.source[t, 0] == min(frame, T - 6))
            spoken = np.minimum(2 * frame + np.arange(2), 2 * (T - 4) - 1)      # its last row follows where it ends early
            assert inside <= np.array_equal(drive.phonetics[2 * t : 2 * t + 2, 0], spoken)
            assert inside <= np.array_equal(drive.decibels[4 * t : 4 * t + 4, 0], 4 * frame + np.arange(4) + 1)
    assert (drive.rows[-4 * (MARGIN + 2) :] == SILENCE_DB).all()    # where the sound ends early


@pytest.mark.parametrize("needs", [{"points"}, {"rows"}, {"pose"}, {"source"}, {"phonetics"}, {"decibels"}])
def test_what_is_not_needed_is_not_there(needs):
    sound = {"rows": [np.zeros((4, 26))], "phonetics": [np.zeros((2, 384))], "decibels": [np.zeros((4, 80))]}
    [drive] = drives([canonical_face()[None]], needs=needs, block_frames=1, margin=0, sound=sound,
                     source=[np.zeros((1, 256, 256, 3), np.uint8)])
    assert {name for name, part in drive._asdict().items() if part is not None} == {"points"} | needs


def test_a_pose_is_each_frame_s_own():
    turned = rotation_matrix(np.array([[0.0, 0.3, 0.1], [0, 0, 0]]))
    middle = canonical_face()[list(range(17, 68))].mean(0)
    points = (canonical_face() - middle) @ turned.transpose(0, 2, 1) * np.array([1.5, 1])[:, None, None] + middle + (7, -4, 0)
    pose = frame_poses(points)
    assert np.allclose(pose[0, :3], (0, 0.3, 0.1), atol=1e-6) and np.allclose(pose[:, 5], (np.log(1.5), 0), atol=1e-6)
    assert np.allclose(pose[1, 3:5] - frame_poses(canonical_face()[None])[0, 3:5], (7, -4), atol=1e-4)
    assert np.array_equal(frame_poses(points[:1])[0], pose[0])


def test_a_whole_video_drives_with_everything(tmp_path, face):  # noqa: F811
    sound, clip = write_tone(tmp_path / "a.flac", T), write_video(tmp_path / "clip.mp4", shaking(T))
    renderer, motion = Watching(Drive._fields, MARGIN), at_home(T, face)
    motion = motion.replace(crop=(0.0, 0.0, 256.0, 256.0))
    render_video(motion, face, tmp_path / "v.mp4", audio=sound, renderer=renderer, source=clip, progress=False)
    inner = [drive.points[MARGIN:-MARGIN] for drive in renderer.drives]
    assert [len(one) for one in inner] == [50, T - 50] and len(list(read_frames(tmp_path / "v.mp4"))) == T
    rows = np.concatenate([drive.rows[4 * MARGIN : -4 * MARGIN] for drive in renderer.drives])
    assert np.array_equal(rows, extract_features(read_audio(sound)))
    shown = np.concatenate([drive.source[MARGIN:-MARGIN] for drive in renderer.drives])
    assert shown.shape == (T, 256, 256, 3) and np.abs(np.diff(shown[:9].astype(int), axis=0)).mean() > 0.1
    first, second = renderer.drives
    assert np.array_equal(first.points[-2 * MARGIN :], second.points[: 2 * MARGIN])


@pytest.mark.parametrize("needs, words", [({"rows"}, "reads the sound; give audio"), ({"source"}, "give source")])
def test_what_is_needed_and_not_given_is_one_line(tmp_path, face, needs, words):  # noqa: F811
    with pytest.raises(ValueError, match=words):
        render_video(at_home(7, face), face, tmp_path / "v.mp4", renderer=Watching(needs, 0), progress=False)
    assert not list(tmp_path.iterdir())


def test_a_file_finds_its_method_by_its_configuration(tmp_path, monkeypatch):
    asked = []

    def load(source, *, device, precision):
        asked.append((source, device, precision))
        return Dots()

    monkeypatch.setitem(RENDERERS, "dots", RendererKind(load, "plain", frozenset({"dots", "size"})))
    path = save_weights(tmp_path / "w.safetensors", {"x": torch.ones(3)}, config={"dots": {}, "size": 7})
    assert isinstance(load_renderer(path, device="cpu", precision="fp32"), Dots) and isinstance(load_renderer("dots"), Dots)
    assert asked == [(path, "cpu", "fp32"), ("plain", "auto", "auto")]
    foreign = save_weights(tmp_path / "f.safetensors", {"x": torch.ones(3)}, config={"dots": {}})
    with pytest.raises(ValueError, match=r"holds no renderer \(its configuration has \['dots'\]\)"):
        load_renderer(foreign)
    with pytest.raises(ValueError, match="there are no renderer weights"):
        load_renderer(tmp_path / "missing.safetensors")
    (tmp_path / "text.safetensors").write_text("words")
    with pytest.raises(ValueError, match="is not a headsync weights file"):
        load_renderer(tmp_path / "text.safetensors")
    assert registry.RENDERERS is RENDERERS
