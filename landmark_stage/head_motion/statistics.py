"""Statistics of head motion: how far, how fast and in which rhythm a head moves; differentiable, with padding left out.

Shapes: B people, T frames, C = 6 numbers of a head, K bands. Lengths (B,) say how many of the T frames there are.
"""

import math

import torch
from torch import Tensor

from headsync.experiment.precision import in_float32
from headsync.media import FPS

BAND_EDGES_HZ = (0.0, 0.3, 0.6, 1.0, 1.6, 2.5, 4.5)     # cosines of 64 frames lie 0.2 Hz apart; the smoothing ends at 4 Hz
BANDS = len(BAND_EDGES_HZ) - 1
LEAST_FRAMES = 48           # for every band to hold a cosine
FLOOR = 0.02                # amplitudes, in people's deviations, under which nothing can be told from standing still


def known(frames: int, lengths: Tensor) -> Tensor:
    """Which of the frames (B, T) are there, as 0 and 1."""
    return (torch.arange(frames, device=lengths.device) < lengths[:, None]).float()  # (B, T)


def masked_mean(x: Tensor, lengths: Tensor) -> Tensor:
    """The mean (B, C) over the frames of x (B, T, C) that are there."""
    mask = known(x.shape[1], lengths)[..., None]                                        # (B, T, 1)
    return (x * mask).sum(1) / lengths[:, None]


def masked_deviation(x: Tensor, lengths: Tensor) -> Tensor:
    """The standard deviation (B, C) over the frames of x (B, T, C) that are there."""
    apart = (x - masked_mean(x, lengths)[:, None]).square()
    return (masked_mean(apart, lengths) + 1e-10).sqrt()


def velocity(x: Tensor) -> Tensor:
    """Steps from frame to frame (B, T - 1, C); those into padding mean nothing."""
    return x[:, 1:] - x[:, :-1]


@in_float32
def discriminator_statistics(x: Tensor, lengths: Tensor) -> Tensor:
    """The 24 numbers (B, 24) that the discriminator sees: mean and deviation of motion and of its velocity.

    Logarithms of deviations and velocities in units of a typical one, so that all are of one size.
    """
    speed = velocity(x) * (FPS / (2 * math.pi))         # of a swing of 1 Hz as large as the motion itself
    parts = [masked_mean(x, lengths), masked_deviation(x, lengths).clamp(min=FLOOR).log(),
             masked_mean(speed, lengths - 1), masked_deviation(speed, lengths - 1).clamp(min=FLOOR).log()]
    return torch.cat(parts, 1)  # (B, 24)


def band_amplitudes(x: Tensor, lengths: Tensor) -> Tensor:
    """The deviation (B, K, C) that each band of frequencies makes in x (B, T, C), by cosines of each clip's own length."""
    return (band_covariances(x, lengths).diagonal(dim1=-2, dim2=-1) + 1e-10).sqrt()  # (B, K, C)


@in_float32
def band_covariances(x: Tensor, lengths: Tensor) -> Tensor:
    """The covariances (B, K, C, C) of the six numbers within each band of frequencies."""
    waves, band = _cosines(x - masked_mean(x, lengths)[:, None], lengths)               # (B, M, C), (B, M, K)
    return torch.einsum("bmk,bmc,bmd->bkcd", band, waves, waves)


def _cosines(x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients (B, M, C) of the cosines of each clip, whose squares add up to its variance, and whose band they are in."""
    T = x.shape[1]
    time, count = torch.arange(T, device=x.device) + 0.5, torch.arange(1, T, device=x.device)
    phase = math.pi * count[None, :, None] * time[None, None] / lengths[:, None, None]  # (B, M, T)
    waves = (phase.cos() * known(T, lengths)[:, None]) @ x * math.sqrt(2) / lengths[:, None, None]
    hertz = count[None] * FPS / 2 / lengths[:, None]                                    # (B, M)
    edges = torch.tensor(BAND_EDGES_HZ, device=x.device)
    band = (hertz[..., None] >= edges[:-1]) & (hertz[..., None] < edges[1:]) & (count[None, :, None] < lengths[:, None, None])
    return waves, band.float()


@in_float32
def motion_hints(x: Tensor, lengths: Tensor) -> Tensor:
    """What a reference's encoder is told of it (B, 6 C + K C): deviations, the last pose and step, extremes, bands in logs."""
    last = x.gather(1, (lengths - 1).long()[:, None, None].expand(-1, 1, x.shape[2]))[:, 0]     # (B, C)
    third = x.gather(1, (lengths - 4).long()[:, None, None].expand(-1, 1, x.shape[2]))[:, 0]
    bands = band_amplitudes(x, lengths).clamp(min=FLOOR).log().flatten(1)
    extreme = torch.where(known(x.shape[1], lengths)[..., None] > 0, x, torch.zeros_like(x))
    reach = torch.stack([extreme.amax(1), extreme.amin(1)], 1).flatten(1)                       # (B, 2 C)
    deviation = masked_deviation(x, lengths).clamp(min=FLOOR).log()
    speed = masked_deviation(velocity(x), lengths - 1).clamp(min=FLOOR / 10).log()
    return torch.cat([deviation, speed, last, last - third, reach, bands], 1)


def hint_count(numbers: int) -> int:
    """How many hints there are for heads of so many numbers."""
    return (6 + BANDS) * numbers
