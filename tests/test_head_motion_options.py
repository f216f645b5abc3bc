"""One set of options for every command: sources of head motion and blinks are read, refused in one line, and make a file."""

import argparse
import json

import numpy as np
import pytest

import landmark_stage.control
from headsync.commands.motion_arguments import add_motion_arguments
from headsync.commands.program import main
from headsync.landmarks import RIGID17, LandmarkSequence, canonical_face
from headsync.landmarks.lips import lip_opening
from headsync.landmarks.motion import head_track
from landmark_stage import load_speaker, motion_from, rewrite_motion
from landmark_stage.control import open_pose
from tests.head_files import FRAMES, turning, write_head_files


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_head_files(tmp_path_factory.mktemp("motion"))


@pytest.fixture(autouse=True)
def small_heads(folder, monkeypatch):
    """Learned heads come from the untrained weights, whatever is shipped."""
    load = landmark_stage.head_motion.generate.load_head_motion
    weights = folder / "head_motion.safetensors"
    monkeypatch.setattr(landmark_stage.head_motion.generate, "load_head_motion", lambda: load(weights))
    monkeypatch.chdir(folder)


def generated(out, *argv, code=0):
    own = ["--model", "generator.safetensors", "--lips", "generator"]
    found = main(["gen-landmarks", "--audio", "a.flac", "--out", str(out), *own, *argv])
    assert found == code
    return LandmarkSequence.load(out) if not code else None


def asked(*argv):
    parser = argparse.ArgumentParser()
    add_motion_arguments(parser)
    return motion_from(parser.parse_args(argv))


@pytest.mark.parametrize("argv", [
    ["--head-motion", "still"], ["--head-motion", "learned"], ["--head-motion", "learned", "--head-reference", "pose.npz"],
    ["--head-motion", "pose.npz"], ["--head-motion", "short.npz", "--blink", "video"], ["--blink", "40"],
    ["--head-motion", "pose.npz", "--head-scale", "0.5", "--lip-scale", "1.5", "--seed", "3"]])
def test_every_source_makes_a_motion(tmp_path, argv):
    made = generated(tmp_path / "s.npz", *argv)
    assert len(made) == 57 and np.array_equal(made.points[0], canonical_face())
    again = generated(tmp_path / "t.npz", *argv)
    assert np.array_equal(made.points, again.points)
    told = json.loads(made.producer)
    assert told["program"] == "gen_landmarks" and {"head_motion", "blink", "weights", "audio_sha256"} <= set(told)
    assert told["lips"] == "generator"
    assert np.abs(np.diff(made.points[:, list(RIGID17)], axis=0)).max() < 5


def test_without_choices_it_is_the_generator_alone(tmp_path):
    argv = ["--head-motion", "landmarks", "--blink", "off", "--lip-closure", "0", "--head-scale", "0.5"]
    plain = generated(tmp_path / "s.npz", *argv)
    assert json.loads(plain.producer)["head_scale"] == 0.5 and "head_motion" not in json.loads(plain.producer)


def test_copied_and_still_heads_are_where_they_should_be(tmp_path):
    copied = generated(tmp_path / "s.npz", "--head-motion", "pose.npz", "--blink", "off")
    ours, source = head_track(copied.points), head_track(turning().points, taps=5)
    inside = slice(16, 40)
    np.testing.assert_allclose(ours[inside, :3], source[inside, :3], atol=0.01)
    still = generated(tmp_path / "t.npz", "--head-motion", "still", "--blink", "off")
    assert np.abs(still.points[:, list(RIGID17)] - still.points[0, list(RIGID17)]).max() < 3


def test_the_expression_generator_keeps_its_head_still_until_told(tmp_path):
    argv = ["--audio", "a.flac", "--model", "expression.safetensors", "--generator", "expression", "--blink", "off"]
    assert main(["gen-landmarks", *argv, "--out", str(tmp_path / "s.npz")]) == 0
    assert main(["gen-landmarks", *argv, "--out", str(tmp_path / "t.npz"), "--head-motion", "pose.npz"]) == 0
    still, moved = (LandmarkSequence.load(tmp_path / name) for name in ("s.npz", "t.npz"))
    assert len(still) == 57 and json.loads(still.producer)["generator"] == "expression"
    assert json.loads(still.producer)["lips"] == json.loads(still.producer)["weights"]      # the learner's own
    assert np.abs(head_track(still.points)[:, 1]).max() < 0.05 < np.abs(head_track(moved.points)[:, 1]).max()


def test_frames_without_a_face_are_reported(caplog):
    found = open_pose("gaps.npz")
    assert found.missing.tolist() == [5, 6, 11] and np.isfinite(found.points).all()
    [told] = caplog.messages
    assert told == "gaps.npz: no face in 3 of 61 frames (the first is 5); interpolated"


def test_heads_are_learned_by_weights_of_ones_own(monkeypatch):
    calls = []
    monkeypatch.setattr(landmark_stage.control, "stream_heads", lambda audio, start, **given: calls.append(given) or iter([]))
    choice = asked("--head-motion", "learned", "--head-motion-model", "head_motion")
    list(choice.applied([], canonical_face(), audio="a.flac", frames=None, size=(256, 256)))
    assert calls[0]["model"] is choice.learner is not None and asked("--head-motion", "learned").learner is None
    with pytest.raises(ValueError, match="is for --head-motion learned"):
        asked("--head-motion-model", "head_motion")
    with pytest.raises(ValueError, match=r"absent\.safetensors"):
        asked("--head-motion", "learned", "--head-motion-model", "absent.safetensors")


