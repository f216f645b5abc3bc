"""Weight files: the config travels in the header, half precision survives, nothing foreign or damaged gets in."""

import errno
import json
import os
import random
from dataclasses import dataclass

import pytest
import safetensors.torch
import torch

from headsync.experiment import build_config, config_dict, load_weights, save_weights

CONFIG = {"width": 7, "windows": [5, 11], "name": "é\n\"x\"", "rate": 0.1, "none": None}


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def tensors():
    return {"a.weight": noise(7, 3), "count": torch.tensor([3, 5]), "on": torch.tensor(True), "none": torch.zeros(0, 2)}


def one_line_error(path):
    with pytest.raises(ValueError, match=path.name) as caught:
        load_weights(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def path(tmp_path):
    return save_weights(tmp_path / "model.safetensors", tensors(), config=CONFIG)


def test_round_trip(path):
    back = load_weights(path)
    assert back.config == CONFIG and back.tensors.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert back.tensors[name].dtype == tensor.dtype and torch.equal(back.tensors[name], tensor)


def test_the_config_becomes_its_dataclass_again(tmp_path):
    @dataclass(frozen=True)
    class Model:
        width: int = 3
        windows: tuple[int, ...] = (2,)

    save_weights(tmp_path / "w", tensors(), config=config_dict(Model(5, (7, 11))))
    assert build_config(Model, load_weights(tmp_path / "w").config) == Model(5, (7, 11))


def test_a_model_with_tied_and_transposed_weights(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(5, 5), torch.nn.BatchNorm1d(5), torch.nn.Linear(5, 5))
    model[2].weight = model[0].weight
    given = {**model.state_dict(), "turned": noise(3, 7).T, "grown": (model[0].weight * 2)}
    save_weights(tmp_path / "w", given, config={})
    back = load_weights(tmp_path / "w").tensors
    assert all(torch.equal(back[name], given[name]) for name in given)
    model.load_state_dict({name: back[name] for name in model.state_dict()})


def test_half_precision(tmp_path):
    large = {"a": noise(101, 103), "b": noise(13).double(), "count": torch.tensor(2**40)}
    full = save_weights(tmp_path / "full", large, config={})
    half = save_weights(tmp_path / "half", large, config={}, half=True)
    assert half.stat().st_size < 0.52 * full.stat().st_size
    back = load_weights(half).tensors
    for name in ("a", "b"):
        assert back[name].dtype == torch.float32
        torch.testing.assert_close(back[name], large[name].float(), rtol=2**-11, atol=2**-24)
    assert torch.equal(back["count"], large["count"])
    again = load_weights(save_weights(tmp_path / "again", back, config={}, half=True)).tensors
    assert all(torch.equal(again[name], back[name]) for name in back)


def test_half_stays_half_when_it_was_saved_so(tmp_path):
    given = {"a": noise(7).half(), "b": noise(7).bfloat16()}
    back = load_weights(save_weights(tmp_path / "w", given, config={})).tensors
    assert all(back[name].dtype == given[name].dtype and torch.equal(back[name], given[name]) for name in given)


def test_numbers_beyond_half_precision_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"big reaches 1e\+05.*half=False"):
        save_weights(tmp_path / "w", {"big": torch.tensor([1e5])}, config={}, half=True)
    masks = {"mask": torch.tensor([float("-inf"), 0.0])}
    assert torch.equal(load_weights(save_weights(tmp_path / "w", masks, config={}, half=True)).tensors["mask"],
                       masks["mask"])


@pytest.mark.parametrize(("config", "given"), [({"a": print}, None), ({"a": float("nan")}, None), ({}, {})])
def test_what_cannot_be_stored_is_refused(tmp_path, config, given):
    with pytest.raises(ValueError, match="w: "):
        save_weights(tmp_path / "w", tensors() if given is None else given, config=config)
    assert not list(tmp_path.iterdir())


def test_truncated_at_every_percent(path):
    good = path.read_bytes()
    for percent in range(100):
        path.write_bytes(good[: len(good) * percent // 100])
        one_line_error(path)
    path.write_bytes(good + b"\0")
    one_line_error(path)


def test_a_changed_byte_is_never_silently_wrong(path):
    good, draw = path.read_bytes(), random.Random(7)
    expected = load_weights(path)
    for place in range(len(good)):
        damaged = bytearray(good)
        damaged[place] ^= draw.randrange(1, 256)
        path.write_bytes(damaged)
        try:
            found = load_weights(path)
        except ValueError as error:
            assert "\n" not in str(error) and path.name in str(error)
        else:  # only a blank of the header's padding, or another spelling of the same text, may change unseen
            assert found.config == expected.config
            assert all(torch.equal(found.tensors[name], one) for name, one in expected.tensors.items())
            assert place < len(good) - sum(one.nbytes for one in expected.tensors.values())


def with_header(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


@pytest.mark.parametrize("content", [b"", b"hi", b"hello world, this is a text", bytes(101), b"\xff" * 997])
def test_foreign_files_are_refused(tmp_path, content):
    path = tmp_path / "foreign"
    path.write_bytes(content)
    assert "not a headsync weights file" in one_line_error(path)


@pytest.mark.parametrize("header", [
    b"not json", b"[1]", b"null", {}, {"__metadata__": {"format": "pt"}}, {"__metadata__": 3}, b"[" * 99991,
    b"\xff\xfe{}",
])
def test_bad_headers_are_refused(tmp_path, header):
    assert "holds no headsync schema" in one_line_error(with_header(tmp_path / "bad", header))


def test_other_versions_and_half_headers_are_refused(tmp_path):
    assert "'weights/9'" in one_line_error(with_header(tmp_path / "w", {"__metadata__": {"schema": "weights/9"}}))
    for rest in ({}, {"sha256": "0", "config": "{}", "half": "false"}, {"sha256": 3}):
        header = {"__metadata__": {"schema": "weights/1", **rest}}
        assert "damaged" in one_line_error(with_header(tmp_path / "w", header))


def test_safetensors_of_other_programs_are_refused(tmp_path):
    safetensors.torch.save_file(tensors(), tmp_path / "other", {"format": "pt"})
    assert "no headsync schema" in one_line_error(tmp_path / "other")
    with pytest.raises(FileNotFoundError):
        load_weights(tmp_path / "absent")


def test_other_programs_can_read_ours(path):
    assert torch.equal(safetensors.torch.load_file(path)["a.weight"], tensors()["a.weight"])


def test_a_full_disk_leaves_the_weights_before(path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_weights(path, {"a": noise(3)}, config={})
    assert load_weights(path).config == CONFIG and list(path.parent.iterdir()) == [path]
