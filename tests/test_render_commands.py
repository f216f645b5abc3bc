"""headsync render and headsync talk: whole files or none, one line for bad input, several jobs with one reading of the face."""

import numpy as np
import pytest

import render_stage
from headsync.commands.program import main
from headsync.experiment import config_dict, save_weights
from headsync.landmarks import LandmarkSequence
from headsync.landmarks.detection import extract, make_detector
from headsync.media import read_frames, video_info
from landmark_stage import Generator, GeneratorSettings
from landmark_stage.ms_sync.audio_pyramid import AudioPyramidSettings
from tests.face_files import blank, portrait, write_tone, write_video
from tests.media_files import write_picture


class Still:
    """A renderer whose face never moves."""

    needs, margin_frames = frozenset({"points"}), 0

    def prepare(self, references):
        return references[0].picture

    def frames(self, identity, drive):
        return identity[None].repeat(len(drive.points), 0)


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """A photo, two sounds of 31 frames, a motion of the photo of as many, a small generator, and what is bad."""
    folder = tmp_path_factory.mktemp("some 'material' #1 ü")
    write_picture(folder / "photo.png", portrait())
    write_picture(folder / "grey.png", np.full((97, 131, 3), 127, np.uint8))
    write_video(folder / "nobody.mp4", blank(11))
    for number, name in enumerate("ab"):
        write_tone(folder / f"{name}.flac", 31, seed=number)
    write_tone(folder / "long.flac", 47)
    sequence = extract(folder / "photo.png").sequence.held(31)
    sequence.save(folder / "s.npz")
    sequence.replace(points=sequence.points + 2000).save(folder / "far.npz")
    np.savez(folder / "foreign.npz", points=np.zeros((31, 68, 3)))
    (folder / "cut.png").write_bytes((folder / "photo.png").read_bytes()[:4001])
    small = Generator(GeneratorSettings(widen=1, coordinate=11, hidden=13, trunk=(17, 11), expansion=1,
                                        audio=AudioPyramidSettings((5, 7, 7), 7)))
    save_weights(folder / "motion.safetensors", small.state_dict(), config={"generator": config_dict(small.settings)})
    return folder


@pytest.fixture(scope="module")
def detector():
    """One for all tests: each command would take a second to make its own."""
    held = make_detector()
    yield WithoutEnd(held)
    held.close()


class WithoutEnd:
    """A detector that outlives who closes it."""

    def __init__(self, detector):
        self.name, self.boxes, self.faces, self.restart = detector.name, detector.boxes, detector.faces, detector.restart

    def close(self):
        pass


@pytest.fixture(autouse=True)
def quick(monkeypatch, detector):
    monkeypatch.setattr("render_stage.references.make_detector", lambda name: detector)
    monkeypatch.setattr(render_stage, "load_renderer", lambda source, **how: Still())


def told(command, options: dict[str, str | list[str] | None]) -> int:
    """The exit code of a command with options; those that are None are left out."""
    argv = []
    for option, value in options.items():
        argv += [] if value is None else [option, *map(str, value if isinstance(value, list) else [value])]
    return main([command, *argv])


def test_a_sequence_becomes_a_video(tmp_path, material, capsys):
    options = {"--landmarks": material / "s.npz", "--refs": material / "photo.png", "--audio": material / "a.flac",
               "--out": tmp_path / "v.mp4", "--size": 94}
    assert told("render", options) == 0
    assert "31 frames" in capsys.readouterr().out
    info = video_info(tmp_path / "v.mp4")
    assert info.has_audio and (info.height, info.width) == (94, 94) and len(list(read_frames(tmp_path / "v.mp4"))) == 31
    assert told("render", options | {"--audio": None, "--paste-back": [], "--out": tmp_path / "p.mp4"}) == 0
    info = video_info(tmp_path / "p.mp4")
    assert not info.has_audio and (info.height, info.width) == portrait().shape[:2]


def test_several_sequences_share_one_reading_of_the_face(tmp_path, material, capsys, monkeypatch):
    readings = []
    monkeypatch.setattr(render_stage, "read_references", lambda *args, read=render_stage.read_references, **options:
                        readings.append(args) or read(*args, **options))
    sequence = LandmarkSequence.load(material / "s.npz")
    for name, frames in (("one", 31), ("two", 13), ("three", 7)):
        sequence.held(frames).save(tmp_path / f"{name}.npz")
    (tmp_path / "two.npz").write_bytes(b"PK")
    names = [tmp_path / f"{name}.npz" for name in ("one", "two", "three")]
    assert told("render", {"--landmarks": names, "--refs": material / "photo.png", "--out": tmp_path / "videos"}) == 1
    error = capsys.readouterr().err
    assert "two.npz is not a landmarks/1 file" in error and error.count("\n") == 1 and len(readings) == 1
    assert sorted(path.name for path in (tmp_path / "videos").iterdir()) == ["one.mp4", "three.mp4"]
    assert len(list(read_frames(tmp_path / "videos/three.mp4"))) == 7


def test_sound_and_face_become_a_video_and_its_motion(tmp_path, material, capsys):
    options = {"--audio": material / "a.flac", "--refs": material / "photo.png", "--out": tmp_path / "v.mp4",
               "--motion-model": material / "motion.safetensors"}
    assert told("talk", options) == 0
    motion = LandmarkSequence.load(tmp_path / "v.npz")
    start = extract(material / "photo.png").sequence
    assert len(motion) == 31 and np.array_equal(motion.points[0], start.points[0]) and motion.crop == start.crop
    assert video_info(tmp_path / "v.mp4").has_audio and len(list(read_frames(tmp_path / "v.mp4"))) == 31
    several = {"--audio": [material / "a.flac", material / "b.flac"], "--out": tmp_path / "all", "--seed": 3}
    assert told("talk", options | several) == 0
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["a.mp4", "a.npz", "b.mp4", "b.npz"]


BOTH = [({"--refs": "grey.png"}, "no face found"), ({"--refs": "cut.png"}, "cut.png"), ({"--refs": "a.flac"}, "only sound"),
        ({"--refs": "nobody.mp4"}, "no face found"), ({"--refs": "none.png"}, "none.png: no such file"),
        ({"--face": "3"}, "no face 3"), ({"--size": "99"}, "--size must be even"),
        ({"--references": "0"}, "--references must be"), ({"--audio": "none.flac"}, "none.flac"),
        ({"--audio": "grey.png"}, "grey.png"), ({"--out": "none/v.mp4"}, "none")]
RENDER = [*BOTH, ({"--landmarks": "foreign.npz"}, "not a landmarks/1 file"), ({"--landmarks": "none.npz"}, "no such file"),
          ({"--landmarks": "far.npz"}, "far outside its canvas"), ({"--audio": "long.flac"}, "lasts 47 frames"),
          ({"--audio": ["a.flac", "b.flac"]}, "1 sequences and 2 sounds")]
TALK = [*BOTH, ({"--noise": "-1"}, "--noise must be 0 or more"), ({"--motion-model": "a.flac"}, "not a headsync weights file")]


@pytest.mark.parametrize("command, change, words", [
    *(("render", *case) for case in RENDER), *(("talk", *case) for case in TALK)])
def test_bad_input_is_one_line_and_leaves_nothing(material, capsys, monkeypatch, command, change, words):
    monkeypatch.chdir(material)
    before = sorted(material.iterdir())
    own = {"--landmarks": "s.npz"} if command == "render" else {"--motion-model": "motion.safetensors"}
    assert told(command, {"--audio": "a.flac", "--refs": "photo.png", "--out": "v.mp4"} | own | change) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1 and sorted(material.iterdir()) == before
