"""The log: one JSON line per entry, clean after a crash, wandb only for those who ask."""

import json
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from headsync.experiment import RunLog, read_log

ROOT = Path(__file__).parents[1]


def test_a_line_is_json_with_step_kind_time_and_scalars(tmp_path):
    with RunLog(tmp_path / "deep" / "run") as log:
        log.write(3, "train", loss=0.5, count=7)
        assert len((tmp_path / "deep/run/log.jsonl").read_text().splitlines()) == 1  # before it is closed
    (line,) = read_log(tmp_path / "deep" / "run")
    assert line.pop("time_s") > 1.6e9 and line == {"step": 3, "kind": "train", "loss": 0.5, "count": 7}


@pytest.mark.parametrize("value", [torch.tensor(2.5), torch.tensor([2.5]), np.float32(2.5), 2.5])
def test_scalars_of_any_make_become_numbers(tmp_path, value):
    with RunLog(tmp_path) as log:
        log.write(1, "train", loss=value)
    assert read_log(tmp_path)[0]["loss"] == 2.5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), torch.tensor(float("nan"))])
def test_what_is_not_finite_is_null(tmp_path, value):
    with RunLog(tmp_path) as log:
        log.write(1, "train", loss=value)
    assert read_log(tmp_path)[0]["loss"] is None


@pytest.mark.parametrize("scalars", [{"loss": "low"}, {"loss": None}, {"loss": torch.zeros(3)}, {"loss": [1]},
                                     {"loss": torch.zeros(0)}, {"step": 3}, {"kind": 3}, {"time_s": 3}])
def test_what_is_no_scalar_is_refused_and_leaves_no_line(tmp_path, scalars):
    with RunLog(tmp_path) as log, pytest.raises(ValueError, match=next(iter(scalars))):
        log.write(1, "train", **scalars)
    assert read_log(tmp_path) == []


def test_a_rewound_log_has_no_later_lines(tmp_path):
    with RunLog(tmp_path) as log:
        for step in (3, 5, 7):
            log.write(step, "train", loss=step)
        log.rewind(5)
        log.write(7, "train", loss=70)
    assert [line["loss"] for line in read_log(tmp_path)] == [3, 5, 70]
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_half_a_line_of_a_killed_run_is_dropped(tmp_path):
    with RunLog(tmp_path) as log:
        log.write(3, "train", loss=3)
    with open(log.path, "a") as file:
        file.write('{"step": 5, "lo')
    with RunLog(tmp_path) as log:
        log.write(5, "train", loss=5)
    assert [line["loss"] for line in read_log(log.path)] == [3, 5]


@pytest.mark.parametrize("text", ["hello", "[1]", '{"kind": "train"}', '{"step": "3"}', "[" * 9973])
def test_a_foreign_line_is_named(tmp_path, text):
    (tmp_path / "log.jsonl").write_text('{"step": 1}\n' + text + "\n")
    with pytest.raises(ValueError, match="line 2 is no log line") as caught, RunLog(tmp_path) as log:
        log.rewind(1)
    assert "\n" not in str(caught.value)


def test_an_unknown_wandb_mode_names_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="choose disabled, offline or online"):
        RunLog(tmp_path, wandb="on")


def run_program(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True,
                          timeout=120)


def test_wandb_is_not_imported_unless_asked_for(tmp_path):
    done = run_program("import sys\nfrom headsync import experiment\n"
                       "log = experiment.RunLog(sys.argv[1])\nlog.write(1, 'train', loss=1)\n"
                       "log.close()\nsys.exit('wandb' in sys.modules)", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_missing_wandb_is_one_line(tmp_path, monkeypatch):
    for absent in (None, types.ModuleType("wandb")):  # not there, or a mere folder that wandb left in the working one
        monkeypatch.setitem(sys.modules, "wandb", absent)
        with pytest.raises(ValueError, match=r"wandb is not installed; install headsync\[train\]"):
            RunLog(tmp_path, wandb="offline")


class FakeWandb(types.ModuleType):
    """Records what it is told; `reason` makes it fail to start as wandb does without an account."""

    def __init__(self, reason=None):
        super().__init__("wandb")
        self.reason, self.told, self.options, self.finished = reason, [], [], 0

    def Settings(self, **options):
        return options

    def init(self, **options):
        if self.reason:
            raise RuntimeError(self.reason)
        self.options.append(options)
        return types.SimpleNamespace(log=self.told.append, define_metric=lambda *_, **__: None, finish=self.finish)

    def finish(self):
        self.finished += 1


def test_wandb_is_told_the_same_and_goes_on_under_its_id(tmp_path, monkeypatch):
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    for step in (3, 5):
        with RunLog(tmp_path, wandb="online", project="faces", config={"width": 7}) as log:
            log.write(step, "train", loss=0.5)
    assert fake.told == [{"step": 3, "train/loss": 0.5}, {"step": 5, "train/loss": 0.5}] and fake.finished == 2
    first, second = fake.options
    assert first["id"] == second["id"] and second["resume"] == "allow"
    assert first["project"] == "faces" and first["config"] == {"width": 7}
    assert [line["step"] for line in read_log(tmp_path)] == [3, 5]


def test_wandb_without_an_account_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", FakeWandb("api_key not configured\n(no-tty)"))
    with pytest.raises(ValueError, match="api_key not configured") as caught:
        RunLog(tmp_path, wandb="online")
    assert "\n" not in str(caught.value) and "wandb login" in str(caught.value)


def test_wandb_offline_needs_no_account(tmp_path):
    pytest.importorskip("wandb")
    done = run_program("import sys\nfrom headsync import experiment\n"
                       "with experiment.RunLog(sys.argv[1], wandb='offline', config={'width': 7}) as log:\n"
                       "    log.write(3, 'train', loss=0.5)\n", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (recorded,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    assert b"train/loss" in recorded.read_bytes()
    assert json.loads((tmp_path / "log.jsonl").read_text())["loss"] == 0.5
