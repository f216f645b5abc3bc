"""Devices are named in one place: auto, cpu and GPUs that are there; everything else is one line."""

import pytest
import torch

from headsync.experiment import chosen_device


def test_names(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    found = [str(chosen_device(name)) for name in ("auto", "cpu", "cuda", "cuda:2", torch.device("cuda:1"))]
    assert found == ["cuda", "cpu", "cuda", "cuda:2", "cuda:1"]
    with pytest.raises(ValueError, match=r"'cuda:3' on this machine \(3 GPUs that torch can use\); choose cpu or cuda:0"):
        chosen_device("cuda:3")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", torch.device("cuda")])
def test_without_a_gpu(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert chosen_device("auto") == torch.device("cpu")
    with pytest.raises(ValueError, match=r"on this machine \(0 GPUs that torch can use\); choose cpu$"):
        chosen_device(name)


@pytest.mark.parametrize("name", ["gpu", "cpu:x", "", "mps", "meta", None, 7])
def test_other_names_are_one_line(name):
    with pytest.raises(ValueError, match="there is no device .*; choose auto, cpu, cuda or cuda:N") as told:
        chosen_device(name)
    assert "\n" not in str(told.value)
