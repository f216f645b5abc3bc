"""`import headsync` costs nothing and lists the public verbs; each is annotated, and its example runs as it stands."""

import ast
import dataclasses
import doctest
import importlib
import inspect
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import get_type_hints

import pytest

import headsync
from headsync import media
from headsync.landmarks.detection import extract
from tests.face_files import PORTRAIT, shaking, write_tone, write_video
from tests.moving_faces import write_moving_corpus
from tests.talking import made_up_people, write_corpus
from tests.test_readme import blocks

ROOT = Path(__file__).parents[1]
SOURCE = ast.parse((ROOT / "headsync/__init__.py").read_text(encoding="utf-8"))
STAGES = ("landmark_stage", "render_stage", "syncers")
NAMES = [name for name in headsync.__all__ if name != "__version__"]
HEAVY = {"torch", "numpy", "scipy", "cv2", "mediapipe", "numba", "av", "omegaconf", "matplotlib", "tqdm", "safetensors"}
FRAMES = 83
MOST_S = 0.2


def in_a_new_process(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_it_loads_nothing_heavy_and_takes_no_time():
    told = json.loads(in_a_new_process(
        "import sys, time; before = set(sys.modules); began = time.process_time(); import headsync; dir(headsync)\n"
        "took = time.process_time() - began; import json; print(json.dumps([took, sorted(set(sys.modules) - before)]))"))
    took, modules = told
    assert "headsync" in modules and not {name.split(".")[0] for name in modules} & HEAVY
    assert len(modules) < 30 and took < MOST_S       # of processor time: other work on the machine counts little


def test_dir_shows_the_verbs_and_no_modules():
    importlib.import_module("headsync.media")
    assert dir(headsync) == sorted(headsync.__all__) and len(set(headsync.__all__)) == len(headsync.__all__)
    assert not [name for name in NAMES if inspect.ismodule(getattr(headsync, name))]
    for stage in map(importlib.import_module, STAGES):
        assert dir(stage) == sorted(stage.__all__)
        assert not [name for name in dir(stage) if inspect.ismodule(getattr(stage, name))]


def test_type_checkers_see_what_is_loaded():
    [block] = [node for node in SOURCE.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == headsync._WHERE
    for name, module in seen.items():
        public = importlib.import_module(module)
        assert name in getattr(public, "__all__", [name])
        assert getattr(headsync, name) is getattr(public, name)


def test_names_that_are_not_there_say_what_is():
    with pytest.raises(AttributeError, match=r"headsync has no 'sing'; it has .*talk"):
        headsync.sing  # noqa: B018 -- the access is the test
    with pytest.raises(ImportError):
        from headsync import sing  # noqa: F401


def test_it_has_a_version():
    assert headsync.__version__ == importlib.metadata.version("headsync") and headsync.__version__.count(".") == 2


def functions():
    return [name for name in NAMES if inspect.isfunction(getattr(headsync, name))]


@pytest.mark.parametrize("name", functions())
def test_verbs_are_annotated_to_the_last_argument(name):
    verb = getattr(headsync, name)
    hints, signature = get_type_hints(verb), inspect.signature(verb)
    assert set(signature.parameters) | {"return"} <= set(hints)
    by_name = [one for one in signature.parameters.values() if one.kind is one.POSITIONAL_OR_KEYWORD]
    assert len(by_name) <= 4 and not [one.name for one in by_name if isinstance(one.default, bool)]


@pytest.mark.parametrize("package", ("headsync", *STAGES))
def test_every_package_says_that_it_is_typed(package):
    assert (ROOT / package / "py.typed").is_file()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the examples find where they run: a little speech, a photo, a clip that talks, its motion, videos, a corpus."""
    folder = tmp_path_factory.mktemp("examples")
    write_tone(folder / "tone.flac", FRAMES)
    waveform = media.read_audio(ROOT / "examples/speech.flac")[8000:14400]       # ten frames
    media.write_flac(folder / "speech.wav", waveform)
    shutil.copy(PORTRAIT, folder / "photo.jpg")
    write_video(folder / "clip.mp4", shaking(FRAMES), audio=folder / "tone.flac")
    extract(folder / "clip.mp4").sequence.save(folder / "clip.npz")
    write_video(folder / "talk.mp4", shaking(10, amplitude=5), audio=folder / "speech.wav")
    write_video(folder / "real.mp4", shaking(11), audio=folder / "speech.wav")
    (folder / "videos/ada").mkdir(parents=True)
    shutil.copy(folder / "clip.mp4", folder / "videos/ada")
    headsync.generate_landmarks(folder / "speech.wav", headsync.start_face(folder / "photo.jpg")).save(folder / "motion.npz")
    write_moving_corpus(folder / "faces", ("train",) * 6 + ("val",) * 2)
    corpus = write_corpus(folder / "people", {"train": made_up_people(3, 131), "val": made_up_people(2, 137, seed=5)})
    (corpus.folder / "audio").mkdir(exist_ok=True)
    for number, clip in enumerate(corpus.clips):
        write_tone(corpus.audio_path(clip), clip.frames, seed=number)
    return folder


@pytest.mark.parametrize("page", ["README.md", "docs/generator.md"])
def test_what_pages_tell_to_write_in_python_runs(page, folder, tmp_path, monkeypatch, capsys):
    for asked in ("speech.mp3", "sample.wav", "hour.wav"):
        shutil.copy(folder / "speech.wav", tmp_path / asked)
    for asked in ("photo.jpg", "clip.mp4"):
        shutil.copy(folder / asked, tmp_path)
    monkeypatch.chdir(tmp_path)
    found = [one for one in blocks((ROOT / page).read_text(encoding="utf-8"), "python") if "import headsync" in one]
    assert found and any("microphone" in one for one in found)
    for block in found:
        exec(block, {})
    assert capsys.readouterr().out.count("(1, 68, 3)") == 10      # frame by frame


def examples(name: str) -> doctest.DocTest:
    verb = getattr(headsync, name)
    return doctest.DocTestParser().get_doctest(inspect.getdoc(verb) or "", {"Path": Path}, name, None, None)


@pytest.mark.parametrize("name", NAMES)
def test_the_example_runs(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    test, told = examples(name), []
    if inspect.isfunction(getattr(headsync, name)) or dataclasses.is_dataclass(getattr(headsync, name)):
        assert test.examples and f"headsync.{name}" in "".join(one.source for one in test.examples), "it has no example"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    began = time.monotonic()
    runner.run(test, out=told.append)
    assert runner.failures == 0, "".join(told)
    print(f"{name}: {time.monotonic() - began:.1f} s")
