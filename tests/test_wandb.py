"""A training that is logged to wandb, offline: its file holds the run's configuration and the very figures of log.jsonl."""

import subprocess
import sys

import pytest

from headsync.experiment import read_log
from tests.talking import made_up_people, write_corpus
from tests.wandb_files import recorded

pytest.importorskip("wandb")


def test_a_training_is_recorded_as_it_is_logged(tmp_path):
    corpus = write_corpus(tmp_path / "corpus", {"train": made_up_people(5, 61), "val": made_up_people(2, 61, seed=7)})
    argv = ["--data", str(corpus.folder), "--out", str(tmp_path / "run"), "--config", "tiny", "run.wandb=offline",
            "run.batch=3"]
    done = subprocess.run([sys.executable, "-m", "headsync", "train", "expression", *argv],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = recorded(tmp_path / "run")
    assert found.project == "headsync" and found.config["run"]["batch"] == 3 and found.config["run"]["steps"] == 6
    logged = [{"step": line["step"], **{f"{line['kind']}/{name}": value for name, value in line.items()
                                        if name not in ("step", "kind", "time_s")}} for line in read_log(tmp_path / "run")]
    assert found.lines == logged and {line["step"] for line in logged} == {2, 3, 4, 6}
    assert any("train/total" in line for line in logged) and any("validate/lmd" in line for line in logged)
