"""Heads, lips and lids by headsync gen-landmarks, headsync talk and headsync render: each option does what it says, and all
three commands do the same."""

import json

import numpy as np
import pytest

import landmark_stage.head_motion.generate
import render_stage
from headsync.commands.program import main
from headsync.experiment import fingerprint
from headsync.landmarks import RIGID17, LandmarkSequence, rotation_matrix, rotation_vector, similarity_fit
from headsync.landmarks.geometry import frontal
from headsync.landmarks.lips import lip_opening, lip_shapes
from headsync.landmarks.motion import head_track, lid_closures
from headsync.metrics.lips import crossed_share
from landmark_stage.articulation.generate import BEGIN_FRAMES, load_articulation
from render_stage import read_references
from tests.face_files import PORTRAIT, blank, shaking, write_video
from tests.head_files import AUDIO_FRAMES, turning, write_head_files

FIT = list(RIGID17)
ENDS = AUDIO_FRAMES // 4       # frames of transition of so short a motion
INSIDE = slice(ENDS, AUDIO_FRAMES - ENDS)


class Watching:
    """A renderer that keeps the landmarks it is to show."""

    needs, margin_frames = frozenset({"points"}), 0

    def __init__(self):
        self.shown = []

    def prepare(self, references):
        return references[0].picture

    def frames(self, identity, drive):
        self.shown.append(drive.points)
        return identity[None].repeat(len(drive.points), 0)


@pytest.fixture(scope="module")
def references():
    return read_references(PORTRAIT, size=64, progress=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, references):
    """Files to move heads by, and a motion of the portrait whose lips alone are moved, by the untrained generator."""
    folder = write_head_files(tmp_path_factory.mktemp("some 'heads' #1 ü"))
    references.start().save(folder / "start.npz")
    blinking = turning()
    lids = np.zeros((61, 1), np.float32)
    lids[20:26] = 1
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        blinking.points[:, upper] += lids * (blinking.points[:, lower] - blinking.points[:, upper])
    blinking.save(folder / "blinking.npz")
    write_video(folder / "gaps.mp4", [*shaking(14, amplitude=15), *blank(8), *shaking(45, amplitude=15)[22:]])
    files = {"--audio": "a.flac", "--start": "start.npz", "--out": "plain.npz", "--model": "generator.safetensors"}
    argv = [word for option, name in files.items() for word in (option, str(folder / name))]
    plain = ["--head-motion", "landmarks", "--blink", "off", "--lip-closure", "0", "--lips", "generator"]
    assert main(["gen-landmarks", *argv, *plain]) == 0
    return folder


@pytest.fixture(autouse=True)
def small(folder, references, monkeypatch):
    """Untrained heads, one reading of the portrait, and no rendering."""
    load, weights = landmark_stage.head_motion.generate.load_head_motion, folder / "head_motion.safetensors"
    monkeypatch.setattr(landmark_stage.head_motion.generate, "load_head_motion", lambda: load(weights))
    renderer = Watching()
    monkeypatch.setattr(render_stage, "read_references", lambda *sources, **how: references)
    monkeypatch.setattr(render_stage, "load_renderer", lambda source, **how: renderer)
    monkeypatch.chdir(folder)
    return renderer


def argv_of(command, out, *argv):
    own = {"gen-landmarks": ["--start", "start.npz", "--model", "generator.safetensors", "--lips", "generator"],
           "talk": ["--refs", str(PORTRAIT), "--motion-model", "generator.safetensors", "--lips", "generator"],
           "render": ["--refs", str(PORTRAIT), "--landmarks", "plain.npz"]}[command]
    out = out.with_suffix(".npz") if command == "gen-landmarks" else out
    return [command, "--audio", "a.flac", "--out", str(out), *own, *argv]


def motion_of(command, renderer, folder, *argv):
    """The motion (T, 68, 3) that a command makes with these options; lips as generated where nothing is said of them."""
    argv = argv if "--lip-closure" in argv else ("--lip-closure", "0", *argv)
    argv = argv if "--head-motion" in argv else ("--head-motion", "landmarks", *argv)
    out = folder / ("s.npz" if command == "gen-landmarks" else "v.mp4")
    renderer.shown.clear()
    assert main(argv_of(command, out, *argv)) == 0
    shown = np.concatenate(renderer.shown) if renderer.shown else None
    if command == "render":
        return shown
    made = LandmarkSequence.load(out.with_suffix(".npz")).points
    assert shown is None or np.array_equal(made, shown)
    return made


@pytest.fixture(scope="module")
def known():
    return {}


@pytest.fixture
def made(tmp_path, small, known):
    """Motions of headsync gen-landmarks, by options; each is made once."""
    def made(*argv):
        if argv not in known:
            known[argv] = motion_of("gen-landmarks", small, tmp_path, *argv)
        return known[argv]

    return made


