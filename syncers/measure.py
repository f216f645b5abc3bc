"""How well sound and motion go together in clips: offsets and confidences per level, with the anchors that give them sense.

Shapes: B clips, T frames, n windows, E embedding features. Source: MS-Sync section 4.3; method/measures.md#synchrony,
method/decisions.md#metric-syncers, #lag-range-and-borders.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from headsync.experiment.precision import in_float32
from syncers.model import SyncerPyramid
from syncers.offset import LagProfile, syncnet_profile, valid_profile

Mode = Literal["syncnet", "valid"]
PROFILES = {"syncnet": syncnet_profile, "valid": valid_profile}
LEAST_WINDOWS = 3
BOOTSTRAP_DRAWS = 1000


class SyncSample(NamedTuple):
    """One sample of the syncers: landmarks and audio features of a clip."""

    flat: Tensor        # (T, D * L) landmarks, shares of the canvas
    rows: Tensor        # (kT, F) feature rows of the syncers' kind: (4T, 26) log filterbank rows, (2T, 256) of hama

    def cut(self, start: int, stop: int) -> "SyncSample":
        """Frames `start` to `stop`, with their sound."""
        k = self.rows_per_frame
        return SyncSample(self.flat[start:stop], self.rows[k * start : k * stop])

    @property
    def rows_per_frame(self) -> int:
        """Rows of sound for each frame."""
        return len(self.rows) // len(self.flat)


class Summary(NamedTuple):
    """A figure over clips."""

    count: int
    mean: float
    deviation: float
    low: float          # 95 % bootstrap interval of the mean
    high: float


@torch.no_grad()
@in_float32
def level_embeddings(pyramid: SyncerPyramid, sample: SyncSample) -> list[tuple[Tensor, Tensor]]:
    """A clip's embeddings (n, E) of motion and sound at every level that has at least three windows, on the CPU."""
    device = next(pyramid.parameters()).device
    levels = pyramid.eval().embeddings(sample.flat[None].to(device), sample.rows[None].to(device))
    return [(level.motion[0].cpu(), level.audio[0].cpu()) for level in levels if level.motion.shape[1] >= LEAST_WINDOWS]


def level_profiles(pyramid: SyncerPyramid, sample: SyncSample, *, mode: Mode = "valid") -> list[LagProfile]:
    """A clip's lag profile at every level that has at least three windows."""
    return [PROFILES[mode](*pair) for pair in level_embeddings(pyramid, sample)]


def static(sample: SyncSample) -> SyncSample:
    """The clip with its first face standing still: an anchor."""
    return sample._replace(flat=sample.flat[:1].expand_as(sample.flat))


def mismatched(sample: SyncSample, other: SyncSample) -> SyncSample:
    """The clip with the sound of another, both cut to the shorter: an anchor."""
    frames = min(len(sample.flat), len(other.flat))
    return SyncSample(sample.flat[:frames], other.rows[: other.rows_per_frame * frames])


def shifted(sample: SyncSample, frames: int) -> SyncSample:
    """The clip with its sound made later by `frames` (earlier when negative); what has no partner is cut: an anchor."""
    T, k = len(sample.flat) - abs(frames), sample.rows_per_frame
    late = max(frames, 0)
    early = max(-frames, 0)
    return SyncSample(sample.flat[late : late + T], sample.rows[k * early : k * (early + T)])


def aligned(sample: SyncSample, late_frames: int) -> SyncSample:
    """The clip with sound that is late by `late_frames` put right."""
    return shifted(sample, -late_frames)


def summarise(values: Sequence[float], *, seed: int = 7) -> Summary:
    """Mean, standard deviation (N - 1) and a 95 % bootstrap interval of the mean. ValueError without values."""
    values = np.asarray(values, np.float64)
    if not len(values):
        raise ValueError("nothing to summarise: no clip was long enough")
    draws = np.random.default_rng(seed).integers(0, len(values), (BOOTSTRAP_DRAWS, len(values)))
    low, high = np.percentile(values[draws].mean(1), (2.5, 97.5))
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return Summary(len(values), float(values.mean()), deviation, float(low), float(high))


def separation(genuine: Sequence[float], other: Sequence[float]) -> float:
    """Area under the ROC curve: how often a genuine value is the larger one; ties count half. NaN without values."""
    genuine, other = np.asarray(genuine, np.float64), np.asarray(other, np.float64)
    if not len(genuine) or not len(other):
        return float("nan")
    larger = (genuine[:, None] > other[None]).mean() + 0.5 * (genuine[:, None] == other[None]).mean()
    return float(larger)
