"""Configuration: sources in their order, and every mistake in one line before work starts."""

import enum
from dataclasses import FrozenInstanceError, dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from headsync.experiment import RunSettings, build_config, config_dict, load_config, save_config
from tests.run_settings import run_settings


class Colour(enum.Enum):
    red = 1
    blue = 2


@dataclass(frozen=True)
class Layer:
    width: int = 7
    kind: Literal["conv", "linear"] = "conv"

    def __post_init__(self):
        if self.width % 2 == 0:
            raise ValueError(f"width is {self.width}; it must be odd")


@dataclass(frozen=True)
class Stage:
    steps: int
    rate: float = 0.1
    causal: bool = False
    mode: Literal["min", "max"] = "min"
    windows: tuple[int, ...] = (5, 11)
    pair: tuple[int, float] = (3, 0.5)
    layer: Layer = field(default_factory=Layer)
    weights: dict[str, float] = field(default_factory=lambda: {"sync": 8.0})
    name: str | None = None
    colour: Colour = Colour.red
    folder: Path = Path("runs")
    run: RunSettings = field(default_factory=run_settings)

    def __post_init__(self):
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}; it must be 1 or more")


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "presets" / "toy"
    folder.mkdir(parents=True)
    (folder.parent / "__pycache__").mkdir()
    (folder / "base.yaml").write_text("steps: 11\nlayer: {width: 13}\nname: é\n", encoding="utf-8")
    (folder / "tiny.yaml").write_text("steps: 5\nwindows: [2, 3, 7]\nlayer:\n  kind: linear\n")
    return folder.parent


def load(root, *overrides, preset="base"):
    return load_config(Stage, stage="toy", preset=preset, overrides=overrides, root=root)


def one_line_error(root, *overrides, preset="base"):
    with pytest.raises(ValueError, match=r"\A.+\Z") as caught:
        load(root, *overrides, preset=preset)
    assert type(caught.value) is ValueError and "\n" not in str(caught.value) and "full_key" not in str(caught.value)
    return str(caught.value)


def test_the_later_source_wins(root):
    assert load(root) == Stage(11, layer=Layer(13), name="é")
    assert load(root, preset="tiny") == Stage(5, windows=(2, 3, 7), layer=Layer(13, "linear"), name="é")
    config = load(root, "steps=7", "layer.width=17", "steps=19", preset="tiny")
    assert config == Stage(19, windows=(2, 3, 7), layer=Layer(17, "linear"), name="é")


def test_whole_numbers_become_floats_inside_tuples_too():
    @dataclass(frozen=True)
    class Bands:
        edges: tuple[float, ...] = ()

    found = build_config(Bands, {"edges": [3, 0.5]}).edges
    assert found == (3.0, 0.5) and type(found[0]) is float


def test_what_comes_back_is_frozen_dataclasses_and_tuples(root):
    config = load(root, "layer.width=9")
    assert type(config) is Stage and type(config.layer) is Layer
    assert type(config.windows) is tuple and type(config.folder) in (type(Path()),)
    with pytest.raises(FrozenInstanceError):
        config.steps = 3


@pytest.mark.parametrize(("override", "field_name", "value"), [
    ("rate=1e-4", "rate", 1e-4), ("rate=3", "rate", 3.0), ("causal=true", "causal", True), ("mode=max", "mode", "max"),
    ("windows=[2]", "windows", (2,)), ("windows=[]", "windows", ()), ("pair=[5, 2]", "pair", (5, 2.0)),
    ("layer={width: 3}", "layer", Layer(3)),
    ("weights.gan=2", "weights", {"sync": 8.0, "gan": 2.0}), ("name=null", "name", None), ("name=a=b", "name", "a=b"),
    ("name='x: #y'", "name", "x: #y"), ("name=3", "name", "3"), ("colour=blue", "colour", Colour.blue),
    ("folder=a/b c", "folder", Path("a/b c")), ("run.patience=0", "run", run_settings()),
    ("rate=${layer.width}", "rate", 13.0),
])
def test_overrides_of_every_type(root, override, field_name, value):
    found = getattr(load(root, override), field_name)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(("override", "words"), [
    ("stepz=3", ["unknown key 'stepz'", "allowed there: steps, rate, causal"]),
    ("layer.widht=3", ["unknown key 'layer.widht'", "width, kind"]),
    ("steps=many", ["steps: ", "'many'"]), ("steps=2.5", ["steps: ", "2.5"]), ("steps=true", ["steps: "]),
    ("steps=[3]", ["steps"]), ("steps=null", ["steps: "]), ("rate=fast", ["rate: ", "fast"]),
    ("causal=maybe", ["causal: ", "maybe"]), ("mode=mean", ["mode: ", "mean", "min", "max"]),
    ("windows=3", ["windows: "]), ("windows=[3, x]", ["windows", "x"]), ("windows=[2.5]", ["windows", "2.5"]),
    ("pair=[3]", ["pair: ", "2"]), ("pair=[3, 5, 7]", ["pair: ", "2"]),
    ("layer=3", ["layer: "]), ("layer=null", ["layer: "]),
    ("layer.width.x=3", ["layer.width"]),
    ("weights.gan=x", ["weights.gan", "x"]), ("colour=green", ["colour", "green"]), ("windows.x=3", ["windows"]),
    ("steps=0", ["steps is 0; it must be 1 or more"]), ("layer.width=4", ["layer: width is 4; it must be odd"]),
    ("run.patience=3", ["run: patience is 3"]),
    ("steps=${nowhere}", ["nowhere"]), ("steps=${steps}", ["steps"]), ("steps=${", ["steps"]), ("rate=${x:1}", ["x"]),
])
def test_a_mistake_is_one_line_that_names_it(root, override, words):
    message = one_line_error(root, override)
    assert not [word for word in words if word not in message], message


