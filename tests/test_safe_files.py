"""Files of unknown origin: none runs code, none mixes with another's, none takes memory on its word; odd names are names."""

import errno
import hashlib
import io
import json
import os
import struct
import subprocess
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from headsync import media
from headsync.commands.command import report_failures, run_command
from headsync.commands.program import main as headsync
from headsync.corpus import open_corpus
from headsync.corpus.frames import FrameStore
from headsync.evaluation.networks.files import read_weights
from headsync.experiment import (
    load_checkpoint,
    load_config,
    load_weights,
    lock,
    only_run,
    output_lock,
)
from headsync.experiment.checkpoint import HEADER, MAGIC
from headsync.landmarks import LandmarkSequence, OpenSequence, SequenceWriter, read_header
from headsync.media.files import partial_path
from headsync.media.left_behind import process_mark
from landmark_stage import load_generator
from syncers.train import TrainSettings
from tests.fuzz_material import StillDetector, make_weights, sequence
from tests.media_files import ODD_NAMES, noise, written
from tests.talking import made_up_people, write_corpus

NAMES = (*ODD_NAMES, "new\nline", "~ $(touch x) * {x}")


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return open, (self.marker, "w")


def trapped_checkpoint(trap) -> bytes:
    """A checkpoint with a right checksum whose payload is a pickle."""
    buffer = io.BytesIO()
    torch.save({"schema": "checkpoint/2", "step": 3, "state": trap}, buffer)
    payload = buffer.getvalue()
    return HEADER.pack(MAGIC, len(payload), hashlib.sha256(payload).digest()) + payload


def trapped_arrays(trap) -> dict[str, bytes]:
    """Objects in a .npy and, under the names that we read, in .npz files."""
    one, sequence_keys, store = io.BytesIO(), io.BytesIO(), io.BytesIO()
    objects = np.array([trap], dtype=object)
    np.save(one, objects, allow_pickle=True)
    keys = ("schema", "points", "visible", "fps", "size", "crop", "layout", "producer")
    np.savez(sequence_keys, **dict.fromkeys(keys, objects))
    np.savez(store, **dict.fromkeys(("numbers", "ends", "bytes"), objects))
    return {"npy": one.getvalue(), "npz": sequence_keys.getvalue(), "store": store.getvalue()}


def test_no_reader_runs_what_a_file_holds(tmp_path):
    marker = tmp_path / "code ran"
    (tmp_path / "features").mkdir()
    arrays, saved = trapped_arrays(Trap(marker)), io.BytesIO()
    torch.save(Trap(marker), saved)
    (tmp_path / "features" / "c.npy").write_bytes(arrays["npy"])
    for name, content in {"s.npz": arrays["npz"], "f.npz": arrays["store"], "w.pth": saved.getvalue(),
                          "step-000000003.ckpt": trapped_checkpoint(Trap(marker)), "w.safetensors": saved.getvalue(),
                          "c.yaml": f"loop: !!python/object/apply:builtins.open ['{marker}', 'w']\n".encode()}.items():
        (tmp_path / name).write_bytes(content)
    clip = write_corpus(tmp_path / "corpus", {"train": made_up_people(1, 31)}).clips[0]._replace(clip="c")
    corpus = open_corpus(tmp_path / "corpus")._replace(folder=tmp_path)
    readers = (lambda: LandmarkSequence.load(tmp_path / "s.npz"), lambda: read_header(tmp_path / "s.npz"),
               lambda: OpenSequence(tmp_path / "s.npz"), lambda: FrameStore(tmp_path / "f.npz"), lambda: corpus.features(clip),
               lambda: load_weights(tmp_path / "w.safetensors"), lambda: load_weights(tmp_path / "w.pth"),
               lambda: load_checkpoint(tmp_path / "step-000000003.ckpt"), lambda: load_checkpoint(tmp_path),
               lambda: read_weights(tmp_path / "w.pth", needed="a file", purpose="a test needs"),
               lambda: read_weights(tmp_path / "w.safetensors", needed="a file", purpose="a test needs"),
               lambda: load_config(TrainSettings, stage="syncers", preset=tmp_path / "c.yaml"))
    for number, read in enumerate(readers):
        with pytest.raises(ValueError, match=r"."):
            read()
        assert not marker.exists(), f"reader {number}"
    opened, arguments = Trap(marker).__reduce__()       # what unpickling does: the trap works
    opened(*arguments).close()
    assert marker.exists()


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Small weights and good files of one face."""
    folder = tmp_path_factory.mktemp("good")
    make_weights(folder)
    media.write_flac(folder / "a.flac", noise(7 * 640, seed=1)[0])
    sequence(7).save(folder / "a.npz")
    written(folder / "a.mp4", 7, size=(64, 64), audio=folder / "a.flac")
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_are_names(name, good, tmp_path, monkeypatch, capsys):
    """As values after `=`, and as positionals after `--` or `./`."""
    monkeypatch.chdir(tmp_path)
    for place in ("headsync.landmarks.detection.extract", "render_stage.references"):
        monkeypatch.setattr(sys.modules[place], "make_detector", lambda *_: StillDetector())
    for suffix in (".flac", ".npz", ".mp4"):
        os.link(good / f"a{suffix}", tmp_path / f"{name}{suffix}")
    model = f"--model={good / 'generator.safetensors'}"
    assert headsync(["gen-landmarks", f"--audio={name}.flac", f"--start={name}.npz", f"--out={name} o.npz", model]) == 0
    assert headsync(["landmarks", f"--out={name} e.npz", f"--preview={name} p.mp4", "--", f"{name}.mp4"]) == 0
    assert headsync(["landmarks", f"--out={name} f.npz", f"./{name}.mp4"]) == 0
    assert len(LandmarkSequence.load(f"{name} o.npz")) == len(LandmarkSequence.load(f"{name} e.npz")) == 7
    assert media.video_info(f"{name} p.mp4").has_audio
    capsys.readouterr()
    assert headsync(["sync", "--weights=gone", "--", f"{name}.mp4"]) == 2
    assert headsync(["gen-landmarks", f"--audio={name}.npz", f"--out={name} x.npz", model]) == 2
    assert headsync(["render", f"--landmarks={name}.flac", f"--refs={name}.mp4", f"--out={name} v.mp4",
                        f"--model={good / 'renderer.safetensors'}"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
    expected = {f"{name}{end}" for end in (".flac", ".npz", ".mp4", " o.npz", " e.npz", " f.npz", " p.mp4")}
    assert {path.name for path in tmp_path.iterdir()} == expected


HOLD = """
import importlib.util, os, sys
found = importlib.util.spec_from_file_location("lock", sys.argv[1])
lock = importlib.util.module_from_spec(found)
found.loader.exec_module(lock)      # alone: the package would take seconds
with getattr(lock, sys.argv[4])(sys.argv[2]):
    if sys.argv[3] == "left":
        child = os.fork()
        if child == 0:
            sys.exit()      # out of the block
        os.waitpid(child, 0)
    if sys.argv[3] != "forks" or os.fork() == 0:
        print("ready", flush=True)
    sys.stdin.read()    # until whoever started this closes it
    os._exit(0)
