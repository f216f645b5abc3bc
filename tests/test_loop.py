"""The loop: a resumed run equals a straight one bit for bit, the best is kept, it stops early and when told to."""

import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from headsync.experiment import RunLog, checkpoints, load_checkpoint, read_log, run_loop
from headsync.media import shown_progress
from tests.loop_trainee import Regression, train
from tests.run_settings import run_settings

PROGRAM = Path(__file__).with_name("loop_trainee.py")


def program(*arguments):
    return [sys.executable, "-W", "error", str(PROGRAM), *map(str, arguments)]


def equal(one, other):
    """Same types, same values, every bit of every tensor."""
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    return type(one) is type(other) and one == other


def lines(folder):
    return [{key: value for key, value in line.items() if key != "time_s"} for line in read_log(folder)]


def assert_same_runs(one, other):
    assert equal(load_checkpoint(one), load_checkpoint(other))
    assert equal(load_checkpoint(one / "best"), load_checkpoint(other / "best"))
    assert lines(one) == lines(other)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    train(folder, 17)
    return folder


class Stopping(Regression):
    """Asks for an end, as a queueing system does, in the middle of its step `at`."""

    def __init__(self, at, **options):
        super().__init__(**options)
        self.at = at

    def step(self):
        if self.steps + 1 == self.at:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().step()


@pytest.mark.parametrize("stop_at", [1, 5, 7, 16])
def test_stopped_and_resumed_equals_straight(straight, tmp_path, stop_at):
    _, first = train(tmp_path, 17, trainee=Stopping(stop_at))
    assert first.step == stop_at and not first.stopped_early
    torch.manual_seed(999)
    _, second = train(tmp_path, 17, trainee=Regression(start=997))
    assert second.step == 17
    assert_same_runs(straight, tmp_path)


@pytest.mark.parametrize("how", ["7", "save:5", "save:9"])
def test_killed_and_resumed_equals_straight(straight, tmp_path, how):
    assert subprocess.run(program(tmp_path, 17, how), capture_output=True).returncode == -signal.SIGKILL
    assert 1 <= len(checkpoints(tmp_path)) <= 2 and load_checkpoint(tmp_path)["step"] < 17
    train(tmp_path, 17, trainee=Regression(start=997))
    assert_same_runs(straight, tmp_path)