def turned(points, others):
    """Angles (T,) in degrees between two heads."""
    apart = rotation_matrix(head_track(points)[:, :3]) @ np.swapaxes(rotation_matrix(head_track(others)[:, :3]), 1, 2)
    return np.degrees(np.linalg.norm(rotation_vector(apart), axis=1))


@pytest.mark.parametrize("argv", [
    ["--blink", "60"], ["--head-scale", "0.5", "--blink", "off"], ["--lip-scale", "1.7", "--blink", "40"],
    ["--head-motion", "still", "--blink", "off"], ["--head-motion", "learned", "--blink", "off"],
    ["--lip-closure", "2", "--blink", "off"],
    ["--head-motion", "learned", "--head-reference", "pose.npz", "--blink", "off"],
    ["--head-motion", "blinking.npz", "--head-scale", "0.7", "--lip-scale", "0.5", "--blink", "video"]])
def test_the_three_commands_move_faces_alike(small, tmp_path, folder, argv):
    ours, spoken, shown = (motion_of(command, small, tmp_path, *argv) for command in ALL)
    assert len(ours) == AUDIO_FRAMES and np.array_equal(ours, spoken) and np.array_equal(ours, shown)
    assert np.abs(ours - LandmarkSequence.load(folder / "plain.npz").points).max() > 0.3


def test_nothing_asked_of_render_changes_no_bit(small, tmp_path, folder):
    assert np.array_equal(motion_of("render", small, tmp_path), LandmarkSequence.load(folder / "plain.npz").points)


def test_still_heads_stand_still(made):
    plain, still = made("--blink", "off"), made("--head-motion", "still", "--blink", "off")
    moved = [np.sqrt(np.square(one[:, FIT, :2] - one[0, FIT, :2]).sum(-1).mean()) for one in (still, plain)]
    assert moved[0] < 0.01 < 0.5 < moved[1]


def test_copied_heads_follow_their_source(made):
    copied, source = made("--head-motion", "pose.npz", "--blink", "off"), turning().points
    assert turned(copied[INSIDE], source[:AUDIO_FRAMES][INSIDE]).max() < 1 < 5 < turned(copied[:1].repeat(61, 0), source).max()
    place = copied[:, FIT].mean(1) - copied[0, FIT].mean(0)
    wanted = source[:AUDIO_FRAMES, FIT].mean(1) - np.median(source[:, FIT].mean(1), 0)
    assert np.abs(place - wanted)[INSIDE, :2].max() < 2


def test_learned_heads_have_seeds_and_persons(made):
    argv = ["--head-motion", "learned", "--blink", "off", "--noise", "0"]
    one, seeded, person = (head_track(made(*argv, *more)) for more in ([], ["--seed", "1"], ["--head-reference", "pose.npz"]))
    assert np.abs(one - seeded).max() > 1e-3 and np.abs(one - person).max() > 0.05


def test_half_a_head_is_half_of_turn_and_shift(made):
    for source in (["--head-motion", "pose.npz"], ["--head-motion", "landmarks"]):
        whole, half = (made(*source, "--blink", "off", "--head-scale", scale) for scale in ("1", "0.5"))
        turns = [rotation_vector(similarity_fit(one[0, FIT].astype(float), one[:, FIT]).rotation) for one in (whole, half)]
        ways = [one[:, FIT, :2].mean(1) - one[0, FIT, :2].mean(0) for one in (whole, half)]
        for one, other in (turns, ways):
            assert abs(np.linalg.norm(other) / np.linalg.norm(one) - 0.5) < 0.01


def test_lips_are_scaled_and_nothing_else(made):
    whole, none, twice = (made("--head-motion", "still", "--blink", "off", "--lip-scale", scale) for scale in "102")
    opening = [lip_opening(one) - lip_opening(one[:1]) for one in (whole, none, twice)]
    assert np.abs(opening[1]).max() < 1e-4 < 0.003 < np.abs(opening[0]).max()
    np.testing.assert_allclose(twice[:, 48:] - twice[0, 48:], 2 * (whole[:, 48:] - whole[0, 48:]), atol=0.05)
    assert np.abs(twice[:, 17:48] - whole[:, 17:48]).max() < 1e-3


def test_lips_of_the_articulation_learner_are_the_default_and_scaled_about_the_neutral_mouth(small, tmp_path):
    def made(command, *argv):
        out = tmp_path / ("s.npz" if command == "gen-landmarks" else "v.mp4")
        words = [word for word in argv_of(command, out, *argv) if word not in ("--lips", "generator")]
        assert main(words) == 0
        return LandmarkSequence.load(out.with_suffix(".npz"))

    for argv in (["--blink", "off"], ["--blink", "off", "--head-motion", "still", "--lip-scale", "0.7"]):
        ours, spoken = (made(command, *argv) for command in ALL[:2])
        assert np.array_equal(ours.points, spoken.points) and json.loads(ours.producer)["lip_scale"] in (1, 0.7)
        assert json.loads(ours.producer)["lips"] == fingerprint(load_articulation())
    none, twice = (made("gen-landmarks", "--head-motion", "still", "--blink", "off", "--lip-scale", scale) for scale in "02")
    still, moving = (lip_shapes(frontal(one.points)).opening[BEGIN_FRAMES:] for one in (none, twice))
    assert np.abs(still).max() < 5e-3 and moving.max() > 0.05 and crossed_share(moving) == 0


