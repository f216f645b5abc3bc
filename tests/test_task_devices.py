"""Tasks compute where their batch lies: on torch's device `meta`, where tensors have shapes and nothing else, a tensor that was
made on the CPU by mistake is an error, as it would be on a GPU."""

import numpy as np
import pytest
import torch

from headsync.experiment import Trainer, load_config, moved
from landmark_stage.expression.train import ExpressionTask, ExpressionTrainSettings
from landmark_stage.head_motion.train import HeadMotionTask, HeadTrainSettings
from landmark_stage.ms_sync.data import Track
from landmark_stage.ms_sync.train import GeneratorTask
from landmark_stage.ms_sync.train import TrainSettings as GeneratorSettings
from syncers import load_syncers
from syncers.train import LevelTask
from syncers.train import TrainSettings as SyncerSettings
from tests.talking import made_up_people, made_up_sample
from tests.test_expression import clips as expression_clips
from tests.test_head_motion import clips as head_clips


def settings(schema, stage, *overrides):
    return load_config(schema, stage=stage, preset="tiny", overrides=["run.device=cpu", *overrides])


def syncer_task(*overrides):
    people = made_up_people(5, 150)
    return LevelTask(settings(SyncerSettings, "syncers", "lag_weight=0.5", *overrides), 1, people, people[:2])


def generator_task():
    tracks = [Track(f"clip{number}", *made_up_sample(61, seed=number)) for number in range(5)]
    return GeneratorTask(settings(GeneratorSettings, "landmarks", "material.silence=0.0"), tracks, load_syncers("loss"), None)


TASKS = {
    "expression": lambda: ExpressionTask(settings(ExpressionTrainSettings, "expression"), expression_clips(5), []),
    "head motion": lambda: HeadMotionTask(settings(HeadTrainSettings, "head_motion"), head_clips(), None),
    "loss syncers": syncer_task, "metric syncers": lambda: syncer_task("family=metric", "syncer.normalised=false"),
    "landmarks": generator_task}


def on_meta(task):
    """The trainer of a task with all its modules on the device `meta`, and a batch there."""
    trainer, batch = Trainer(task), task.batch(0)
    if isinstance(task, GeneratorTask):     # all clips talk: a choice by truth values has no shape there
        batch = batch._replace(drawn=batch.drawn._replace(talking=torch.arange(len(batch.drawn.real))))
        task.syncers.to("meta")
    trainer.model.to("meta")
    if trainer.adversary:
        trainer.adversary.discriminator.to("meta")
    return trainer, moved(batch, "meta")


@pytest.mark.parametrize("name", TASKS)
def test_losses_are_computed_on_the_batch_s_device(name):
    trainer, batch = on_meta(TASKS[name]())
    found = trainer.task.losses(batch, trainer.task.weights(0))
    assert found.losses and {loss.device.type for loss in found.losses.values()} == {"meta"}
    if found.discriminator_input is not None:
        fake, real, condition = found.discriminator_input
        scores = trainer.adversary.loss(fake, real, *condition)
        assert {loss.device.type for loss in scores.values()} == {"meta"}


def test_a_tensor_of_the_cpu_is_found():
    trainer, batch = on_meta(TASKS["head motion"]())
    trainer.model.motion_scale = trainer.model.motion_scale.to("meta")
    trainer.model.alike = torch.from_numpy(np.ones(trainer.model.alike.shape, np.float32))
    with pytest.raises(RuntimeError, match="device"):
        trainer.task.losses(batch, trainer.task.weights(0))