"""


@contextmanager
def held(folder, way="alone", verb="only_run"):
    """Another process, which is at work in a folder; it is killed at the end."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, lock.__file__, str(folder), way, verb], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_a_folder_has_one_run_and_a_killed_one_lets_go(tmp_path):
    with held(tmp_path / "run") as process:
        told = rf"in use by another run \(process {process.pid}\); wait"
        with pytest.raises(ValueError, match=told), only_run(tmp_path / "run"):
            pass
    with only_run(tmp_path / "run"):
        pass
    with pytest.raises(KeyError), only_run(tmp_path / "run"):
        raise KeyError
    with only_run(tmp_path / "run"):
        pass


def test_an_output_has_one_writer_and_keeps_no_lock(tmp_path):
    """Other outputs are free meanwhile, and of several all or none are taken."""
    first, second = tmp_path / "a.mp4", tmp_path / "b.npz"
    with held(first, verb="output_lock") as process:
        with pytest.raises(ValueError, match=rf"a.mp4 is in use by another run \(process {process.pid}\); wait"), \
                output_lock(second, first):
            pass
        with output_lock(None, second, second):
            process.kill()
            process.wait()
            assert len([*tmp_path.iterdir()]) == 2      # the killed one's and ours
    with output_lock(second):                           # not the killed one's, but it clears up
        assert len([*tmp_path.iterdir()]) == 1
    assert not [*tmp_path.iterdir()]
    with pytest.raises(KeyError), output_lock(first):
        raise KeyError
    with output_lock(first), pytest.raises(ValueError, match="in use"), output_lock(first):
        pass
    assert not [*tmp_path.iterdir()]


