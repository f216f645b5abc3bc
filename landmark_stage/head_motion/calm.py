"""How much of what a trained head-motion learner expects is shown: less of its mean path, so that heads go far enough.

What is expected of the way from the last pose varies less than the way itself: a prediction that is nearer to the mean of what
comes is farther from its distribution. On folds of train people (docs/results.md) taking it off costs 2 % of the mean's
distance and brings the Fréchet distance down by a fifth; the other distances stay.
"""

import math

import torch

from landmark_stage.head_motion.network import HeadMotion

SOUND_SHARE = 0.5       # of the mean path that the sound moves
BIAS_SHARE = 0.0        # of its constant: where a person's head will be on the whole is not known
WAY_SHARE = 0.6         # of the time that the way from the last pose takes
TONES = 1.05            # times as large


@torch.no_grad()
def calm(model: HeadMotion) -> HeadMotion:
    """The model itself, changed so, once after its training; one without tones, whose mean path is all there is, as it was."""
    if not model.settings.tones:
        return model
    sound, bias, tones, _ = model.sizes
    layer = model.reference.code
    for numbers in (layer.weight, layer.bias, model.typical):
        numbers[:sound] *= SOUND_SHARE
        numbers[sound : sound + bias] *= BIAS_SHARE
    for numbers in (layer.bias, model.typical):
        numbers[sound + bias : sound + bias + tones] += math.log(TONES)
    model.way += math.log(WAY_SHARE)
    return model
