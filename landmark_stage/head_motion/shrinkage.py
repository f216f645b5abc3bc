"""Shrinkage of a trained head-motion model's mean prediction, so that heads move far enough.

A mean prediction varies less than the motion itself (law of total variance): the nearer a prediction is to the conditional
mean, the farther it is from the distribution. On folds of train people (docs/lab/heads.md) shrinkage costs 2 % of the mean's
distance and lowers the Fréchet distance by a fifth; the other distances stay.
"""

import math

import torch

from landmark_stage.head_motion.network import HeadMotion

SOUND_SHARE = 0.5       # of the part of the mean prediction that follows the audio
BIAS_SHARE = 0.0        # of its constant part: the mean pose of the future is unknown
TIME_CONSTANT_SHARE = 0.6         # of the time constant of the return from the last pose
TONE_SHARE = 1.05            # factor on the tones' amplitudes


@torch.no_grad()
def shrink_mean_prediction(model: HeadMotion) -> HeadMotion:
    """The same model, changed in place, once after its training; without tones (only a mean prediction) it is unchanged."""
    if not model.settings.tones:
        return model
    sound, bias, tones, _ = model.sizes
    layer = model.reference.code
    for numbers in (layer.weight, layer.bias, model.typical):
        numbers[:sound] *= SOUND_SHARE
        numbers[sound : sound + bias] *= BIAS_SHARE
    for numbers in (layer.bias, model.typical):
        numbers[sound + bias : sound + bias + tones] += math.log(TONE_SHARE)
    model.way += math.log(TIME_CONSTANT_SHARE)
    return model
