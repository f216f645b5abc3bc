"""By how much two streams slip: mean embedding distance over lags, in SyncNet's way and over the overlap only.

Shapes: n windows, S lags, E embedding features. Window i begins at step i, which is frame i at level 1, 2i at level 2.
Source: joonson's SyncNet evaluation (AV-Off, AV-Conf), the measure of MS-Sync section 4.3.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_LAG_STEPS = 15         # 31 lags
LEAST_OVERLAP = 3           # windows that must remain under every lag of the `valid` mode
PEAK_STEPS = 2              # lags this near to the best one belong to its peak
DISTANCE_EPSILON = 1e-6     # of torch's pairwise distance, as SyncNet computes it


class LagProfile(NamedTuple):
    """Mean distance under every lag, and what is read from it."""

    distances: Tensor       # (S,) mean distance of motion[i] and audio[i + lag]
    lags: Tensor            # (S,) int64, ascending

    @property
    def offset(self) -> int:
        """Steps by which the sound is late (negative: early). SyncNet's AV-Off is this with the other sign."""
        return int(self.lags[self.distances.argmin()])

    @property
    def fine_offset(self) -> float:
        """`offset` below a step: the lowest point of the parabola through the smallest distance and its two neighbours.

        Within half a step of `offset`; the same where the smallest distance lies at the end of the lags.
        """
        best = int(self.distances.argmin())
        if not 0 < best < len(self.distances) - 1:
            return float(self.lags[best])
        before, lowest, after = self.distances[best - 1 : best + 2].tolist()
        bend = before - 2 * lowest + after
        return float(self.lags[best]) + ((before - after) / (2 * bend) if bend > 0 else 0.0)

    @property
    def margin(self) -> float:
        """How far the smallest distance stands out of those more than two steps away; 0 when there are none."""
        away = (self.lags - self.offset).abs() > PEAK_STEPS
        return float(self.distances[away].min() - self.distances.min()) if away.any() else 0.0

    @property
    def confidence(self) -> float:
        """AV-Conf: median distance (the lower middle of an even number) minus the smallest; 0 means no idea."""
        return float(self.distances.median() - self.distances.min())

    @property
    def distance(self) -> float:
        """The smallest mean distance, SyncNet's LSE-D."""
        return float(self.distances.min())


def syncnet_profile(motion: Tensor, audio: Tensor) -> LagProfile:
    """The profile of SyncNet's evaluation from embeddings (n, E): 31 lags, zeros beyond the ends, one window fewer.

    SyncNet leaves out the last window (n - 5 of n frames where n - 4 exist). ValueError for fewer than two windows.
    """
    _check(motion, audio, least=2)
    motion, audio = motion[:-1], audio[:-1]                                            # (n - 1, E)
    padded = F.pad(audio, (0, 0, MOST_LAG_STEPS, MOST_LAG_STEPS))                      # (n - 1 + 30, E)
    shifted = padded.unfold(0, len(motion), 1).transpose(1, 2)                         # (S, n - 1, E)
    distances = F.pairwise_distance(motion[None], shifted, eps=DISTANCE_EPSILON).mean(1)   # (S,)
    return LagProfile(distances, torch.arange(-MOST_LAG_STEPS, MOST_LAG_STEPS + 1))


def valid_profile(motion: Tensor, audio: Tensor) -> LagProfile:
    """The profile over windows that exist on both sides, from embeddings (n, E).

    Lags reach min(15, (n - 1) // 2) steps, fewer where under three windows would overlap. ValueError for fewer than
    three windows.
    """
    _check(motion, audio, least=LEAST_OVERLAP)
    n = len(motion)
    most = min(MOST_LAG_STEPS, (n - 1) // 2, n - LEAST_OVERLAP)
    lags = torch.arange(-most, most + 1)
    distances = [F.pairwise_distance(motion[max(-lag, 0) : n - max(lag, 0)], audio[max(lag, 0) : n - max(-lag, 0)],
                                     eps=DISTANCE_EPSILON).mean() for lag in lags.tolist()]
    return LagProfile(torch.stack(distances), lags)  # (S,)



def _check(motion: Tensor, audio: Tensor, *, least: int) -> None:
    if motion.shape != audio.shape or motion.ndim != 2:
        raise ValueError(f"embeddings must be (n, E) and alike, got {tuple(motion.shape)} and {tuple(audio.shape)}")
    if len(motion) < least:
        raise ValueError(f"{len(motion)} windows are too few to be shifted against each other; {least} are needed")