def test_outputs_that_cannot_be_are_refused_before_the_work(tmp_path):
    (tmp_path / "folder").mkdir()
    for path, told in ((tmp_path / "missing" / "a.mp4", "its folder is missing"), (tmp_path / "folder", "it is a folder")):
        with pytest.raises(ValueError, match=f"{path.name} cannot be written: {told}"), output_lock(tmp_path / "b", path):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_file_systems_without_locks_go_unguarded(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def unknown(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with output_lock(tmp_path / "a"), only_run(tmp_path):
        pass


def test_a_start_removes_what_killed_runs_left_half_written(tmp_path):
    """In the folder and one further down, and beside an output; what lives on stays."""
    dead = f"step-000000001.ckpt.partial-{process_mark().replace(str(os.getpid()), '999999', 1)}-abcdef"
    places = [tmp_path, tmp_path / "best", tmp_path / "best" / "deeper"]
    for place in places:
        place.mkdir(exist_ok=True)
        (place / dead).write_bytes(b"half")
    with only_run(tmp_path):
        assert [(place / dead).exists() for place in places] == [False, False, True]
    alive = partial_path(places[2] / "a.mp4")
    alive.write_bytes(b"half")
    with output_lock(places[2] / "a.mp4"):
        assert alive.exists() and not (places[2] / dead).exists()


def test_forked_workers_do_not_keep_a_killed_run_s_folder(tmp_path):
    """A DataLoader's worker may outlive its parent by seconds."""
    with held(tmp_path, "forks") as process:
        with pytest.raises(ValueError, match="in use"), only_run(tmp_path):
            pass
        process.kill()
        process.wait()
        with only_run(tmp_path):    # the fork lives on until `held` ends
            pass


def test_a_fork_that_leaves_takes_no_lock_with_it(tmp_path):
    with held(tmp_path, "left"):
        assert (tmp_path / lock.FILE_NAME).exists()
        with pytest.raises(ValueError, match="in use"), only_run(tmp_path):
            pass


def test_commands_refuse_a_folder_in_use(tmp_path, capsys):
    people = made_up_people(3, 67)
    corpus = write_corpus(tmp_path / "corpus", {"train": people[:2], "val": people[2:]}).folder
    (tmp_path / "videos").mkdir()
    written(tmp_path / "videos" / "a.mp4", 2)
    commands = ((["train", "expression", "--data", str(corpus), "--out", "{}", "--config", "tiny"], "run"),
                (["train", "syncers", "--data", str(corpus), "--out", str(tmp_path), "--config", "tiny"], "level1"),
                (["preprocess", "--videos", str(tmp_path / "videos"), "--out", "{}"], "made"),
                (["correct-sync", "--data", "{}", "--weights", "loss"], "corpus"))
    for argv, name in commands:
        folder = tmp_path / name
        with held(folder):
            before = sorted(folder.rglob("*"))
            assert headsync([token.format(folder) for token in argv]) == 2
            told = capsys.readouterr().err
            assert "is in use by another run" in told and len(told.splitlines()) == 1
            assert sorted(folder.rglob("*")) == before


def video(path, number):
    with media.VideoWriter(path, size=(32, 48), preset="ultrafast") as writer:
        for _ in range(5):
            writer.write(np.full((32, 48, 3), 40 + 170 * number, np.uint8))


def motion(path, number):
    with SequenceWriter(path, frames=500, fps=25.0, size=(256, 256), crop=(0, 0, 256, 256)) as writer:
        for _ in range(2):
            writer.write(np.full((250, 68, 3), number, np.float32))


@pytest.mark.parametrize("write", [
    lambda path, number: media.write_whole(path, bytes([number]) * 3_000_000),
    lambda path, number: sequence(99).replace(points=np.full((99, 68, 3), number, np.float32)).save(path),
    motion, video], ids=["whole", "sequence", "motion", "video"])
def test_two_writers_of_one_file_never_mix(write, tmp_path):
    """Threads of one process: the hardest case, as they share its number."""
    apart = []
    for number in range(2):
        write(tmp_path / f"{number}", number)
        apart.append((tmp_path / f"{number}").read_bytes())
    place, barrier, failed = tmp_path / "both", threading.Barrier(2), []

    def job(number):
        try:
            for _ in range(3):
                barrier.wait(60)
                write(place, number)
        except Exception as error:
            failed.append(error)
            barrier.abort()

    threads = [threading.Thread(target=job, args=(number,)) for number in range(2)]
    for one in threads:
        one.start()
    while any(one.is_alive() for one in threads):
        if place.exists():
            assert place.read_bytes() in apart
    assert not failed and place.read_bytes() in apart
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "both"]


def test_a_failure_is_one_line_whatever_its_name(capsys):
    assert report_failures(["new\nline.mp4: no\u2028face"]) == 1
    assert capsys.readouterr().err == "headsync: failed: new line.mp4: no face\n"


@pytest.mark.parametrize("error", [MemoryError("Unable to allocate 3 TiB"),
                                   RuntimeError("[x] DefaultCPUAllocator: can't allocate memory: you tried 7 bytes.\nmore")])
def test_what_there_is_no_memory_for_is_one_line(error, capsys):
    def main(_):
        raise error
    assert run_command(main, []) == 2
    told = capsys.readouterr().err
    assert told.startswith("headsync: not enough memory") and len(told.splitlines()) == 1


def test_sizes_a_weight_file_does_not_have_are_not_believed(good, tmp_path):
    """The checksum is right: somebody meant it."""
    content = (good / "generator.safetensors").read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    for hidden in (10**9, 5000, -1, 0):
        told = dict(header["__metadata__"])
        config = json.loads(told["config"])
        config["generator"]["hidden"] = hidden
        told["config"] = json.dumps(config)
        told.pop("sha256")
        text = json.dumps({**header, "__metadata__": told}, sort_keys=True)
        told["sha256"] = hashlib.sha256(text.encode() + b"\n" + data).hexdigest()
        written_header = json.dumps({**header, "__metadata__": told}).encode()
        path = tmp_path / "w.safetensors"
        path.write_bytes(struct.pack("<Q", len(written_header)) + written_header + data)
        with pytest.raises(ValueError, match=r"w\.safetensors"):
            load_generator(path)