@pytest.mark.parametrize("override", ["steps", "=3", "", "-steps=3", "a b=3", ".steps=3", "layer.=3", "layer..width=3",
                                      "windows.0=3", "--steps=3"])
def test_a_malformed_override_says_how_to_write_one(root, override):
    assert "write key=value" in one_line_error(root, override)


@pytest.mark.parametrize("override", ["steps=[1", "steps={a: ", "steps=*x", "steps='3", "steps=" + "[" * 99991,
                                      "steps=" + "[" * 21 + "]" * 21])
def test_an_override_that_is_no_yaml(root, override):
    assert "steps=" in one_line_error(root, override)


def test_every_missing_value_is_named(root):
    (root / "toy" / "base.yaml").write_text("rate: 0.5\n")
    message = one_line_error(root)
    assert "no value for steps" in message and "config toy/base" in message
    assert load(root, "steps=3").rate == 0.5

    @dataclass(frozen=True)
    class Inner:
        width: int
        depth: int

    with pytest.raises(ValueError, match="no value for depth, width"):
        build_config(Inner, {})


@pytest.mark.parametrize(("text", "words"), [
    (b"steps: [", "not readable YAML"), (b"- 1\n- 2\n", "holds a list"), (b"other: 1\n", "unknown key 'other'"),
    (b"steps: lots\n", "steps: "), (b"\xff\xfe\x00", "not readable YAML"), (b"a: b: c\n", "not readable YAML"),
    (b"steps: 3\nsteps: 5\n", "not readable YAML"), (b"just words\n", "just words"),
    (b"[" * 99991, "nested more than 20"),
    (b"a: " + b"- " * 99991, "not readable"), (b"a: " + b"{a: " * 99991, "nested"), (b"a: &x [1]\nb: *x\n", "alias *x"),
    (b"!!python/object/apply:os.system [exit]\n", "not readable YAML"), (b"7\n", "bad.yaml"), (b"1: 2\n", "unknown"),
])
def test_a_bad_file_is_named(root, tmp_path, text, words):
    (tmp_path / "bad.yaml").write_bytes(text)
    message = one_line_error(root, preset=tmp_path / "bad.yaml")
    assert "bad.yaml" in message and words in message


def test_a_file_of_ones_own_is_a_preset_too(root, tmp_path):
    own = tmp_path / "my preset.yaml"
    own.write_text("steps: 2\n")
    assert load(root, preset=own) == load(root, preset=str(own)) == Stage(2, layer=Layer(13), name="é")
    own.write_text("# nothing differs\n")
    assert load(root, preset=own) == load(root)


def test_what_is_absent_names_what_there_is(root, tmp_path):
    assert "no preset 'huge'; choose one of base, tiny" in one_line_error(root, preset="huge")
    assert "absent.yaml: no such file" in one_line_error(root, preset=tmp_path / "absent.yaml")
    with pytest.raises(ValueError, match="no presets for stage 'toi'; there are some for: toy"):
        load_config(Stage, stage="toi", root=root)
    with pytest.raises(ValueError, match="no presets for stage"):
        load_config(Stage, stage="../presets/toy", root=root)


def test_the_packaged_presets_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no presets for stage 'none of ours'"):
        load_config(Stage, stage="none of ours")


@pytest.mark.parametrize("overrides", [[], ["layer={width: 9}", "colour=blue", "folder=a/b", "name='x: #y'"],
                                       ["name='null'", "windows=[]", "weights.gan=2"], ["name='7'", "rate=1e-9"]])
def test_a_saved_configuration_is_read_back(root, tmp_path, overrides):
    config = load(root, *overrides)
    saved = save_config(config, tmp_path / "run" / "config.yaml")
    assert load_config(Stage, stage="toy", preset=saved, root=root).layer == config.layer
    assert load(root, preset=saved) == config == build_config(Stage, config_dict(config))


def test_a_configuration_as_plain_values(root):
    values = config_dict(load(root, "colour=blue"))
    assert values["layer"] == {"width": 13, "kind": "conv"} and values["windows"] == [5, 11]
    assert values["colour"] == "blue" and values["folder"] == "runs"


def test_values_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"Stage: unknown key 'stepz'"):
        build_config(Stage, {"stepz": 3})


@pytest.mark.parametrize(("old", "new"), [
    ("loop.steps=3", "run.steps"), ("loop.save_every=7", "run.checkpoint_every"), ("rates.x=1", None), ("batch=8", "run.batch"),
    ("momentum=0.5", "run.beta1"), ("average=0.9", "run.ema_decay"), ("warmup_steps=9", "run.warm_up"), ("seed=3", "run.seed"),
    ("judged_from=3", "adversarial_from"), ("generator.sway=0.1", "generator.head_noise"),
    ("tremble=0.1", "landmark_jitter"), ("adversary.rate=0.1", "discriminator.lr"),
    ("adversary.hidden=7", "discriminator.hidden"), ("train.clips=3", "train.run.batch")])
def test_keys_of_version_0_1_are_refused_naming_the_new_one(root, old, new):
    with pytest.raises(ValueError) as refused:
        load(root, old)
    key = old.partition("=")[0]
    expected = f"override {old!r}: {key!r} is {new!r} since version 0.2" if new else f"override {old!r}: unknown key 'rates'"
    assert str(refused.value).startswith(expected) and "\n" not in str(refused.value)
