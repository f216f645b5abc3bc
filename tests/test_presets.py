"""Every shipped preset builds, and the smallest and the published form take a step."""

from pathlib import Path

import pytest
import torch

from experiment import load_config
from syncers import CorrectionSettings, SyncerPyramid, TrainSettings
from syncers.train import LevelTraining
from tests.talking import made_up_people

CONFIGS = Path(__file__).parents[1] / "configs"
SCHEMAS = {"syncers": TrainSettings, "correction": CorrectionSettings}
PRESETS = [(folder.name, path.stem) for folder in sorted(CONFIGS.iterdir()) if folder.is_dir() and folder.name in SCHEMAS
           for path in sorted(folder.glob("*.yaml"))]


@pytest.mark.parametrize("stage, preset", PRESETS)
def test_presets_are_complete(stage, preset):
    load_config(SCHEMAS[stage], stage=stage, preset=preset)


def test_the_base_leaves_nothing_to_defaults():
    text = (CONFIGS / "syncers" / "base.yaml").read_text()
    assert all(f"{name}:" in text for name in TrainSettings.__dataclass_fields__)


@pytest.mark.parametrize("preset, most", [("small", 150_000), ("metric", 300_000), ("paper", 80_000_000)])
def test_every_size_builds_and_the_levels_are_separate(preset, most):
    settings = load_config(TrainSettings, stage="syncers", preset=preset)
    pyramid = SyncerPyramid([settings.syncer] * settings.levels)
    sizes = [sum(one.numel() for one in level.parameters()) for level in pyramid.levels]
    assert len(sizes) == 4 and sizes[0] < most


@pytest.mark.parametrize("preset", ["small", "metric", "paper"])
def test_every_form_takes_a_step(preset):
    settings = load_config(TrainSettings, stage="syncers", preset=preset, overrides=["clips=3", "windows=7"])
    people = made_up_people(3, 31)
    training = LevelTraining(settings, 1, people, people)
    told = training.step()
    assert torch.isfinite(torch.tensor(told["loss"])) and 0 <= training.validate()["accuracy"] <= 1
