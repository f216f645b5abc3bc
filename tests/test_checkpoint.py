"""Checkpoints: whole or absent, damage is noticed, and the one before it is used."""

import collections
import errno
import io
import logging
import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import headsync.experiment.checkpoint
import headsync.media.files
from headsync.experiment import checkpoints, load_checkpoint, save_checkpoint
from headsync.media.files import partial_path
from tests.loop_trainee import Regression


def state(number):
    return {"weights": torch.full((7, 3), float(number)), "list": [1, 2.5, "x", None], "nested": {"number": number}}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def one_line_error(path):
    with pytest.raises(ValueError, match=r"\A.+\Z") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_last_two_are_kept(tmp_path):
    for number in (3, 5, 11):
        save_checkpoint(tmp_path, state(number), step=number)
    assert names(tmp_path) == ["step-000000005.ckpt", "step-000000011.ckpt"]
    newest = load_checkpoint(tmp_path)
    assert newest["step"] == 11 and newest["nested"] == {"number": 11} and newest["list"] == [1, 2.5, "x", None]
    assert torch.equal(newest["weights"], state(11)["weights"])
    assert load_checkpoint(checkpoints(tmp_path)[0])["step"] == 5


@pytest.mark.parametrize("keep", [1, 3])
def test_as_many_as_asked_for_are_kept(tmp_path, keep):
    for number in (2, 3, 5, 7):
        save_checkpoint(tmp_path, state(number), step=number, keep=keep)
    assert len(checkpoints(tmp_path)) == keep and load_checkpoint(tmp_path)["step"] == 7


def test_steps_are_ordered_as_numbers(tmp_path):
    for number in (999_999_999, 1_000_000_007):
        save_checkpoint(tmp_path, state(1), step=number)
    assert load_checkpoint(tmp_path)["step"] == 1_000_000_007


def test_a_run_that_went_back_forgets_its_future(tmp_path):
    for number in (5, 11):
        save_checkpoint(tmp_path, state(number), step=number)
    checkpoints(tmp_path)[-1].write_bytes(b"damaged")
    save_checkpoint(tmp_path, state(7), step=7)
    assert names(tmp_path) == ["step-000000005.ckpt", "step-000000007.ckpt"]


def test_no_checkpoint_is_none(tmp_path):
    (tmp_path / "log.jsonl").write_text("{}")
    assert load_checkpoint(tmp_path) is None and load_checkpoint(tmp_path / "absent") is None
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "absent.ckpt")


@pytest.mark.parametrize(("step", "keep", "extra"), [(-1, 2, {}), (3, 0, {}), (3, 2, {"step": 5})])
def test_impossible_wishes_are_refused(tmp_path, step, keep, extra):
    with pytest.raises(ValueError, match="step"):
        save_checkpoint(tmp_path, {**state(1), **extra}, step=step, keep=keep)
    assert names(tmp_path) == []


@pytest.fixture
def two(tmp_path, caplog):
    caplog.set_level(logging.ERROR, "headsync.experiment.checkpoint")
    save_checkpoint(tmp_path, state(1), step=1)
    return tmp_path, save_checkpoint(tmp_path, state(2), step=2)


