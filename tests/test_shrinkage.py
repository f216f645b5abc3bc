"""Shrinkage of the mean prediction: smaller mean, slightly larger tones, once; without tones nothing changes."""

import torch

from landmark_stage.head_motion.network import BANDS, NUMBERS, HeadMotion, HeadMotionSettings, Reference, trajectories
from landmark_stage.head_motion.shrinkage import (
    BIAS_SHARE,
    SOUND_SHARE,
    TIME_CONSTANT_SHARE,
    TONE_SHARE,
    shrink_mean_prediction,
)


def learner(*, tones):
    torch.manual_seed(3)
    settings = HeadMotionSettings(rows_per_frame=1, planes=(2, 2), pooled=7, sound_hidden=5, features=5, motion_hidden=5,
                                  reference=7, tones=tones, hints=tones)
    model = HeadMotion(settings).eval()
    torch.nn.init.normal_(model.reference.code.weight, std=0.1)
    torch.nn.init.normal_(model.reference.code.bias)
    return model


def reference():
    return Reference(torch.randn(2, 64, NUMBERS).cumsum(1) / 8, torch.randn(2, 64, 104), torch.tensor([64, 64]))


@torch.no_grad()
def test_the_mean_prediction_shrinks_and_the_tones_grow():
    model, person = learner(tones=True), reference()
    before = model.write(model.encode(person))
    first, way = model.write(model.typical[None]), model.way.exp()
    after = shrink_mean_prediction(model).write(model.encode(person))
    torch.testing.assert_close(after.weights, SOUND_SHARE * before.weights)
    torch.testing.assert_close(after.bias, BIAS_SHARE * before.bias)
    torch.testing.assert_close(after.tones, TONE_SHARE * before.tones)
    torch.testing.assert_close(model.way.exp(), TIME_CONSTANT_SHARE * way)
    torch.testing.assert_close(model.write(model.typical[None]).tones, TONE_SHARE * first.tones)
    assert before.tones.shape[1] == BANDS


@torch.no_grad()
def test_heads_leave_the_last_pose_sooner():
    model, person = learner(tones=True), reference()
    person.motion[:, -1] += 5
    before = trajectories(model, person, torch.zeros(2, 97, 104), None).mean
    after = trajectories(shrink_mean_prediction(model), person, torch.zeros(2, 97, 104), None).mean
    torch.testing.assert_close(after[:, 0], before[:, 0])
    assert (after[:, 20].abs() < before[:, 20].abs()).float().mean() > 0.8


@torch.no_grad()
def test_a_learner_without_tones_stays_as_it_was():
    model, person = learner(tones=False), reference()
    before = trajectories(model, person, torch.zeros(2, 31, 104), None).mean
    assert torch.equal(trajectories(shrink_mean_prediction(model), person, torch.zeros(2, 31, 104), None).mean, before)
