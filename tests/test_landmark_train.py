"""Training of the generator: resumes to the bit, leaves out what it is told to, and learns to speak."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import landmark_stage.ms_sync.calibrate
import landmark_stage.ms_sync.train
import landmark_stage.ms_sync.validate
from headsync.commands.program import main
from headsync.experiment import Trainer, config_dict, load_checkpoint, load_config, save_weights
from landmark_stage import generate_landmarks, load_generator
from landmark_stage.ms_sync.calibrate import calibrate_head_noise
from landmark_stage.ms_sync.data import Track
from landmark_stage.ms_sync.train import GeneratorTask, TrainSettings
from landmark_stage.ms_sync.validate import Synchrony, Validator
from syncers import ChannelSettings, SyncerPyramid, SyncerSettings, load_syncers
from syncers.model import EncoderSettings
from tests.talking import made_up_people, made_up_sample, write_corpus


@pytest.fixture(scope="module")
def syncers(tmp_path_factory):
    """A small untrained pyramid in a weight file."""
    torch.manual_seed(1)
    encoder = EncoderSettings(width=7)
    form = SyncerSettings(channels=ChannelSettings(faces=("shape",)), motion=encoder, audio=encoder, embedding=7)
    path = tmp_path_factory.mktemp("syncers") / "loss.safetensors"
    config = {"family": "loss", "levels": [config_dict(form)] * 4}
    return save_weights(path, SyncerPyramid([form] * 4).state_dict(), config=config)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    people = {"train": made_up_people(5, 61), "val": made_up_people(3, 83, seed=7)}
    return write_corpus(tmp_path_factory.mktemp("corpus"), people)


def tiny(syncers, *overrides):
    return load_config(TrainSettings, stage="landmarks", preset="tiny",
                       overrides=[f"syncers={syncers}", f"validation_syncers={syncers}", *overrides])


def tracks(count, frames, seed):
    return [Track(f"clip{number}", *made_up_sample(frames, seed=seed + number)) for number in range(count)]


def same(one, other) -> bool:
    """Whether two states are equal to the bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def training(settings, syncers):
    pyramid = load_syncers(syncers)
    return Trainer(GeneratorTask(settings, tracks(5, 61, 0), pyramid, Validator(tracks(3, 83, 70), pyramid)))


def test_resumed_equals_straight(tmp_path, corpus, syncers):
    argv = ["--data", str(corpus.folder), "--config", "tiny", f"syncers={syncers}", f"validation_syncers={syncers}",
            "run.last_share=1.0"]       # the rate falls near the end, which lies elsewhere for a run that is to be short
    for steps in (2, 5, 6):
        assert main(["train", "landmarks", "--out", str(tmp_path / "halted"), *argv, f"run.steps={steps}"]) == 0
    assert main(["train", "landmarks", "--out", str(tmp_path / "whole"), *argv]) == 0
    one, other = (load_checkpoint(tmp_path / name)["trainee"] for name in ("halted", "whole"))
    assert same(one, other) and one["steps"] == 6
    lines = [json.loads(line) for line in (tmp_path / "whole/log.jsonl").read_text().splitlines()]
    validated = [line for line in lines if line["kind"] == "validate"]
    assert {"score1", "off4", "positions", "velocities", "windows", "distance"} <= set(validated[-1])
    assert len(generate_landmarks(np.zeros(6400, np.float32), generator=load_generator(
        tmp_path / "whole/generator.safetensors"))) == 10


@pytest.mark.parametrize("overrides", [
    ["generator.levels=1"], ["sync_levels=1", "generator.levels=1"], ["weights.frame=0"], ["weights.sequence=0"],
    ["weights.joint=0"],
    ["weights.frame=0", "weights.sequence=0", "weights.joint=0"], ["generator.dims=2", "weights.rigid=0"],
    ["weights.sync=0", "landmark_jitter=0.0"], ["generator.noise=0", "generator.head_noise=0"],
    ["generator.relative=false", "generator.head_spring=0", "generator.face_spring=0", "generator.directions=0",
     "generator.head_noise=0"]])
def test_every_part_can_be_left_out(syncers, overrides):
    settings = tiny(syncers, *overrides)
    told = training(settings, syncers).step()
    weights = {name for name, value in config_dict(settings.weights).items() if value}
    assert weights <= set(told) and all(np.isfinite(value) for value in told.values())
    left_out = set(config_dict(settings.weights)) - weights
    assert not left_out & set(told)


def test_wrong_settings_are_one_line(syncers):
    with pytest.raises(ValueError, match="weights of losses must be 0 or more and one above it"):
        replace(tiny(syncers).weights, sync=-1.0)


def test_syncers_and_validator_are_not_trained(syncers):
    one = training(tiny(syncers), syncers)
    before = [each.clone() for each in one.task.syncers.state_dict().values()]
    one.step()
    assert all(torch.equal(a, b) for a, b in zip(before, one.task.syncers.state_dict().values()))
    assert all(each.grad is None for each in one.task.syncers.parameters())


