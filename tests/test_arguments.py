"""What public verbs are given wrongly is told in one line that names it, never from inside; good values pass untouched."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import pytest

import headsync
from headsync.media import checked, extract_features
from tests.face_files import PORTRAIT, write_tone

SOUND = np.random.default_rng(1).standard_normal(8000).astype(np.float32) / 10
FILES = {"missing": "no-such-file.wav", "number": 3, "numbers": [1, 2], "bytes": b"a.wav", "thing": object()}
SOUNDS = {**FILES, "stereo": np.zeros((800, 2), np.float32), "not finite": np.full(800, np.nan), "empty": SOUND[:0],
          "texts": np.array(["a"]), "complex": SOUND.astype(complex), "unsigned": np.zeros(800, np.uint8)}
FACES = {**FILES, "array": np.zeros((3, 68, 3), np.float32)}
THINGS = {"text": "small", "number": 3, "thing": object()}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tone(tmp_path / "a.flac", 7)
    headsync.start_face().save(tmp_path / "a.npz")
    return tmp_path


def streamed(*args, **kwargs):
    return list(headsync.stream_landmarks(*args, **kwargs))


def cases():
    """(what is wrong, call) for each verb and each sort of wrong value."""
    table = {
        "generate_landmarks audio": (SOUNDS, lambda one: headsync.generate_landmarks(one)),
        "stream_landmarks audio": (SOUNDS, lambda one: streamed(one)),
        "write_landmarks audio": (FILES, lambda one: headsync.write_landmarks(one, None, "b.npz")),
        "sync_offset audio": (SOUNDS, lambda one: headsync.sync_offset(one, "a.npz")),
        "measure_level": (SOUNDS | {"blocks": [SOUND, "a"]}, headsync.measure_level),
        "pieces": ({sort: one for sort, one in SOUNDS.items() if sort not in ("numbers", "empty")},
                   lambda one: streamed(iter([SOUND, one]), level=headsync.measure_level(SOUND))),
        "read_audio": (SOUNDS, headsync.read_audio),
        "start_face": (FACES, headsync.start_face),
        "extract": (FACES, headsync.extract),
        "sync_offset landmarks": (FACES, lambda one: headsync.sync_offset("a.flac", one)),
        "read_references": (FACES | {"none": []}, lambda one: headsync.read_references(one, progress=False)),
        "render_video sequence": (FACES, lambda one: headsync.render_video(one, PORTRAIT, "b.mp4", progress=False)),
        "render_video references": (FACES | {"none": []}, lambda one: headsync.render_video("a.npz", one, "b.mp4")),
        "talk audio": (FILES, lambda one: headsync.talk(one, PORTRAIT, "b.mp4", progress=False)),
        "talk references": (FACES | {"none": []}, lambda one: headsync.talk("a.flac", one, "b.mp4", progress=False)),
        "open_corpus": (FILES, headsync.open_corpus),
        "evaluate": (FACES, lambda one: headsync.evaluate(one, "a.npz", identity=None, progress=False)),
        "preprocess": (FACES, lambda one: headsync.preprocess(one, "c")),
        "load_generator": (FILES, headsync.load_generator),
        "load_syncers": (FILES, headsync.load_syncers),
        "load_renderer": (FILES, headsync.load_renderer),
        "load_settings": (FILES, headsync.load_settings),
        "generator": (THINGS, lambda one: headsync.generate_landmarks(SOUND, generator=one)),
        "start": (THINGS, lambda one: headsync.generate_landmarks(SOUND, one)),
        "control": (THINGS, lambda one: streamed(SOUND, control=one)),
        "block_frames": ({"none": None, "half": 0.5, "zero": 0}, lambda one: streamed(SOUND, block_frames=one)),
        "level": (THINGS, lambda one: streamed(iter([SOUND]), level=one)),
        "renderer": (THINGS, lambda one: headsync.render_video("a.npz", PORTRAIT, "b.mp4", renderer=one)),
        "talk renderer": (THINGS, lambda one: headsync.talk("a.flac", PORTRAIT, "b.mp4", renderer=one, progress=False)),
        "talk speaker": (THINGS, lambda one: headsync.talk("a.flac", PORTRAIT, "b.mp4", speaker=one)),
        "talk motion": (THINGS, lambda one: headsync.talk("a.flac", PORTRAIT, "b.mp4", motion=one)),
        "talk out": ({"number": 3, "other": "b.gif", "nothing": None}, lambda one: headsync.talk("a.flac", PORTRAIT, one)),
        "pyramid": (THINGS, lambda one: headsync.sync_offset("a.flac", "a.npz", pyramid=one)),
        "mode": (THINGS, lambda one: headsync.sync_offset("a.flac", "a.npz", mode=one)),
        "detector": (THINGS, lambda one: headsync.extract(PORTRAIT, detector=one)),
        "face": ({"text": "small", "thing": object()}, lambda one: headsync.extract(PORTRAIT, face=one)),
        "evaluation's settings": (THINGS, lambda one: headsync.evaluate("a.npz", "a.npz", settings=one, progress=False)),
        "seed": ({"text": "3", "half": 0.5, "large": 1 << 63}, lambda one: headsync.MotionControl(seed=one)),
        "noise": ({"text": "3", "below": -1, "not finite": float("nan")}, lambda one: headsync.MotionControl(noise=one)),
        "head": (THINGS | {"copied": "copied"}, lambda one: headsync.MotionChoice(head=one)),
        "blink": (THINGS | {"video": "video"}, lambda one: headsync.MotionChoice(blink=one)),
        "lip_scale": ({"text": "3", "below": -1}, lambda one: headsync.MotionChoice(lip_scale=one)),
        "points": (FACES, lambda one: headsync.LandmarkSequence(points=one, visible=np.ones(3, bool), fps=25.0,
                                                                size=(256, 256), crop=(0, 0, 256, 0))),
    }
    for name, (values, call) in table.items():
        for sort, value in values.items():
            yield pytest.param(call, value, id=f"{name}: {sort}")


@pytest.mark.parametrize("call, value", list(cases()))
def test_a_wrong_argument_is_one_clear_line(call, value, folder):
    before = sorted(folder.iterdir())
    with pytest.raises((ValueError, TypeError, OSError)) as caught:
        call(value)
    said = str(caught.value)
    assert said and "\n" not in said and " object at 0x" not in said and len(said) < 400
    assert not any(raw in said for raw in ("has no attribute", "os.PathLike", "truth value", "not subscriptable", "has no len"))
    deepest = Path(caught.traceback[-1].path)
    assert "site-packages" not in deepest.parts and "lib" not in deepest.parts, f"raised by {deepest}"
    assert sorted(folder.iterdir()) == before


class Sings(Protocol):
    name: str

    def sing(self) -> None: ...


@checked
def sung(words: str | Path, times: int = 1, *more: str, loud: float = 1.0, choir: Sings | None = None,
         parts: Sequence[str] = (), scores: Mapping[str, float] | None = None, kind: Literal["solo", "tutti"] = "solo",
         live: Iterable[int] = ()) -> tuple:
    """What it was given."""
    return words, times, more, loud


class Choir:
    def sing(self):
        pass


def test_good_arguments_pass_untouched():
    assert sung("a", np.int64(3), "b", loud=2) == ("a", 3, ("b",), 2)
    assert sung(Path("a"), choir=Choir(), parts=["a"], scores={"a": 1}, kind="tutti", live=iter("a")) == (Path("a"), 1, (), 1.0)
    assert sung.__doc__ == "What it was given." and sung.__name__ == "sung"


@pytest.mark.parametrize("how, said", [
    (dict(words=3), "sung: words must be str or Path, got int 3"),
    (dict(words="a", times=True), "sung: times must be int, got bool"),
    (dict(words="a", times=np.zeros(3)), r"sung: times must be int, got an array of float64 \(3,\)"),
    (dict(words="a", loud="x"), "sung: loud must be float, got str 'x'"),
    (dict(words="a", choir=object()), "sung: choir must be Sings or None, got object"),
    (dict(words="a", parts="abc"), r"sung: parts must be several of \(str\), got str 'abc'"),
    (dict(words="a", parts=["a", 3]), r"sung: parts must be several of \(str\), got list \['a', 3\]"),
    (dict(words="a", scores={"a": "b"}), "sung: scores must be Mapping or None, got dict"),
    (dict(words="a", kind="duo"), "sung: kind must be 'solo' or 'tutti', got str 'duo'"),
    (dict(words="a", live="abc"), r"sung: live must be several of \(int\), got str 'abc'"),
])
def test_wrong_ones_are_named(how, said):
    with pytest.raises(TypeError, match=f"^{said}"):
        sung(**how)


def test_further_arguments_are_looked_at_too():
    with pytest.raises(TypeError, match="more must be str, got int 3"):
        sung("a", 1, "b", 3)
    with pytest.raises(TypeError, match="missing a required argument: 'words'"):
        sung()


@pytest.mark.parametrize("kind", [np.int16, np.int32])
def test_whole_numbers_are_shares_of_full_scale(kind):
    whole = (SOUND * -float(np.iinfo(kind).min)).astype(kind)
    np.testing.assert_allclose(headsync.measure_level(whole), headsync.measure_level(SOUND), atol=1e-3)   # int16 rounds
    np.testing.assert_allclose(extract_features(whole), extract_features(SOUND), atol=0.05)
