"""Validation of predicted head motion: distances of its statistics to those of what people really did, and the baselines.

Shapes: B stretches, T frames, C = 6 numbers of a head, K bands, D features of a window. All motions are in units of train
people's deviations about the reference's mean.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from headsync.experiment import moved
from headsync.experiment.precision import in_float32
from headsync.metrics.motion_distance import frechet
from landmark_stage.head_motion.data import HeadBatch, HeadClip, join, stretch
from landmark_stage.head_motion.network import TAU, HeadMotion, Reference, last_pose, trajectories
from landmark_stage.head_motion.statistics import band_amplitudes, masked_deviation, masked_mean, velocity
from landmark_stage.head_motion.tones import ToneSource

WAVES = 8                   # slow cosines of a window that Fréchet distances compare: up to 1.5 Hz of 64 frames
SHRINKAGE = 0.1


class HeadDistances(NamedTuple):
    """Mean distances per number of the head, in train people's deviations; the last is a squared Fréchet distance."""

    mean: float
    deviation: float
    speed: float            # of the deviation of velocities, in units of a swing of 1 Hz
    spectrum: float         # of the bands' amplitudes, summed over bands
    frechet: float          # of 64-frame windows from the last pose on


def stretches_of(clips: Sequence[HeadClip], model: HeadMotion, *, frames: int = TAU, step: int = TAU) -> HeadBatch:
    """Every stretch of a 64-frame reference and `frames` frames after it, `step` frames apart. ValueError without any."""
    parts = [stretch(clip, begin, TAU, frames, model) for clip in clips
             for begin in range(0, len(clip.head) - TAU - frames + 1, step)]
    if not parts:
        raise ValueError(f"no clip has the {TAU + frames} frames of a reference and what follows; give longer clips")
    return join(parts)


@torch.no_grad()
@in_float32
def predicted(model: HeadMotion, batch: HeadBatch, *, seed: int | None) -> Tensor:
    """The model's motion (B, T, C) with the tones of a seed, or its mean prediction."""
    source, device = None, model.motion_scale.device
    if seed is not None and model.settings.tones:
        source = ToneSource(generator=torch.Generator().manual_seed(seed), batch=len(batch.real), device=device)
    return trajectories(model.eval(), *moved((batch.reference, batch.sound), device), source).whole.cpu()


def repeated_last(reference: Reference, frames: int) -> Tensor:
    """Baseline (B, T, C): the last pose, held."""
    return last_pose(reference)[:, None].expand(-1, frames, -1)


def mirrored_loop(reference: Reference, frames: int) -> Tensor:
    """Baseline (B, T, C): the reference backwards, forwards and so on."""
    n = reference.motion.shape[1]
    moment = torch.arange(frames) % (2 * n)
    return reference.motion[:, torch.where(moment < n, n - 1 - moment, moment - n)]


def person_mean(reference: Reference, frames: int) -> Tensor:
    """Baseline (B, T, C): the reference's mean pose."""
    return torch.zeros(len(reference.motion), frames, reference.motion.shape[2])


BASELINES: dict[str, Callable[[Reference, int], Tensor]] = {
    "repeat last": repeated_last, "mirrored reference loop": mirrored_loop, "person's mean": person_mean}


def statistic_gaps(made: Tensor, real: Tensor) -> Tensor:
    """Distances (B, 4) of mean, deviation, speed and spectrum of motions (B, T, C), averaged over the six numbers."""
    lengths = torch.full((len(made),), made.shape[1])
    gaps = [(one - other).abs().flatten(2 if one.ndim == 3 else 1) for one, other in
            zip(statistics(made, lengths), statistics(real, lengths))]
    mean, deviation, speed = (gap.mean(1) for gap in gaps[:3])
    return torch.stack([mean, deviation, speed, gaps[3].sum(1).mean(1)], 1)  # (B, 4)


def statistics(x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean, deviation, deviation of speed (B, C) and amplitudes of bands (B, K, C) of motions (B, T, C)."""
    swing = 25 / (2 * np.pi)
    return (masked_mean(x, lengths), masked_deviation(x, lengths), swing * masked_deviation(velocity(x), lengths - 1),
            band_amplitudes(x, lengths))


def window_features(motion: Tensor, last: Tensor) -> np.ndarray:
    """Windows of 64 frames (N, 8 C), half overlapping, of motions (B, T, C) as ways from the last pose (B, C): slow cosines."""
    way = motion - last[:, None]
    windows = way.unfold(1, TAU, TAU // 2).flatten(0, 1)                                        # (N, C, 64)
    time = torch.arange(TAU) + 0.5
    basis = torch.stack([(torch.pi * m * time / TAU).cos() * (1 if m == 0 else 2**0.5) / TAU for m in range(WAVES)])
    return (windows @ basis.T).flatten(1).double().numpy()


def head_distances(made: Sequence[Tensor], batch: HeadBatch) -> HeadDistances:
    """Distances of the draws `made`, each (B, T, C), to what really came after the batch's references."""
    gaps = torch.stack([statistic_gaps(one, batch.real) for one in made]).mean((0, 1))
    last = last_pose(batch.reference)
    real = window_features(batch.real, last)
    apart = np.mean([frechet(window_features(one, last), real, shrinkage=SHRINKAGE) for one in made])
    return HeadDistances(*gaps.tolist(), float(apart))


class HeadValidator:
    """Validation of head-motion models on val people's stretches of 64 and 64 frames."""

    def __init__(self, clips: Sequence[HeadClip], *, seeds: Sequence[int] = (1, 2, 3, 4)):
        self.clips, self.seeds = [one for one in clips if len(one.head) >= 2 * TAU], seeds
        if not self.clips:
            raise ValueError(f"no val clip has the {2 * TAU} frames that head motion is evaluated on; give longer clips")

    def figures(self, model: HeadMotion) -> dict[str, float]:
        """Distances, the mean prediction's squared error, and `distance`, the sum of the four gaps: lower is better."""
        batch = stretches_of(self.clips, model, step=TAU // 2)
        made = [predicted(model, batch, seed=seed) for seed in (*self.seeds, None)]
        batch = moved(batch, "cpu")
        found = head_distances(made[:-1], batch)
        error = (made[-1] - batch.real).square().mean()
        return found._asdict() | {"error": float(error), "distance": sum(found[:4])}