def test_discriminators_and_syncers_are_shown_what_belongs_together(syncers, monkeypatch):
    """The real beginning as the condition of both sides, and the sound of the very frames that the face speaks in."""
    calls = []
    monkeypatch.setattr(landmark_stage.ms_sync.train, "sync_loss", lambda *shown, **_: calls.append(shown) or torch.zeros(()))
    task = training(tiny(syncers, "landmark_jitter=0.01"), syncers).task
    batch = task.batch(0)
    drawn, talking = batch.drawn, batch.drawn.talking
    fake, real, (condition, plan) = task.losses(batch, {"sync", "sequence"}).discriminator_input
    assert torch.equal(condition, real[:, :3]) and plan is batch.plan and not torch.equal(fake[:, :3], condition)
    assert (real - task._standard(drawn.real[talking], drawn.real[talking])).std() == pytest.approx(0.01, rel=0.05)
    (_, motion, rows), = calls
    T = motion.shape[1]
    assert torch.equal(rows, drawn.rows[talking][:, 128 : 128 + 4 * T]) and T == task.settings.material.frames


def test_real_motion_scores_one_and_still_faces_zero(syncers, monkeypatch):
    """What selects weights: scores lie between a still face and the real one, and their misses add to the distance."""
    def surer_of_more_motion(_, samples):
        """Confidence above a level's own for a still face, by how far faces move."""
        moved = sum(float(sample.flat.std(0).mean()) for sample in samples) / len(samples)
        return Synchrony([0.0] * 4, [0.1 * level + 30 * moved for level in range(4)])

    monkeypatch.setattr(landmark_stage.ms_sync.validate, "synchrony", surer_of_more_motion)
    validator = Validator(tracks(3, 83, 70), load_syncers(syncers))
    assert len(validator.pieces) == 3
    model = training(tiny(syncers), syncers).average.module
    assert validator.figures(model, seed=1) == validator.figures(model, seed=1)
    real = torch.stack([piece.real.flat for piece in validator.pieces])
    for share in (1.0, 0.5, 0.0):
        shown = real.clone()
        shown[:] = share * real + (1 - share) * real[:, :1]
        monkeypatch.setattr(landmark_stage.ms_sync.validate, "generated", lambda *_, shown=shown, **__: shown)
        told = validator.figures(model, seed=1)
        scores = [told[f"score{level}"] for level in range(1, 5)]
        assert scores == pytest.approx([share] * 4, abs=1e-3)
        missing = sum(max(0.0, 1 - score) for score in scores)
        distances = sum(math.log(max(told[name], 1e-6)) for name in ("positions", "velocities", "windows"))
        assert told["distance"] == pytest.approx(distances + 2 * missing + told["lip_level"], rel=1e-5)
    with pytest.raises(ValueError, match="no val clip has the 80 frames"):
        Validator(tracks(2, 61, 1), load_syncers(syncers))


def test_it_learns_what_it_is_shown(syncers, precision, training_seed, learned):
    """Lips, head and all of one batch, overfitted in the time of a test; docs/results.md has what it learns of real people."""
    settings = tiny(syncers, "weights.lips=10.0", "weights.positions=4.0", "weights.spread=0", "weights.sync=0",
                    "weights.frame=0", "weights.sequence=0", "weights.joint=0", "landmark_jitter=0.0", "material.silence=0.0",
                    "generator.coordinate=32", "generator.hidden=16", "generator.noise=0", "generator.head_noise=0",
                    "run.lr=0.002", "run.beta1=0.9", "run.steps=1000",
                    f"run.seed={training_seed}", f"run.precision={precision}")
    one = training(settings, syncers)
    batch = one.task.batch(0)
    one.task.batch = lambda step: batch
    first = one.step()
    for _ in range(50):
        last = one.step()
    for name in ("lips", "positions"):
        learned(name, last[name] / first[name], below=0.7)


def test_head_noise_is_calibrated_to_real_heads(syncers):
    one = training(tiny(syncers, "generator.head_noise=0.3", "weights.spread=0"), syncers)
    generator, before = one.model.eval(), one.model.head_noise.clone()
    random = torch.Generator().manual_seed(1)
    factors = calibrate_head_noise(generator, one.task.tracks, material=one.task.settings.material, random=random)
    torch.testing.assert_close(generator.head_noise, before * factors)
    again = calibrate_head_noise(generator, one.task.tracks, material=one.task.settings.material,
                           random=torch.Generator().manual_seed(1))
    exact = (factors > 0) & (factors < 2)
    torch.testing.assert_close(again[exact], torch.ones_like(again[exact]))
    assert ((factors >= 0) & (factors <= 2)).all() and (again <= 2).all()


def test_head_noise_adds_the_variance_that_is_missing(syncers, monkeypatch):
    """k^2 = (real - own) / noise, in this order: 2.25 = (3.25 - 1) / 1, nothing where own motion is enough, 2 at most."""
    variances = iter(torch.tensor([[3.25, 1.0, 99.0], [1.0, 2.0, 1.0], [1.0, 1.0, 1.0]]).repeat(1, 3)[:, :7])
    one = training(tiny(syncers, "generator.head_noise=0.3"), syncers)
    monkeypatch.setattr(landmark_stage.ms_sync.calibrate, "head_variance", lambda heads: next(variances)[: heads.shape[-1]])
    factors = calibrate_head_noise(one.model.eval(), one.task.tracks, material=one.task.settings.material,
                                   random=torch.Generator().manual_seed(1))
    torch.testing.assert_close(factors, torch.tensor([1.5, 0.0, 2.0]).repeat(3)[: len(factors)])
