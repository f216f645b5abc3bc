"""The loop: resumed equals straight bit for bit, the best is kept, it stops early and on request."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from experiment import LoopSettings, RunLog, load_checkpoint, read_log, run_loop
from tests.toy_trainee import train

ROOT = Path(__file__).parents[1]


def figures(folder):
    return [{key: value for key, value in line.items() if key != "time_s"} for line in read_log(folder)]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.model.state_dict().values(), other.model.state_dict().values()))


def test_resumed_equals_straight_bit_for_bit(tmp_path):
    straight, _ = train(tmp_path / "straight", 17)
    train(tmp_path / "resumed", 7)
    torch.manual_seed(999)
    resumed, result = train(tmp_path / "resumed", 17)
    assert same(straight, resumed) and result.step == 17
    trained = [line for line in figures(tmp_path / "straight") if line["kind"] == "train"]
    assert trained == [line for line in figures(tmp_path / "resumed") if line["kind"] == "train"]


def test_killed_and_resumed_equals_straight(tmp_path):
    straight, _ = train(tmp_path / "straight", 40)
    command = [sys.executable, "-m", "tests.toy_trainee", str(tmp_path / "killed"), "40"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    while not (tmp_path / "killed" / "log.jsonl").exists() or len(read_log(tmp_path / "killed")) < 11:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    killed, result = train(tmp_path / "killed", 40)
    assert result.step == 40 and same(straight, killed)
    assert figures(tmp_path / "straight") == figures(tmp_path / "killed")


def test_sigterm_saves_and_stops(tmp_path):
    command = [sys.executable, "-m", "tests.toy_trainee", str(tmp_path), "4000"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    while not (tmp_path / "log.jsonl").exists() or len(read_log(tmp_path)) < 5:
        time.sleep(0.02)
    process.terminate()
    said, _ = process.communicate(timeout=20)
    last = max(line["step"] for line in read_log(tmp_path))
    assert int(said) == last and process.returncode == 0
    assert (tmp_path / f"step-{last:09d}.ckpt").is_file()


class Scripted:
    """Validates to given figures; its state is the number of steps."""

    def __init__(self, values):
        self.values, self.steps = values, 0

    def step(self):
        self.steps += 1
        return {"loss": 0.0}

    def validate(self):
        return {"score": self.values[self.steps - 1]}

    def state(self):
        return {"steps": self.steps}

    def restore(self, state):
        self.steps = state["steps"]


def scripted(folder, values, **settings):
    chosen = {"steps": len(values), "validate_every": 1, "save_every": 1, "monitor": "score", "mode": "max", **settings}
    with RunLog(folder) as log:
        return run_loop(Scripted(values), folder, LoopSettings(**chosen), log=log)


def test_the_best_state_is_kept(tmp_path):
    result = scripted(tmp_path, [1.0, 5.0, 3.0, float("nan"), 4.0])
    assert result == (5, 5.0, False) and load_checkpoint(tmp_path / "best")["trainee"] == {"steps": 2}


def test_patience_ends_a_run_and_a_resumed_one_at_the_same_step(tmp_path):
    values = [1.0, 5.0, 3.0, 4.0, 4.5, 9.0]
    assert scripted(tmp_path / "a", values, patience=3)[0::2] == (5, True)
    scripted(tmp_path / "b", values, patience=3, steps=4)
    assert scripted(tmp_path / "b", values, patience=3)[0::2] == (5, True)
    assert scripted(tmp_path / "b", values, patience=3)[0::2] == (5, True)      # and stays ended


def test_an_unknown_monitor_is_named(tmp_path):
    with pytest.raises(ValueError, match="monitor is 'loss', but validation gives score"):
        scripted(tmp_path, [1.0], monitor="loss")


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 3, "patience": -1}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="must be [01] or more"):
        LoopSettings(**wrong)


def test_log_lines_are_json(tmp_path):
    train(tmp_path, 3)
    assert all(json.loads(line)["step"] <= 3 for line in (tmp_path / "log.jsonl").read_text().splitlines())
