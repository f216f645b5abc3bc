"""Before any work: where results go, what inputs hold, what a run folder holds; each fault is one line and code 2."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

import landmark_stage
import render_stage
import syncers
from headsync.commands.checks import check_ending, contents
from headsync.commands.program import main
from headsync.experiment import check_run, only_run, output_lock, save_checkpoint, save_config
from headsync.media import VideoWriter, read_image
from landmark_stage import start_face
from tests.media_files import noise, write_audio, write_picture
from tests.talking import made_up_people, write_corpus


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """A sound, a picture, a silent clip, a sequence, a damaged video."""
    folder = tmp_path_factory.mktemp("material")
    write_audio(folder / "a.wav", noise(16000, seed=3), rate_hz=16000, codec="pcm_s16le", sample_format="s16")
    write_picture(folder / "p.png", read_image(Path(__file__).parents[1] / "examples" / "astronaut.jpg")[::8, ::8])
    with VideoWriter(folder / "silent.mp4", size=(32, 48), preset="ultrafast") as writer:
        writer.write(np.full((32, 48, 3), 90, np.uint8))
    start_face().held(25).save(folder / "s.npz")
    (folder / "damaged.mp4").write_bytes((folder / "silent.mp4").read_bytes()[:500])
    return folder


@pytest.fixture(autouse=True)
def no_models(monkeypatch, material):
    """Whoever reads networks before these checks fails; everybody works among the material."""
    def reached(*_, **__):
        raise AssertionError("networks were read before the checks")

    for module, name in ((landmark_stage, "load_speaker"), (render_stage, "load_renderer"), (syncers, "load_syncers")):
        monkeypatch.setattr(module, name, reached)
    monkeypatch.chdir(material)


def told(capsys, *words: str) -> str:
    """The one line that a command ends with, code 2; nothing is left behind."""
    before = sorted(Path().rglob("*"))
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("headsync: ") and said.err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before
    return said.err


TALK = ["talk", "--audio", "a.wav", "--refs", "p.png", "--out"]
RENDER = ["render", "--landmarks", "s.npz", "--refs", "p.png", "--out"]
GENERATE = ["gen-landmarks", "--audio", "a.wav", "--out"]
EXTRACT = ["landmarks", "p.png", "--out"]


@pytest.mark.parametrize(("words", "line"), [
    ([*TALK, "m"], "m: what is written there is an MP4 video; name it m.mp4"),
    ([*TALK, "f.gif"], "f.gif: what is written there is an MP4 video; name it f.mp4"),
    ([*TALK, "v1.2"], "v1.2: what is written there is an MP4 video; name it v1.mp4"),
    ([*RENDER, "f.mkv"], "f.mkv: what is written there is an MP4 video; name it f.mp4"),
    ([*GENERATE, "m"], "m: what is written there is a landmark sequence (.npz); name it m.npz"),
    ([*GENERATE, "m.npz", "--preview", "m.webm"], "m.webm: what is written there is an MP4 video; name it m.mp4"),
    ([*EXTRACT, "m.mp4"], "m.mp4: what is written there is a landmark sequence (.npz); name it m.npz"),
    ([*TALK, "new/v.mp4"], "new/v.mp4 cannot be written: its folder is missing"),
    ([*RENDER, "new/v.mp4"], "new/v.mp4 cannot be written: its folder is missing"),
    ([*GENERATE, "new/m.npz"], "new/m.npz cannot be written: its folder is missing"),
    (["talk", "--audio", "a.wav", "b.wav", "--refs", "p.png", "--out", "new/many"],
     "new/many cannot be made: its folder is missing"),
])
def test_where_a_result_goes_is_checked_first(capsys, words, line):
    assert told(capsys, *words) == f"headsync: {line}\n"


def test_names_that_end_as_they_should_pass():
    check_ending("a.MP4", ".mp4")
    check_ending(None, ".npz")


@pytest.mark.parametrize(("words", "line"), [
    (["talk", "--audio", "p.png", "--refs", "a.wav", "--out", "v.mp4"],
     "--audio p.png holds only pictures and --refs a.wav only sound; swap them"),
    (["gen-landmarks", "--audio", "p.png", "--refs", "a.wav", "--out", "m.npz"],
     "--audio p.png holds only pictures and --refs a.wav only sound; swap them"),
    (["talk", "--audio", "silent.mp4", "--refs", "p.png", "--out", "v.mp4"],
     "--audio silent.mp4 holds only pictures; give a file with sound"),
    (["talk", "--audio", "a.wav", "--refs", "p.png", "a.wav", "--out", "v.mp4"],
     "--refs a.wav holds only sound; give a file with pictures"),
    (["landmarks", "a.wav", "--out", "m.npz"], "the source a.wav holds only sound; give a file with pictures"),
    (["sync", "silent.mp4"], "--audio silent.mp4 holds only pictures; give a file with sound"),
    (["talk", "--audio", "none.wav", "--refs", "p.png", "--out", "v.mp4"], "none.wav: no such file; check the name"),
])
def test_inputs_of_another_kind_are_refused_first(capsys, words, line):
    assert told(capsys, *words) == f"headsync: {line}\n"


def test_what_files_hold_is_seen():
    assert [contents(name) for name in ("a.wav", "p.png", "silent.mp4")] == [{"sound"}, {"pictures"}, {"pictures"}]


@pytest.mark.parametrize("words", [
    [*TALK[:-1], "--out", "damaged.mp4", "--audio", "damaged.mp4"], ["sync", "damaged.mp4"],
    ["landmarks", "damaged.mp4", "--out", "m.npz"],
])
def test_a_damaged_files_path_is_said_once(capsys, words):
    assert told(capsys, *words).count("damaged.mp4") == 1


@pytest.mark.parametrize("words", [
    ["talk", "--audio", "clip.mp4", "--refs", "p.png", "--out", "clip.mp4"],
    ["render", "--landmarks", "s.npz", "--refs", "clip.mp4", "--out", "./clip.mp4"],
    ["landmarks", "p.png", "--out", "m.npz", "--preview", "clip.mp4", "--audio", "clip.mp4"],
])
def test_an_input_is_never_written_over(tmp_path, monkeypatch, material, capsys, words):
    for name in ("p.png", "s.npz"):
        (tmp_path / name).write_bytes((material / name).read_bytes())
    source = "silent.mp4" if words[0] == "render" else "a.wav"                  # its content says what it is
    (tmp_path / "clip.mp4").write_bytes((material / source).read_bytes())
    monkeypatch.chdir(tmp_path)
    assert told(capsys, *words).endswith("clip.mp4 is what is read; give the result another name\n")


@pytest.mark.parametrize(("words", "held"), [
    ([*TALK, "v.mp4"], "v.mp4"), ([*TALK, "v.mp4"], "v.npz"), ([*RENDER, "v.mp4"], "v.mp4"), ([*GENERATE, "m.npz"], "m.npz"),
    ([*GENERATE, "m.npz", "--preview", "v.mp4"], "v.mp4"), ([*EXTRACT, "m.npz"], "m.npz"),
])
def test_a_second_run_into_the_same_output_is_refused(capsys, words, held):
    with output_lock(held):
        assert told(capsys, *words).startswith(f"headsync: {held} is in use by another run")


def test_a_second_evaluation_into_the_same_report_is_refused(capsys, material, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(material)
    with only_run("report"):
        words = ["evaluate", "--generated", "s.npz", "--reference", "s.npz", "--identity", "none", "--report", "report"]
        assert main(words) == 2
        assert capsys.readouterr().err.startswith("headsync: report is in use by another run")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"), {
        "train": made_up_people(5, 61), "val": made_up_people(2, 61, seed=7)}).folder


def training(corpus, out, *words: str) -> list[str]:
    return ["train", "expression", "--data", str(corpus), "--out", str(out), "--quiet", *words]


def test_a_run_folder_goes_on_only_with_its_own_settings(corpus, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(training(corpus, out, "--config", "tiny", "run.steps=2")) == 0
    capsys.readouterr()
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert main(training(corpus, out, "--config", "base")) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"{out} holds a run of other settings: " in said and "config.yaml" in said
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert main(training(corpus, out, "--config", "tiny", "run.steps=4")) == 0      # longer is no other run
    assert main(training(corpus, out, "--config", str(out / "config.yaml"))) == 0
    assert main(training(corpus, out, "--config", "tiny", "run.seed=5")) == 2
    assert "run.seed is 0 there and 5 now" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "line"), [
    (["renderer", "perceptual=none.safetensors"], "perceptual=none.safetensors: there is no such file"),
    (["landmarks", "syncers=runs/loss.safetensors"], "syncers=runs/loss.safetensors: there is no such file"),
    (["renderer", "--device", "tpu"], "there is no device 'tpu'"),
    (["syncers", "--data", "nowhere"], "nowhere"),
])
def test_what_a_training_needs_is_there_before_it_begins(corpus, capsys, words, line):
    data = [] if "--data" in words else ["--data", str(corpus)]
    assert line in told(capsys, "train", *words, *data, "--out", "run", "--config", "tiny")


@pytest.mark.parametrize("words", [
    [*TALK, "v.mp4"], [*RENDER, "v.mp4"], [*GENERATE, "m.npz"],
    ["evaluate", "--generated", "s.npz", "--reference", "s.npz", "--report", "r"],
])
def test_a_device_that_is_not_there_is_refused(monkeypatch, material, capsys, words):
    monkeypatch.undo()      # networks may be read
    monkeypatch.chdir(material)
    assert told(capsys, *words, "--device", "tpu").startswith("headsync: there is no device 'tpu'; choose auto, cpu, cuda")


def test_settings_are_distinguished_by_what_may_change(tmp_path):
    @dataclass(frozen=True)
    class Network:
        width: int = 3

    @dataclass(frozen=True)
    class Settings:
        network: Network = field(default_factory=Network)
        steps: int = 5
        files: tuple[str, ...] = ("a", "b")

    check_run(Settings(), tmp_path / "none")
    part = tmp_path / "run" / "level1"
    part.mkdir(parents=True)
    save_config(Settings(), part / "config.yaml")
    check_run(Settings(network=Network(4)), tmp_path / "run")       # nothing was saved yet
    save_checkpoint(part, {"trainee": {}}, step=1)
    check_run(Settings(steps=7), tmp_path / "run")
    with pytest.raises(ValueError, match="level1 holds a run of other settings: network.width is 3 there and 4 now"):
        check_run(Settings(network=Network(4)), tmp_path / "run")
    with pytest.raises(ValueError, match="files"):
        check_run(Settings(files=("a",)), tmp_path / "run")
