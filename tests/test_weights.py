"""Weight files: config in the header, half precision, and nothing foreign or damaged."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from experiment import load_weights, save_weights

TENSORS = {"a": torch.linspace(-1, 1, 21).reshape(7, 3), "count": torch.tensor([3, 5])}


def test_round_trip(tmp_path):
    save_weights(tmp_path / "w.safetensors", TENSORS, config={"width": 7, "windows": [5, 11]})
    back = load_weights(tmp_path / "w.safetensors")
    assert back.config == {"width": 7, "windows": [5, 11]} and torch.equal(back.tensors["a"], TENSORS["a"])
    assert torch.equal(back.tensors["count"], TENSORS["count"])


def test_half_precision_halves_the_file_and_comes_back_as_float(tmp_path):
    large = {"a": torch.randn(101, 103, generator=torch.Generator().manual_seed(3))}
    for name, half in (("full", False), ("half", True)):
        save_weights(tmp_path / name, large, config={}, half=half)
    assert (tmp_path / "half").stat().st_size < 0.52 * (tmp_path / "full").stat().st_size
    back = load_weights(tmp_path / "half").tensors["a"]
    assert back.dtype == torch.float32 and (back - large["a"]).abs().max() < 3e-3


def test_damage_anywhere_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, TENSORS, config={"width": 7})
    good = path.read_bytes()
    for percent in range(100):
        path.write_bytes(good[: len(good) * percent // 100])
        with pytest.raises(ValueError, match=r"w\.safetensors"):
            load_weights(path)
    numbers = np.random.default_rng(7)
    for _ in range(101):
        damaged = bytearray(good)
        place = int(numbers.integers(len(good) - 40, len(good)))        # among the numbers, where only a checksum sees it
        damaged[place] ^= int(numbers.integers(1, 256))
        path.write_bytes(bytes(damaged))
        with pytest.raises(ValueError, match="damaged"):
            load_weights(path)


def test_foreign_files_are_refused(tmp_path):
    save_file(TENSORS, tmp_path / "foreign.safetensors")
    (tmp_path / "text").write_text("hello")
    for name, words in (("foreign.safetensors", "no headsync schema"), ("text", "not a headsync weights file")):
        with pytest.raises(ValueError, match=words) as caught:
            load_weights(tmp_path / name)
        assert "\n" not in str(caught.value)
