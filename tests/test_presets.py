"""Every shipped preset builds, and the smallest and the published form take a step."""

import dataclasses
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import torch
import yaml

from headsync.experiment import Trainer, build_config, config_dict, load_config
from headsync.experiment.config import plain
from landmark_stage.articulation.train import ArticulationTrainSettings
from landmark_stage.expression.train import ExpressionTrainSettings
from landmark_stage.head_motion.train import HeadTrainSettings
from landmark_stage.ms_sync.data import Track
from landmark_stage.ms_sync.train import GeneratorTask
from landmark_stage.ms_sync.train import TrainSettings as GeneratorTrainSettings
from render_stage.close_up.train import CloseUpTrainSettings
from render_stage.g4g.train import G4GTrainSettings
from render_stage.identity.training import EncoderTrainSettings
from render_stage.pc_avs.train import PcAvsTrainSettings
from render_stage.rhythmic_head.train import RendererSettings
from syncers import SyncerPyramid, load_syncers
from syncers.correction import CorrectionSettings
from syncers.train import LevelTask, TrainSettings
from tests.talking import made_up_people, made_up_sample

CONFIGS = Path(__file__).parents[1] / "configs"
SCHEMAS = {"articulation": ArticulationTrainSettings, "syncers": TrainSettings, "correction": CorrectionSettings,
           "landmarks": GeneratorTrainSettings,
           "expression": ExpressionTrainSettings, "head_motion": HeadTrainSettings, "renderer": RendererSettings,
           "close_up": CloseUpTrainSettings, "pc_avs": PcAvsTrainSettings, "g4g": G4GTrainSettings,
           "encoder": EncoderTrainSettings}
PRESETS = [(folder.name, path.stem) for folder in sorted(CONFIGS.iterdir()) if (folder / "base.yaml").is_file()
           for path in sorted(folder.glob("*.yaml"))]


def base_of(stage):
    return yaml.safe_load((CONFIGS / stage / "base.yaml").read_text(encoding="utf-8"))


def other_defaults(schema, tree, key=""):
    """Keys whose dataclass default differs from the base's value, or that the base does not have."""
    hints, wrong = get_type_hints(schema), []
    for field in dataclasses.fields(schema):
        name = f"{key}.{field.name}".lstrip(".")
        if field.name not in tree:
            wrong.append(name)
        elif dataclasses.is_dataclass(hints[field.name]):
            wrong += other_defaults(hints[field.name], tree[field.name], name)
        elif field.default is not dataclasses.MISSING and plain(field.default) != tree[field.name]:
            wrong.append(name)
        elif field.default_factory is not dataclasses.MISSING and plain(field.default_factory()) != tree[field.name]:
            wrong.append(name)
    return wrong


def nested(schema):
    """The dataclass and all those in it."""
    inside = [hint for hint in get_type_hints(schema).values() if dataclasses.is_dataclass(hint)]
    return {schema}.union(*map(nested, inside))


def test_every_stage_is_looked_at():
    assert {stage for stage, _ in PRESETS} == set(SCHEMAS)


@pytest.mark.parametrize("stage, preset", PRESETS)
def test_presets_build_and_say_only_what_differs(stage, preset):
    settings = load_config(SCHEMAS[stage], stage=stage, preset=preset)
    assert build_config(SCHEMAS[stage], config_dict(settings)) == settings


@pytest.mark.parametrize("stage", SCHEMAS)
def test_the_base_is_complete_and_there_is_one_default(stage):
    assert config_dict(load_config(SCHEMAS[stage], stage=stage)) == base_of(stage)
    assert other_defaults(SCHEMAS[stage], base_of(stage)) == []


@pytest.mark.parametrize("stage", [*SCHEMAS, "toy"])
def test_no_schema_holds_what_omegaconf_does_not_look_into(stage):
    @dataclasses.dataclass
    class Toy:
        layers: tuple[ExpressionTrainSettings, ...] = ()
        kernels: tuple[tuple[int, int], ...] = ()
        edges: tuple[float, ...] = ()

    found = [name for schema in nested(SCHEMAS.get(stage, Toy)) for name, hint in get_type_hints(schema).items()
             for inner in (get_args(hint) if get_origin(hint) in (tuple, list, dict) else ())
             if dataclasses.is_dataclass(inner) or get_origin(inner) not in (None, Literal)]
    assert found == (["layers", "kernels"] if stage == "toy" else [])


def test_other_defaults_are_found():
    tree = base_of("expression")
    tree["run"]["seed"], tree["model"]["hidden"] = 7, 3
    del tree["material"]["flip"]
    assert sorted(other_defaults(ExpressionTrainSettings, tree)) == ["material.flip", "model.hidden", "run.seed"]


@pytest.mark.parametrize("schema", sorted(set().union(*map(nested, SCHEMAS.values())), key=lambda one: one.__qualname__))
def test_no_settings_raise_on_their_own_defaults(schema):
    required = [field for field in dataclasses.fields(schema)
                if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING]
    if required:
        with pytest.raises(TypeError, match="missing"):
            schema()
    else:
        assert dataclasses.is_dataclass(schema())


@pytest.mark.parametrize("preset, most", [("small", 150_000), ("metric", 300_000), ("paper", 80_000_000)])
def test_every_size_builds_and_the_levels_are_separate(preset, most):
    settings = load_config(TrainSettings, stage="syncers", preset=preset)
    pyramid = SyncerPyramid([settings.syncer] * settings.levels)
    sizes = [sum(one.numel() for one in level.parameters()) for level in pyramid.levels]
    assert len(sizes) == 4 and sizes[0] < most


@pytest.mark.parametrize("preset", ["small", "metric", "paper"])
def test_every_form_takes_a_step(preset):
    settings = load_config(TrainSettings, stage="syncers", preset=preset, overrides=["run.batch=3", "windows=7"])
    people = made_up_people(3, 31)
    training = Trainer(LevelTask(settings, 1, people, people))
    told = training.step()
    assert torch.isfinite(torch.tensor(told["total"])) and 0 <= training.validate()["accuracy"] <= 1


@pytest.mark.parametrize("preset, least, most", [("small", 1.5e6, 2.5e6), ("base", 4e6, 20e6), ("paper", 60e6, 90e6)])
def test_every_generator_takes_a_step(preset, least, most):
    overrides = ["run.batch=2", "material.frames=12", "sync_levels=1", "material.silence=0.0"]
    settings = load_config(GeneratorTrainSettings, stage="landmarks", preset=preset, overrides=overrides)
    tracks = [Track(f"clip{seed}", *made_up_sample(31, seed=seed)) for seed in range(3)]
    training = Trainer(GeneratorTask(settings, tracks, load_syncers("loss"), validator=None))
    assert least < sum(one.numel() for one in training.model.parameters()) < most
    told = training.step()
    assert all(torch.tensor(value).isfinite() for value in told.values()) and told["gradient_norm"] > 0
