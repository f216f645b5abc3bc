"""Every shipped preset builds, and the smallest and the published form take a step."""

from pathlib import Path

import pytest
import torch

from headsync.experiment import Trainer, load_config
from landmark_stage import GeneratorTask
from landmark_stage import TrainSettings as GeneratorTrainSettings
from landmark_stage.ms_sync.data import Track
from render_stage.identity.training import EncoderTrainSettings
from render_stage.rhythmic_head.train import RendererSettings
from syncers import CorrectionSettings, SyncerPyramid, TrainSettings, load_syncers
from syncers.train import LevelTask
from tests.talking import made_up_people, made_up_talk

CONFIGS = Path(__file__).parents[1] / "configs"
SCHEMAS = {"syncers": TrainSettings, "correction": CorrectionSettings, "landmarks": GeneratorTrainSettings,
           "renderer": RendererSettings, "encoder": EncoderTrainSettings}
PRESETS = [(folder.name, path.stem) for folder in sorted(CONFIGS.iterdir()) if folder.is_dir() and folder.name in SCHEMAS
           for path in sorted(folder.glob("*.yaml"))]


@pytest.mark.parametrize("stage, preset", PRESETS)
def test_presets_are_complete(stage, preset):
    load_config(SCHEMAS[stage], stage=stage, preset=preset)


@pytest.mark.parametrize("stage", ["syncers", "landmarks", "renderer", "encoder"])
def test_the_base_leaves_nothing_to_defaults(stage):
    text = (CONFIGS / stage / "base.yaml").read_text()
    assert all(f"{name}:" in text for name in SCHEMAS[stage].__dataclass_fields__)


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
    tracks = [Track(f"clip{seed}", *made_up_talk(31, seed=seed)) for seed in range(3)]
    training = Trainer(GeneratorTask(settings, tracks, load_syncers("loss"), judge=None))
    assert least < sum(one.numel() for one in training.model.parameters()) < most
    told = training.step()
    assert all(torch.tensor(value).isfinite() for value in told.values()) and told["gradient_norm"] > 0