def test_a_damaged_newest_checkpoint_costs_only_time(straight, tmp_path):
    shutil.copytree(straight, tmp_path, dirs_exist_ok=True)
    newest = checkpoints(tmp_path)[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    train(tmp_path, 17, trainee=Regression(start=997))
    assert_same_runs(straight, tmp_path)


def test_an_end_from_outside_is_clean(tmp_path):
    process = subprocess.Popen(program(tmp_path, 100_003, "0.01"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not ((tmp_path / "log.jsonl").exists() and read_log(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.terminate()
    said, complained = process.communicate(timeout=60)
    step = int(said.split()[0])
    assert process.returncode == 0 and complained == b"" and 1 < step < 100_003
    assert load_checkpoint(tmp_path)["step"] == step
    assert not list(tmp_path.rglob("*.partial-*"))


def test_the_signal_goes_back_to_who_had_it(tmp_path):
    seen = []
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
    try:
        train(tmp_path, 2)
        os.kill(os.getpid(), signal.SIGTERM)
        assert seen == [1]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_run_in_a_thread_needs_no_signal(tmp_path):
    results = []
    thread = threading.Thread(target=lambda: results.append(train(tmp_path, 3)[1]))
    thread.start()
    thread.join()
    assert results[0].step == 3


class Scripted:
    """Validates to the given values, one per step."""

    def __init__(self, values):
        self.values, self.steps = values, 0

    def step(self):
        self.steps += 1
        return {"loss": float(self.steps), **({"odd": 1.0} if self.steps % 2 else {})}

    def validate(self):
        return {"score": self.values[self.steps - 1]}

    def state(self):
        return {"steps": self.steps}

    def restore(self, state):
        self.steps = state["steps"]


def scripted(folder, values, **settings):
    chosen = {"steps": len(values), "validate_every": 1, "checkpoint_every": 2, "monitor": "score", "mode": "max", **settings}
    with RunLog(folder) as log:
        return run_loop(Scripted(values), folder, run_settings(**chosen), log=log)


@pytest.mark.parametrize(("mode", "best", "step"), [("max", 5.0, 2), ("min", 1.0, 1)])
def test_the_best_state_is_kept_and_nan_never_is(tmp_path, mode, best, step):
    nan, infinite = float("nan"), float("inf") if mode == "max" else -float("inf")
    result = scripted(tmp_path, [1.0, 5.0, 3.0, nan, infinite, 5.0], mode=mode)
    assert result == (6, best, False)
    kept = load_checkpoint(tmp_path / "best")
    assert kept["step"] == step and kept["trainee"] == {"steps": step} and len(checkpoints(tmp_path / "best")) == 1


def test_patience_ends_a_run_where_it_would_have_unresumed(tmp_path):
    values = [1.0, 5.0, 3.0, 4.0, 4.5, 9.0]
    assert scripted(tmp_path / "straight", values, patience=3) == (5, 5.0, True)
    assert scripted(tmp_path / "resumed", values, patience=3, steps=4) == (4, 5.0, False)
    assert scripted(tmp_path / "resumed", values, patience=3) == (5, 5.0, True)
    assert scripted(tmp_path / "resumed", values, patience=3) == (5, 5.0, True)  # and it stays ended
    assert scripted(tmp_path / "resumed", values, patience=5) == (6, 9.0, False)  # until it may wait longer
    assert load_checkpoint(tmp_path / "straight")["step"] == 5


def test_a_finished_run_does_nothing_more(tmp_path):
    scripted(tmp_path, [1.0, 2.0])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.ckpt")}
    assert scripted(tmp_path, [1.0, 2.0]) == (2, 2.0, False)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.ckpt")}


def test_a_log_line_holds_the_means_since_the_one_before(tmp_path):
    scripted(tmp_path, [0.0] * 7, log_every=3, validate_every=0)
    assert [(line["step"], line["loss"], line["odd"]) for line in lines(tmp_path)] == [(3, 2, 1), (6, 5, 1), (7, 7, 1)]


def test_a_folder_with_a_run_is_not_begun_anew(tmp_path):
    train(tmp_path, 3)
    with pytest.raises(ValueError, match="already holds a run"):
        train(tmp_path, 3, resume=False)
    assert train(tmp_path / "new", 3, resume=False)[1].step == 3


def test_an_unknown_monitor_names_the_known_values(tmp_path):
    with pytest.raises(ValueError, match="'loss', but validation gives score"):
        scripted(tmp_path, [1.0], monitor="loss")


@pytest.mark.parametrize(("wrong", "words"), [
    ({"steps": 0}, "steps is 0; it must be 1 or more"), ({"checkpoint_every": 0}, "checkpoint_every is 0"),
    ({"log_every": -1}, "log_every is -1"), ({"validate_every": -1}, "validate_every is -1"),
    ({"patience": 3}, "validate_every is 0"), ({"lr": 0.0}, r"lr must be in \(0, 1\)"),
    ({"hold": 1.0}, "hold is 1.0"), ({"ema_decay": 1.0}, "ema_decay is 1.0"), ({"clip": 0.0}, "clip above 0"),
    ({"mode": "mean"}, "choose min or max"),
])
def test_impossible_settings_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        run_settings(**wrong)


@pytest.mark.parametrize(("terminal", "wanted", "shown"), [
    (True, True, True), (True, False, False), (False, True, False),
])
def test_the_progress_bar_is_for_terminals(tmp_path, terminal, wanted, shown):
    screen = io.StringIO()
    screen.isatty = lambda: terminal
    with RunLog(tmp_path) as log, shown_progress(file=screen):
        run_loop(Scripted([0.0]), tmp_path, run_settings(steps=1), log=log, progress=wanted)
    assert bool(screen.getvalue()) == shown
