"""The choice of precision: a name, the environment variable where none is given, the device's units where neither is."""

from pathlib import Path

import pytest
import torch

from headsync.commands.program import main
from headsync.experiment import precision
from headsync.experiment.precision import VARIABLE, chosen_precision, mixed_precision

CPU = torch.device("cpu")


def product(*asked: str) -> torch.dtype:
    """The type of numbers that a product of matrices has in a precision."""
    with mixed_precision(CPU, *asked):
        return (torch.ones(3, 5) @ torch.ones(5, 2)).dtype


@pytest.mark.parametrize(("asked", "variable", "units", "comes_to"), [
    ("auto", None, True, "bf16"), ("auto", None, False, "fp32"), ("auto", "", True, "bf16"), ("auto", "auto", True, "bf16"),
    ("auto", "fp32", True, "fp32"), ("auto", "bf16", False, "bf16"),
    ("fp32", "bf16", True, "fp32"), ("bf16", "fp32", False, "bf16"),
    ("fp32", None, True, "fp32"), ("bf16", None, False, "bf16"),
])
def test_a_name_holds_then_the_variable_then_the_units(monkeypatch, asked, variable, units, comes_to):
    monkeypatch.setattr(precision, "has_cpu_units", lambda: units)
    monkeypatch.delenv(VARIABLE, raising=False)
    if variable is not None:
        monkeypatch.setenv(VARIABLE, variable)
    assert chosen_precision(CPU, asked) == comes_to
    assert product(asked) == {"fp32": torch.float32, "bf16": torch.bfloat16}[comes_to]


def test_weights_changed_within_it_count():
    """A discriminator is trained and scores within one step."""
    layer = torch.nn.Linear(3, 2)
    with mixed_precision(CPU, "bf16"):
        before = layer(torch.ones(1, 3))
        with torch.no_grad():
            layer.weight += 1
        assert (layer(torch.ones(1, 3)) - before).mean().item() == pytest.approx(3, abs=0.1)


def test_fp32_holds_inside_somebodys_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        assert product("fp32") == torch.float32
        assert (torch.ones(3, 5) @ torch.ones(5, 2)).dtype == torch.bfloat16


@pytest.mark.parametrize("units", [True, False])
def test_units_are_found_by_any_of_their_names(monkeypatch, units):
    for name in precision.CPU_UNITS:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda name=name: {"avx2": True, name: units})
        assert precision.has_cpu_units() == units


def test_gpus_have_units_of_their_own_kind(monkeypatch):
    monkeypatch.delenv(VARIABLE)
    for has in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True, has=has: has)
        assert chosen_precision("cuda:1") == ("bf16" if has else "fp32")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Old GPU")
    with pytest.raises(ValueError, match="precision is bf16, which Old GPU cannot compute; choose fp32"):
        chosen_precision("cuda", "bf16")


def test_unknown_names_are_refused_in_one_line(monkeypatch):
    with pytest.raises(ValueError, match="^precision is 'fp16'; choose auto, fp32, bf16$"):
        mixed_precision(CPU, "fp16")
    monkeypatch.setenv(VARIABLE, "half")
    with pytest.raises(ValueError, match="^the environment variable HEADSYNC_PRECISION is 'half'; set it to auto, fp32, bf16, "
                                         "or unset it$"):
        mixed_precision(CPU)
    assert chosen_precision(CPU, "fp32") == "fp32"      # nobody asks the variable


def test_commands_end_with_one_line_and_without_a_file(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv(VARIABLE, "half")
    examples, out = Path(__file__).parents[1] / "examples", tmp_path / "a.mp4"
    line = ["talk", "--audio", str(examples / "speech.flac"), "--refs", str(examples / "astronaut.jpg"), "--out", str(out)]
    assert main(line) == 2 and not any(tmp_path.iterdir())
    assert capsys.readouterr().err == ("headsync: the environment variable HEADSYNC_PRECISION is 'half'; set it to auto, fp32, "
                                       "bf16, or unset it\n")
