"""The log: one JSON line per entry, clean after a crash, wandb only for those who ask."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiment import RunLog, read_log


def test_lines_are_json_and_what_is_not_finite_is_null(tmp_path):
    with RunLog(tmp_path) as log:
        log.write(3, "train", loss=0.5, bad=float("nan"))
    line, = read_log(tmp_path)
    assert (line["step"], line["kind"], line["loss"], line["bad"]) == (3, "train", 0.5, None)


def test_a_resumed_run_drops_later_and_torn_lines(tmp_path):
    log = RunLog(tmp_path)
    for step in (3, 5, 7):
        log.write(step, "train", loss=step)
    log.close()
    with open(log.path, "a") as file:
        file.write('{"step": 5, "los')
    with RunLog(tmp_path) as log:
        log.rewind(5)
        log.write(7, "train", loss=70)
    assert [line["loss"] for line in read_log(tmp_path)] == [3, 5, 70]


def test_wandb_is_not_imported_unless_asked_for(tmp_path):
    code = "import sys, experiment; experiment.RunLog(sys.argv[1]); sys.exit('wandb' in sys.modules)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=Path(__file__).parents[1])


def test_missing_wandb_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match="wandb is not installed"):
        RunLog(tmp_path, wandb="offline")


def test_wandb_offline_records_without_an_account(tmp_path):
    pytest.importorskip("wandb")
    code = ("import sys, experiment\n"
            "with experiment.RunLog(sys.argv[1], wandb='offline', config={'width': 7}) as log:\n"
            "    log.write(3, 'train', loss=0.5)\n")
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=Path(__file__).parents[1],
                   capture_output=True, timeout=120)
    recorded, = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    assert b"train/loss" in recorded.read_bytes()
    assert json.loads((tmp_path / "log.jsonl").read_text())["loss"] == 0.5
