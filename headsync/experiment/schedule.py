"""The learning rate and the average of weights, step by step: one rule for every training."""

import math

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from headsync.experiment.settings import RunSettings

SETTLING = 10       # steps of which an average consists at first, so that it does not begin with the untrained weights


def lr_share(step: int, run: RunSettings) -> float:
    """What step number `step` has of the learning rate: a linear warm-up, the whole, then half a cosine to `last_share`."""
    fallen = min(max((step / run.steps - run.hold) / (1 - run.hold), 0.0), 1.0)
    cosine = run.last_share + (1 - run.last_share) * (1 + math.cos(math.pi * fallen)) / 2
    return cosine * min(1.0, (step + 1) / run.warm_up) if run.warm_up else cosine


def exponential_average(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of the model, frozen and in evaluation mode, that `update_parameters(model)` moves towards it after each step.

    After step n it keeps min(decay, n / (n + 10)) of itself: torch's own average, with a warm-up. Whole numbers (counters
    of batch norms) are copied.
    """

    @torch.no_grad()
    def follow(averages: list, current: list, step: torch.Tensor) -> None:
        if averages[0].is_floating_point():
            share = min(decay, int(step) / (int(step) + SETTLING))
            get_ema_multi_avg_fn(share)(averages, current, step)
        else:
            torch._foreach_copy_(averages, current)

    average = AveragedModel(model, multi_avg_fn=follow, use_buffers=True).requires_grad_(False).eval()
    average.update_parameters(model)        # step 0: the copy itself; the next update is the first to average
    return average
