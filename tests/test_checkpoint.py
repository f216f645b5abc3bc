"""Checkpoints: complete or absent, damage is noticed, the one before it is used."""

import hashlib
import io
import random

import numpy as np
import pytest
import torch

from experiment import load_checkpoint, random_state, restore_random_state, save_checkpoint
from experiment.checkpoint import HEADER, MAGIC, SCHEMA


class Foreign:
    """Not something a checkpoint holds."""


def state(number):
    return {"weights": torch.full((7, 3), float(number)), "list": [1, 2.5, "x", None], "nested": {"step": number}}


def test_round_trip_and_only_the_last_two_are_kept(tmp_path):
    for number in (3, 5, 11):
        save_checkpoint(tmp_path, state(number), step=number)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000005.ckpt", "step-000000011.ckpt"]
    back = load_checkpoint(tmp_path)
    assert back["nested"] == {"step": 11} and torch.equal(back["weights"], state(11)["weights"])
    assert load_checkpoint(tmp_path / "step-000000005.ckpt")["nested"]["step"] == 5
    assert load_checkpoint(tmp_path / "absent") is None


def test_every_truncation_and_flip_falls_back_to_the_good_one(tmp_path):
    save_checkpoint(tmp_path, state(1), step=1)
    newest = save_checkpoint(tmp_path, state(2), step=2)
    good = newest.read_bytes()
    for percent in range(100):
        newest.write_bytes(good[: len(good) * percent // 100])
        assert load_checkpoint(tmp_path)["nested"]["step"] == 1
    numbers = np.random.default_rng(7)
    for _ in range(101):
        damaged = bytearray(good)
        damaged[numbers.integers(len(good))] ^= int(numbers.integers(1, 256))
        newest.write_bytes(bytes(damaged))
        assert load_checkpoint(tmp_path)["nested"]["step"] == 1
    newest.write_bytes(good)
    assert load_checkpoint(tmp_path)["nested"]["step"] == 2


def test_when_all_are_damaged_it_says_so_in_one_line(tmp_path):
    save_checkpoint(tmp_path, state(1), step=1).write_bytes(b"x")
    with pytest.raises(ValueError, match="none of its 1 checkpoints is good") as caught:
        load_checkpoint(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, state(1), step=1)
    monkeypatch.setattr("os.fsync", lambda number: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(tmp_path, state(2), step=2)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001.ckpt"]


def test_pickles_are_not_read(tmp_path):
    buffer = io.BytesIO()
    torch.save({"schema": SCHEMA, "step": 1, "state": Foreign}, buffer)
    payload = buffer.getvalue()
    header = HEADER.pack(MAGIC, len(payload), hashlib.sha256(payload).digest())
    (tmp_path / "step-000000001.ckpt").write_bytes(header + payload)
    with pytest.raises(ValueError, match="cannot be read by torch"):
        load_checkpoint(tmp_path / "step-000000001.ckpt")
    with pytest.raises(ValueError, match="which a checkpoint cannot hold"):
        save_checkpoint(tmp_path, {"foreign": Foreign()}, step=2)


def test_all_random_states_come_back(tmp_path):
    save_checkpoint(tmp_path, random_state(), step=1)
    expected = random.random(), np.random.rand(), torch.rand(3)     # noqa: NPY002
    random.random(), np.random.rand(17), torch.rand(5)              # noqa: NPY002
    restore_random_state(load_checkpoint(tmp_path))
    found = random.random(), np.random.rand(), torch.rand(3)        # noqa: NPY002
    assert expected[:2] == found[:2] and torch.equal(expected[2], found[2])