def test_of_several_references_the_first_long_clip_is_learned_from():
    parser = argparse.ArgumentParser()
    add_motion_arguments(parser)
    parser.add_argument("--refs", nargs="+")
    argv = ["--head-motion", "learned", "--refs", "grey.png", "short.npz", "gaps.npz", "pose.npz"]
    assert len(motion_from(parser.parse_args(argv)).reference.points) == FRAMES
    assert motion_from(parser.parse_args(argv[:-2])).reference is None
    with pytest.raises(ValueError, match="none.mp4: no such file"):
        motion_from(parser.parse_args([*argv[:3], "none.mp4"]))


def test_references_come_from_where_they_should():
    assert asked("--head-motion", "learned").reference is None
    assert len(asked("--head-motion", "learned", "--head-reference", "pose.npz").reference.points) == FRAMES
    parser = argparse.ArgumentParser()
    add_motion_arguments(parser, blink="off", noise=False)
    parser.add_argument("--start")
    options = parser.parse_args(["--head-motion", "learned", "--start", "pose.npz"])
    assert len(motion_from(options).reference.points) == FRAMES and motion_from(options).blink == "off"
    with pytest.raises(ValueError, match="follows the sound; give --audio"):
        motion_from(options).applied([], canonical_face(), audio=None, frames=None, size=(256, 256))


@pytest.mark.parametrize("argv, words", [
    (["--head-motion", "none.mp4"], "takes landmarks, learned, still or a video or .npz, and there is no file none.mp4"),
    (["--head-motion", "foreign.npz"], "not a landmarks/1 file"), (["--head-motion", "grey.png"], "no face found"),
    (["--head-motion", "fast.npz"], "at 25 frames per second, got ibug68 at 30"), (["--head-motion", "a.flac"], "a.flac"),
    (["--blink", "often"], "--blink takes off, natural, video or a number of blinks a minute, got 'often'"),
    (["--blink", "99"], "0 to 60 blinks"), (["--blink", "video"], "give a video there"), (["--blink", "nan"], "0 to 60 blinks"),
    (["--head-motion", "learned", "--head-reference", "short.npz"], "has 40 frames; at least 48"),
    (["--head-motion", "learned", "--head-reference", "none.npz"], "there is no file none.npz"),
    (["--head-motion", "still", "--head-reference", "pose.npz"], "--head-reference is for --head-motion learned"),
    (["--head-scale", "nan"], "--head-scale must be 0 or more"), (["--lip-scale", "-1"], "--lip-scale must be 0 or more"),
    (["--lip-closure", "-1"], "--lip-closure must be 0 or more"), (["--lip-closure", "nan"], "--lip-closure must be 0 or more"),
    (["--seed", "99999999999999999999"], "--seed must fit 64 bits"),
    (["--generator", "other"], "--generator takes ms-sync or expression"),
    (["--generator", "expression"], "holds no expression learner")])
def test_bad_options_are_one_line_and_leave_nothing(tmp_path, capsys, argv, words):
    generated(tmp_path / "s.npz", *argv, code=2)
    told = capsys.readouterr().err
    assert words in told and told.count("\n") == 1 and not list(tmp_path.iterdir())


def test_lips_are_closed_when_asked(tmp_path):
    own = ["--head-motion", "landmarks", "--blink", "off"]
    made, asked_for, not_so = (generated(tmp_path / f"{name}.npz", *own, *argv) for name, argv in (
        ("s", []), ("t", ["--lip-closure", "1"]), ("u", ["--lip-closure", "0"])))
    assert np.array_equal(made.points, not_so.points) and "lip_closure" not in json.loads(made.producer)
    assert json.loads(asked_for.producer)["lip_closure"] == 1
    assert (lip_opening(asked_for.points)[8:] < lip_opening(not_so.points)[8:]).all()
    assert not asked("--blink", "off", "--lip-closure", "1").unchanged


def test_files_are_rewritten_in_blocks(tmp_path):
    still = asked("--head-motion", "still", "--blink", "off")
    assert rewrite_motion("pose.npz", tmp_path / "s.npz", motion=still, audio=None) == FRAMES
    made = LandmarkSequence.load(tmp_path / "s.npz")
    assert np.abs(made.points - turning().points[0]).max() < 1e-3 and json.loads(made.producer)["head_motion"] == "still"
    assert asked("--blink", "off").unchanged and not asked("--blink", "off", "--head-scale", "0.5").unchanged
    assert made.visible.all() and rewrite_motion("gaps.npz", tmp_path / "u.npz", motion=still, audio=None) == FRAMES
    assert np.flatnonzero(~LandmarkSequence.load(tmp_path / "u.npz").visible).tolist() == [5, 6, 11]
    with pytest.raises(ValueError, match="has 30 frames per second"):
        rewrite_motion("fast.npz", tmp_path / "t.npz", motion=still, audio=None)
    with pytest.raises(ValueError, match="follows the sound"):
        rewrite_motion("pose.npz", tmp_path / "t.npz", motion=asked("--head-motion", "learned"), audio=None)
    assert not (tmp_path / "t.npz").exists()


def test_speakers_have_names():
    with pytest.raises(ValueError, match="no expression weights"):
        load_speaker("expression", "nowhere")
