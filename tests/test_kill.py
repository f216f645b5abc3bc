"""Whatever is killed, or meets a full disk, goes on as if nothing had been; signals end a training saved.

A few moments of what `python benchmarks/kill.py --moments 50` does; docs/results/robustness.md has its result.
"""

import errno
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from headsync.experiment import RunLog, checkpoints, load_checkpoint, read_log, run_loop
from headsync.experiment.trainer import Trainer
from tests.killing import Extent, draw_moments, limit_files, run
from tests.loop_trainee import Regression, train
from tests.run_settings import run_settings

ROOT = Path(__file__).parents[1]
KINDS = ("loop", "generation")      # the others take minutes; test_preprocess.py kills a preprocessing twice
ONE_CORE = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def survivors():
    """What became of each kind of job, by its name."""
    done = subprocess.run([sys.executable, str(ROOT / "benchmarks" / "kill.py"), "--moments", "3", "--full", "2",
                           "--kinds", *KINDS],
                          cwd=ROOT, capture_output=True, text=True, env=ONE_CORE)
    assert "Traceback" not in done.stderr, done.stderr
    return {told["kind"]: told for told in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("kind", KINDS)
def test_killed_jobs_go_on_as_if_nothing_had_been(survivors, kind):
    assert survivors[kind]["faults"] == [] and survivors[kind]["died"] >= 1, survivors[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_costs_nothing_but_the_room(survivors, kind):
    assert survivors[kind]["full_faults"] == [] and survivors[kind]["found_full"] >= 1, survivors[kind]


def test_moments_lie_in_the_job_and_are_of_all_kinds():
    drawn = draw_moments(30, Extent(2.0, 17, 1009), seed=3)
    assert drawn == draw_moments(30, Extent(2.0, 17, 1009), seed=3) != draw_moments(30, Extent(2.0, 17, 1009), seed=4)
    assert all(0 <= one.cpu_s <= 2 for one in drawn[::3]) and all(1 <= one.operation <= 17 for one in drawn[1::3])
    assert all(0 <= one.bytes < 1009 for one in drawn[2::3])


class Signalled(Regression):
    """Gets signals in the middle of steps."""

    def __init__(self, *numbers):
        super().__init__()
        self.numbers = numbers

    def step(self):
        if self.steps == 2:
            for number in self.numbers:
                signal.raise_signal(number)
        return super().step()


@pytest.mark.parametrize("numbers", [[signal.SIGTERM], [signal.SIGINT], [signal.SIGTERM, signal.SIGTERM],
                                     [signal.SIGINT, signal.SIGTERM], [signal.SIGHUP]])
def test_signals_end_a_training_after_its_step_saved(tmp_path, numbers):
    _, result = train(tmp_path, 11, trainee=Signalled(*numbers))
    assert result.step == 3 and load_checkpoint(tmp_path)["step"] == 3
    assert train(tmp_path, 11)[1].step == 11


def test_a_training_under_nohup_ignores_the_hang_up(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert train(tmp_path, 5, trainee=Signalled(signal.SIGHUP))[1].step == 5
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_interruption_does_not_wait(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, 11, trainee=Signalled(signal.SIGINT, signal.SIGINT))
    assert signal.getsignal(signal.SIGINT) is before and not checkpoints(tmp_path)


WORKED = """
import sys
sys.path.insert(0, {root!r})
from tests.loop_trainee import Regression, train

class Fed(Regression):
    def step(self):
        print(self.steps, flush=True)
        return super().step()

print(*train({out!r}, 997, trainee=Fed(pause_s=0.02, workers=1))[1], flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are sent what they need")
def test_workers_share_what_the_run_holds(monkeypatch):
    """Also where Python would send it to them, as 3.14 does on Linux: a lambda cannot be sent."""
    monkeypatch.setattr(multiprocessing.context._default_context, "_actual_context", multiprocessing.get_context("spawn"))
    training = object.__new__(Trainer)
    training.run, training.device = SimpleNamespace(workers=1), torch.device("cpu")
    training.task, training.steps, training._batches = SimpleNamespace(batch=lambda step: step * step), 7, None
    assert [training._next(), training._next()] == [49, 64]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_group_kills_no_worker_first(tmp_path, number):
    """As a terminal's Ctrl-C or a queue's end does: batches still come, the step is finished, the run is saved."""
    process = subprocess.Popen([sys.executable, "-c", WORKED.format(root=str(ROOT), out=str(tmp_path))], env=ONE_CORE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    for line in process.stdout:
        if line.strip() == "3":
            os.killpg(process.pid, number)
            break
    said, complained = process.communicate(timeout=120)
    step = int(said.splitlines()[-1].split()[0])
    assert process.returncode == 0 and complained == "" and 4 <= step < 997
    assert load_checkpoint(tmp_path)["step"] == step


def test_workers_draw_what_the_run_itself_draws(tmp_path):
    """Batches are drawn by number: who draws them, and how far ahead, changes nothing, nor does going on from a step."""
    for name, workers in (("none", 0), ("two", 2)):
        train(tmp_path / name, 5, trainee=Regression(workers=workers))
        train(tmp_path / name, 11, trainee=Regression(workers=workers))
    ours, theirs = ([path.read_bytes() for path in checkpoints(tmp_path / name)] for name in ("none", "two"))
    assert len(ours) == 2 and ours == theirs


def test_a_run_is_all_its_seed_s(tmp_path):
    """Checkpoints of straight runs differed, as a process seeds Python's random numbers from the system."""
    class Plain(Regression):
        def __init__(self):
            super().__init__()
            random.seed()
            np.random.seed()  # noqa: NPY002

    for name in "ab":
        train(tmp_path / name, 7, trainee=Plain())
    ours, theirs = ([path.read_bytes() for path in checkpoints(tmp_path / name)] for name in "ab")
    assert len(ours) == 2 and ours == theirs


def test_a_log_without_room_is_one_error_and_goes_on_later(tmp_path):
    """The log's line is torn; going on drops it and writes it anew."""
    def in_vain():
        limit_files(700)        # the log grows beyond it, checkpoints at once
        try:
            train(tmp_path / "run", 11, checkpoint_every=100)
        except OSError as error:
            return error.errno

    end = run(in_vain, tmp_path / "told")
    assert end.code == errno.EFBIG
    train(tmp_path / "run", 11)
    train(tmp_path / "straight", 11)
    ours, theirs = ([{**line, "time_s": 0} for line in read_log(tmp_path / name)] for name in ("run", "straight"))
    assert ours == theirs


def test_a_run_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "run").write_bytes(b"a file")
    with pytest.raises(OSError), RunLog(tmp_path / "run") as log:
        run_loop(Regression(), tmp_path / "run", run_settings(steps=3), log=log)
    assert (tmp_path / "run").read_bytes() == b"a file"
