"""Configuration: layers in order, and every mistake named before work starts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from omegaconf import MISSING

from experiment import config_dict, load_config, save_config


@dataclass(frozen=True)
class Inner:
    width: int = 7
    windows: tuple[int, ...] = (5, 11)


@dataclass(frozen=True)
class Outer:
    steps: int = 3
    rate: float = 0.1
    kind: Literal["min", "max"] = "min"
    name: str = MISSING
    inner: Inner = field(default_factory=Inner)
    note: str | None = None

    def __post_init__(self):
        if self.steps < 1:
            raise ValueError(f"steps must be 1 or more, got {self.steps}")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "base.yaml").write_text("name: base\nsteps: 11\ninner: {width: 13}\n")
    (tmp_path / "stage" / "tiny.yaml").write_text("steps: 5\ninner:\n  windows: [2, 3]\n")
    return tmp_path


def load(root, *overrides, preset="base"):
    return load_config(Outer, stage="stage", preset=preset, overrides=overrides, root=root)


def test_layers_override_in_order(root):
    assert load(root) == Outer(steps=11, name="base", inner=Inner(width=13))
    tiny = load(root, "rate=0.5", "inner.width=17", "kind=max", preset="tiny")
    assert tiny == Outer(steps=5, rate=0.5, kind="max", name="base", inner=Inner(17, (2, 3)))
    assert isinstance(tiny.inner, Inner) and isinstance(tiny.inner.windows, tuple)


def test_a_missing_value_is_named(root):
    (root / "stage" / "base.yaml").write_text("steps: 11\n")
    with pytest.raises(ValueError, match="no value for name"):
        load(root)


def test_a_preset_of_ones_own(root, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("steps: 2\n")
    assert load(root, preset=own).steps == 2 and load(root, preset=own).inner.width == 13


@pytest.mark.parametrize("overrides, words", [
    (["stepz=3"], ["stepz", "steps, rate"]),
    (["inner.widht=3"], ["widht"]),
    (["steps=many"], ["steps", "many"]),
    (["kind=mean"], ["kind", "mean"]),
    (["steps=0"], ["steps must be 1 or more, got 0"]),
    (["steps"], ["key=value"]),
    (["=3"], ["key=value"]),
    (["steps=[1"], ["steps=[1"]),
])
def test_mistakes_are_one_line_that_names_them(root, overrides, words):
    with pytest.raises(ValueError) as caught:
        load(root, *overrides)
    assert all(word in str(caught.value) for word in words) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["steps: [", "- 1\n- 2\n", "other: 1\n", "steps: lots\n"])
def test_bad_files_are_one_line(root, tmp_path, text):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ValueError) as caught:
        load(root, preset=tmp_path / "bad.yaml")
    assert "bad.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_unknown_presets_name_the_known_ones(root):
    with pytest.raises(ValueError, match="'huge'; choose one of base, tiny"):
        load(root, preset="huge")
    with pytest.raises(ValueError, match=r"absent\.yaml: no such file"):
        load(root, preset=Path("absent.yaml"))


def test_a_saved_configuration_is_read_back(root, tmp_path):
    config = load(root, "note=x y z", preset="tiny")
    save_config(config, tmp_path / "saved.yaml")
    assert load(root, preset=tmp_path / "saved.yaml") == config
    assert config_dict(config)["inner"] == {"width": 13, "windows": [2, 3]}