def test_lids_blink_as_often_as_asked(made):
    def shut(*argv):
        return lid_closures(made("--head-motion", "still", *argv))

    often, usual, off = shut("--blink", "60"), shut(), shut("--blink", "off")
    assert often.max() == 1 and off.max() < 0.2 and usual.max() in (off.max(), 1.0)
    copied = lid_closures(made("--head-motion", "blinking.npz", "--blink", "video"))
    assert copied[21:25].min() > 0.9 and np.delete(copied, range(18, 28)).max() < 0.2


def test_the_expression_learner_speaks_in_both_commands(small, tmp_path):
    argv = ["--generator", "expression", "--blink", "off", "--lip-scale", "1.5"]
    ours, spoken = (motion_of(command, small, tmp_path, *argv, option, "expression.safetensors")
                    for command, option in (("gen-landmarks", "--model"), ("talk", "--motion-model")))
    assert np.array_equal(ours, spoken) and np.abs(ours[:, FIT] - ours[0, FIT]).max() < 1
    told = json.loads(LandmarkSequence.load(tmp_path / "v.npz").producer)
    assert told["generator"] == "expression" and told["lip_scale"] == 1.5


def test_a_video_without_a_face_in_part_is_interpolated_and_reported(made, capsys):
    copied = made("--head-motion", "gaps.mp4", "--blink", "off")
    told = capsys.readouterr().err
    assert "gaps.mp4: no face in 8 of 45 frames (the first is 14); interpolated" in told and told.count("headsync:") == 1
    place = copied[:, FIT, 0].mean(1)
    # straight but for the picture's edge, which it comes near to
    assert np.abs(np.diff(place[14:22], n=2)).max() < 0.3 and 20 < np.ptp(place) and np.abs(np.diff(place)).max() < 6


ALL, MAKERS = ("gen-landmarks", "talk", "render"), ("gen-landmarks", "talk")


@pytest.mark.parametrize("commands, argv, words", [
    (ALL, ["--head-motion", "none.mp4"], "there is no file none.mp4"), (ALL, ["--head-motion", "grey.png"], "no face found"),
    (ALL, ["--blink", "often"], "--blink takes off, natural, video or a number"), (ALL, ["--blink", "video"], "give a video"),
    (ALL, ["--head-scale", "-1"], "--head-scale must be 0 or more"), (ALL, ["--lip-scale", "nan"], "--lip-scale must be 0"),
    (ALL, ["--lip-closure", "-1"], "--lip-closure must be 0 or more"),
    (ALL, ["--head-motion", "still", "--head-reference", "pose.npz"], "is for --head-motion learned"),
    (ALL, ["--seed", "1" + 20 * "0"], "64 bits"),
    (ALL, ["--head-motion", "learned", "--head-reference", "none.npz"], "--head-reference takes a video or .npz, and there"),
    (MAKERS, ["--generator", "other"], "--generator takes ms-sync or exp"), (MAKERS, ["--noise", "-1"], "--noise must be 0")])
def test_bad_values_are_one_line_and_leave_nothing(tmp_path, capsys, commands, argv, words):
    for command in commands:
        assert main(argv_of(command, tmp_path / "v.mp4", *argv)) == 2
        told = capsys.readouterr().err
        assert words in told and told.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--head-motion", "--head-reference", "--head-scale", "--lip-scale", "--lip-closure",
                                    "--blink", "--seed"])
def test_missing_values_are_said_and_leave_nothing(tmp_path, capsys, option):
    for command in ALL:
        with pytest.raises(SystemExit) as ended:
            main(argv_of(command, tmp_path / "v.mp4", option))
        told = capsys.readouterr().err.splitlines()[-1]
        assert ended.value.code == 2 and option in told and "expected one argument" in told and not list(tmp_path.iterdir())


def test_learned_heads_need_a_sound_as_long_as_the_motion(tmp_path, capsys, folder):
    argv = ["--refs", str(PORTRAIT), "--out", str(tmp_path / "v.mp4"), "--head-motion", "learned"]
    assert main(["render", *argv, "--landmarks", "plain.npz"]) == 2
    assert "follows the sound; give --audio" in capsys.readouterr().err
    sequence = LandmarkSequence.load(folder / "plain.npz")
    for frames, code in ((AUDIO_FRAMES + 1, 0), (AUDIO_FRAMES - 1, 0), (AUDIO_FRAMES + 9, 2)):
        sequence.held(frames).save(tmp_path / "m.npz")
        assert main(["render", *argv, "--landmarks", str(tmp_path / "m.npz"), "--audio", "a.flac"]) == code
