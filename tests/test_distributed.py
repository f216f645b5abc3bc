"""Two processes train as one: the same curve as one process with the whole batch, whatever the losses are, and one end.

All runs are made by tests/distributed_runs.py, once: what is equal here is equal for dropout and noise of 0.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from headsync.experiment import load_checkpoint, load_weights, read_log
from headsync.experiment.batch_norm import SharedBatchNorm

PROGRAM = Path(__file__).with_name("distributed_runs.py")
TRAININGS = ("syncers", "generator", "expression", "head_motion", "encoder", "renderer")
# Of a value; rounding grows from step to step, through batch norms and discriminators more than elsewhere
NEAR = dict.fromkeys(TRAININGS, 1e-4) | {"encoder": 5e-4, "renderer": 5e-4}
VALIDATION_NEAR = {"rtol": 2e-3, "atol": 1e-3}      # scores are ratios of small numbers


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(PROGRAM), str(folder)], capture_output=True, text=True,
                          env={**os.environ, **threads})
    assert done.returncode == 0, done.stderr
    return folder, json.loads((folder / "told.json").read_text())


def curve(folder, kind="train"):
    """Every logged value of a run, by step and name."""
    log = next(folder.rglob("log.jsonl"))
    return {(line["step"], name): value for line in read_log(log) if line["kind"] == kind
            for name, value in line.items() if name not in ("step", "kind", "time_s")}


@pytest.mark.parametrize("name", TRAININGS)
def test_two_processes_have_the_curve_of_one(runs, name):
    folder, told = runs
    assert told[f"{name} 1"]["codes"] == [0] and told[f"{name} 2"]["codes"] == [0, 0], told
    for kind in ("train", "validate"):
        one, two = (curve(folder / name / count, kind) for count in ("1", "2"))
        assert one.keys() == two.keys() and len(one) > 1
        near = {"rtol": NEAR[name], "atol": 1e-5} if kind == "train" else VALIDATION_NEAR
        wrong = {key: (one[key], two[key]) for key in one if not np.isclose(one[key], two[key], **near)}
        assert not wrong, wrong


@pytest.mark.parametrize("name", TRAININGS)
def test_the_curve_distinguishes_batches(runs, name):
    """What is compared above does change from step to step, by far more than it may differ."""
    found = sorted(curve(runs[0] / name / "1").items())
    losses = [value for (_, term), value in found if term == "total"]
    assert len(losses) == 4 and np.ptp(losses) > 20 * NEAR[name] * abs(np.mean(losses))


@pytest.mark.parametrize("name", TRAININGS)
def test_weights_stay_together(runs, name):
    one, two = (load_weights(next((runs[0] / name / count).glob("*.safetensors"))).tensors for count in ("1", "2"))
    assert one.keys() == two.keys()
    apart = [float((one[key] - two[key]).abs().max()) for key in one if one[key].is_floating_point()]
    assert np.median(apart) < 1e-3 and max(apart) < 0.05


def test_only_the_first_process_writes(runs):
    folder, _ = runs
    for name in TRAININGS:
        one, two = (sorted(path.relative_to(folder / name / count) for path in (folder / name / count).rglob("*"))
                    for count in ("1", "2"))
        assert one == two
        assert all(list(read_log(log)) for log in (folder / name).rglob("log.jsonl"))
        steps = [line["step"] for line in read_log(next((folder / name / "2").rglob("log.jsonl"))) if line["kind"] == "train"]
        assert steps == [1, 2, 3, 4]


def test_the_number_of_processes_may_change(runs):
    folder, told = runs
    assert [told[f"to {steps}"]["codes"] for steps in (1, 3, 4)] == [[0], [0, 0], [0]]
    straight, changing = curve(folder / "renderer" / "1"), curve(folder / "changing")
    assert straight.keys() == changing.keys()
    near = {"rtol": NEAR["renderer"], "atol": 1e-5}
    assert not [key for key in straight if not np.isclose(straight[key], changing[key], **near)]


def test_a_batch_that_cannot_be_shared_is_refused_in_one_line(runs):
    told = runs[1]["odd_batch"]
    assert told["codes"] == [2, 2]
    assert all("a batch of 3 cannot be shared evenly by 2 processes" in said and said.count("\n") == 1 for said in told["said"])


def test_what_is_wrong_with_one_process_ends_all(runs):
    told = runs[1]["wrong"]
    assert told["codes"] == [2, 2] and [said.count("\n") for said in told["said"]] == [1, 1]
    assert "a number of process 1 is wrong" in told["said"][1]
    assert "another process of this training has ended" in told["said"][0]


def test_a_process_that_dies_ends_the_other(runs):
    told = runs[1]["killed"]
    assert told["codes"] == [2, -9] and "another process of this training has ended" in told["said"][0]
    assert load_checkpoint(runs[0] / "killed")["step"] == 2


def test_a_signal_to_one_process_ends_all_at_the_same_step_saved(runs):
    folder, told = runs
    assert told["ended"]["codes"] == [0, 0] and load_checkpoint(folder / "ended")["step"] == 3


def test_processes_that_see_other_folders_are_refused(runs):
    told = runs[1]["apart"]
    assert told["codes"] == [2, 2] and all("[5, -1]" in said and said.count("\n") == 1 for said in told["said"])


@pytest.mark.parametrize("kind", [torch.nn.BatchNorm1d, torch.nn.BatchNorm2d])
def test_shared_batch_norms_are_batch_norms(kind):
    torch.manual_seed(3)
    shape = (5, 7, 3) if kind is torch.nn.BatchNorm1d else (5, 7, 3, 2)
    theirs = kind(7)
    torch.nn.init.normal_(theirs.weight), torch.nn.init.normal_(theirs.bias)
    ours = SharedBatchNorm(kind(7))
    ours.load_state_dict(theirs.state_dict())
    for training in (True, True, False):
        x = (3 + 2 * torch.randn(shape)).requires_grad_()
        y = x.detach().clone().requires_grad_()
        one, other = theirs.train(training)(x), ours.train(training)(y)
        one.square().sum().backward(), other.square().sum().backward()
        torch.testing.assert_close(one, other)
        torch.testing.assert_close(x.grad, y.grad, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(theirs.weight.grad, ours.weight.grad)
    torch.testing.assert_close(theirs.state_dict(), ours.state_dict())
