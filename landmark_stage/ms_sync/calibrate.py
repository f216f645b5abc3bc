"""Calibration of noise-driven head motion: heads of a trained generator then move as much as real ones do.

Shapes: B stretches, T frames, D = 2 or 3 coordinates of L = 68 landmarks, M = 4 or 7 motions of a head. The networks do
not see it, so its size can be chosen after training: the variance is what they produce themselves plus what it adds.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from headsync.experiment.precision import in_float32
from landmark_stage.ms_sync.data import MaterialSettings, Track, draw_stretches
from landmark_stage.ms_sync.generator import OBSERVED, Generator
from landmark_stage.ms_sync.noise import draw_noise

STRETCHES, FRAMES = 96, 80
LARGEST_FACTOR = 2.0


@torch.no_grad()
@in_float32
def calibrate_head_noise(generator: Generator, tracks: Sequence[Track], *, material: MaterialSettings,
                   random: torch.Generator) -> Tensor:
    """The factors (M,), 2 at most, by which head noise was scaled, in place: k^2 = (real - own) / (variance by noise).

    Variances about each stretch's own mean, over 96 stretches of 80 frames (or of the longest clip) of the tracks. Where the
    networks' own motion is already as large as real heads', noise adds nothing (factor 0).
    """
    frames = min(FRAMES, max(len(one.flat) for one in tracks) - OBSERVED)
    asked = replace(material, frames=frames, silence=0.0, still_start=1.0)
    batch = draw_stretches(tracks, STRETCHES, dims=generator.settings.dims, settings=asked, generator=random)
    noise = draw_noise(STRETCHES, frames + OBSERVED - 2, generator.settings.noise, generator=random)
    frame = generator.frame(batch.observed[:, -1])

    def heads(motion: Tensor) -> Tensor:
        return ((motion - frame.start[:, None]) / frame.size[:, None]) @ frame.head             # (B, T, M)

    head_noise_after = heads(generator.rollout(batch.observed, batch.rows, noise))
    head_noise = generator.head_noise.clone()
    generator.head_noise.zero_()
    own = heads(generator.rollout(batch.observed, batch.rows, noise))
    real = heads(batch.real[:, OBSERVED - 1 :])
    missing = (head_variance(real) - head_variance(own)).clamp(min=0)
    factors = (missing / head_variance(head_noise_after - own).clamp(min=1e-9)).sqrt().clamp(max=LARGEST_FACTOR)
    generator.head_noise.copy_(head_noise * factors)
    return factors  # (M,)


def head_variance(heads: Tensor) -> Tensor:
    """The variance (M,) of head motions (B, T, M) about each stretch's own mean."""
    return (heads - heads.mean(1, keepdim=True)).square().mean((0, 1))  # (M,)