def test_truncated_at_every_percent(two):
    folder, newest = two
    good = newest.read_bytes()
    for percent in range(100):
        newest.write_bytes(good[: len(good) * percent // 100])
        one_line_error(newest)
        assert load_checkpoint(folder)["nested"] == {"number": 1}
    newest.write_bytes(good + b"\0")
    assert load_checkpoint(folder)["step"] == 1
    newest.write_bytes(good)
    assert load_checkpoint(folder)["step"] == 2


def test_random_bytes_flipped(two):
    folder, newest = two
    good = newest.read_bytes()
    draw = random.Random(7)
    places = [*range(headsync.experiment.checkpoint.HEADER.size), *(draw.randrange(len(good)) for _ in range(1009))]
    for place in places:
        damaged = bytearray(good)
        damaged[place] ^= draw.randrange(1, 256)
        newest.write_bytes(damaged)
        assert load_checkpoint(folder)["nested"] == {"number": 1}
    one_line_error(newest)


def test_the_fall_back_is_logged_and_two_bad_ones_are_an_error(two, caplog):
    folder, newest = two
    caplog.set_level(logging.WARNING, "headsync.experiment.checkpoint")
    newest.write_bytes(newest.read_bytes()[:101])
    assert load_checkpoint(folder)["step"] == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"] and newest.name in caplog.text
    checkpoints(folder)[0].write_bytes(b"")
    assert "none of its 2 checkpoints is good" in one_line_error(folder)


@pytest.mark.parametrize("content", [b"", b"hello", bytes(997), b"PK\x03\x04" + bytes(101)])
def test_foreign_files_are_refused(tmp_path, content):
    (tmp_path / "step-000000003.ckpt").write_bytes(content)
    assert "not a headsync checkpoint" in one_line_error(tmp_path / "step-000000003.ckpt")


def sealed(path, content):
    """A file with a right checksum around what torch.save makes of anything."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    payload = buffer.getvalue()
    digest = headsync.experiment.checkpoint.hashlib.sha256(payload).digest()
    header = headsync.experiment.checkpoint.HEADER.pack(headsync.experiment.checkpoint.MAGIC, len(payload), digest)
    path.write_bytes(header + payload)
    return path


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_right_checksum_does_not_let_code_in(tmp_path):
    hostile = {"schema": headsync.experiment.checkpoint.SCHEMA, "step": 1, "state": {"value": Hostile(tmp_path / "ran")}}
    assert "cannot be read" in one_line_error(sealed(tmp_path / "a.ckpt", hostile))
    assert not (tmp_path / "ran").exists()
    assert "cannot be read" in one_line_error(sealed(tmp_path / "b.ckpt", [1, 2]))
    other = {"schema": "checkpoint/1", "step": 1, "state": {}}
    assert "checkpoint/1" in one_line_error(sealed(tmp_path / "c.ckpt", other))


@pytest.mark.parametrize("value", [
    None, True, 3, 2.5, 1j, "x", b"bytes", torch.Size([2, 3]), torch.float16, torch.device("cpu"), {3, 5}, (1, (2,)),
    collections.OrderedDict(a=1), collections.Counter("aab"), {(1, 2): [3]}, float("nan"), 2**70,
])
def test_what_may_be_saved_comes_back(tmp_path, value):
    save_checkpoint(tmp_path, {"value": value}, step=1)
    back = load_checkpoint(tmp_path)["value"]
    assert type(back) is type(value) and repr(back) == repr(value)


@pytest.mark.parametrize(("value", "place"), [
    (np.float64(3), r"state\['value'\] is a numpy.float64"), (np.zeros(3), "numpy.ndarray"), (Path("x"), "pathlib"),
    ([1, {"deep": print}], r"state\['value'\]\[1\]\['deep'\]"), ({np.int64(3): 1}, "a key of state"),
])
def test_what_could_not_be_loaded_is_not_saved(tmp_path, value, place):
    with pytest.raises(ValueError, match=place):
        save_checkpoint(tmp_path, {"value": value}, step=1)
    assert names(tmp_path) == []


def test_what_a_trainer_holds_comes_back_from_a_file(tmp_path):
    """Model, average, companion, optimiser and discriminator: all are restored, and go on as if nothing had happened."""
    one, other = Regression(), Regression(start=997)
    for _ in range(3):
        one.step()
    save_checkpoint(tmp_path, {"trainee": one.state()}, step=3)
    other.step()
    apart = [name for name, value in flat(other.state()).items() if not same(value, flat(one.state())[name])]
    for part in ("model", "average", "companion", "adversary", "optimiser", "steps"):
        assert any(name.startswith(part) for name in apart), part
    other.restore(load_checkpoint(tmp_path)["trainee"])
    assert one.step() == other.step() and one.validate() == other.validate()
    ours, theirs = flat(one.state()), flat(other.state())
    assert ours.keys() == theirs.keys() and all(same(value, theirs[name]) for name, value in ours.items())


def same(one, other):
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def flat(state, place=""):
    """Everything in a state by its place."""
    if not isinstance(state, dict | list | tuple):
        return {place: state}
    items = state.items() if isinstance(state, dict) else enumerate(state)
    return {name: value for key, one in items for name, value in flat(one, f"{place}.{key}".lstrip(".")).items()}


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FullFile(io.FileIO):
    """Takes 101 bytes, then the disk is full."""

    taken = 0

    def write(self, content):
        self.taken += len(content)
        return full_disk() if self.taken > 101 else super().write(content)


@pytest.mark.parametrize("where", ["open", "write", "fsync", "replace"])
def test_a_full_disk_leaves_the_checkpoints_before(tmp_path, monkeypatch, where):
    for number in (3, 5):
        save_checkpoint(tmp_path, state(number), step=number)
    if where == "write":
        monkeypatch.setattr(headsync.media.files, "open", lambda path, mode: FullFile(path, "w"), raising=False)
    elif where == "open":
        monkeypatch.setattr(headsync.media.files, "open", full_disk, raising=False)
    else:
        monkeypatch.setattr(os, where, full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path, state(7), step=7)
    monkeypatch.undo()
    assert names(tmp_path) == ["step-000000003.ckpt", "step-000000005.ckpt"]
    assert load_checkpoint(tmp_path)["nested"] == {"number": 5}


def test_a_limit_of_the_system_leaves_the_checkpoint_before(tmp_path):
    save_checkpoint(tmp_path, state(3), step=3)
    code = ("import resource, sys, torch\nfrom headsync import experiment\n"
            f"resource.setrlimit(resource.RLIMIT_FSIZE, (65536, {resource.RLIM_INFINITY}))\n"
            "try:\n    experiment.save_checkpoint(sys.argv[1], {'large': torch.zeros(99991)}, step=5)\n"
            "except OSError:\n    sys.exit(7)\n")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parents[1])
    assert done.returncode == 7 and names(tmp_path) == ["step-000000003.ckpt"]


def test_what_killed_programs_left_goes(tmp_path):
    alive = partial_path(tmp_path / "step-000000002.ckpt")
    dead = alive.with_name(alive.name.replace(str(os.getpid()), "999999", 1))
    for path in (alive, dead):
        path.write_bytes(b"half")
    save_checkpoint(tmp_path, state(3), step=3)
    assert names(tmp_path) == [alive.name, "step-000000003.ckpt"]
    assert load_checkpoint(tmp_path)["step"] == 3


def test_a_file_that_vanishes_while_it_is_looked_for_is_no_error(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, state(3), step=3, keep=1)
    read = headsync.experiment.checkpoint.read_checkpoint

    def replaced(path):
        if path.name == "step-000000003.ckpt":
            save_checkpoint(tmp_path, state(5), step=5, keep=1)
        return read(path)

    monkeypatch.setattr(headsync.experiment.checkpoint, "read_checkpoint", replaced)
    assert load_checkpoint(tmp_path)["step"] == 5
