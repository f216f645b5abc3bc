"""Eyelids: when people blink, how far a face's eyes are closed, and how to close them.

Shapes: T frames, t frames of a block, L = 68 landmarks. Closures are 0 (as open as usual) to 1 (lids meet).
Source: the profile is that of Rhythmic Head's public code (method/rhythmic_head.md#expression), which blinks every 40
frames; people blink at random.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch

from headsync.media import FPS

NATURAL_PER_MINUTE = 17.0
LARGEST_PER_MINUTE = 60.0
REST_FRAMES = 12                                # at least between two blinks, and before the first
PROFILE = (0.45, 0.85, 0.95, 0.8, 0.45)         # of a blink, frame by frame
LID_PAIRS = ((37, 41), (38, 40), (43, 47), (44, 46))    # upper, lower
UPPER_SHARE = 0.85                              # of the way is the upper lid's
USUAL = 80                                      # percentile of a clip's openings that counts as open
LEAST, MOST = 0.2, 0.75                         # of the way from open to nothing: what counts as 0 and as 1
_BLINKS = 16                                    # drawn at a time


def natural_blinks(generator: torch.Generator, *, per_minute: float = NATURAL_PER_MINUTE) -> Iterator[np.ndarray]:
    """Blocks (t,) of closures without end: blinks at random moments, `per_minute` of them on average.

    Waits are half a second and an exponential rest, so blinks neither run together nor keep time. The same generator
    state gives the same blinks. ValueError, one line, for a rate outside 0 to 60.
    """
    if not (math.isfinite(per_minute) and 0 <= per_minute <= LARGEST_PER_MINUTE):
        raise ValueError(f"--blink takes 0 to {LARGEST_PER_MINUTE:g} blinks a minute, got {per_minute:g}")
    return _blinks(generator, per_minute)


def _blinks(generator: torch.Generator, per_minute: float) -> Iterator[np.ndarray]:
    while not per_minute:
        yield np.zeros(FPS)
    rest = max(60 * FPS / per_minute - REST_FRAMES - len(PROFILE), 1)
    while True:
        drawn = torch.empty(_BLINKS, dtype=torch.float64).exponential_(1 / rest, generator=generator)
        for wait in drawn.tolist():
            yield np.concatenate([np.zeros(REST_FRAMES + round(wait)), PROFILE])


def lid_closures(points: np.ndarray) -> np.ndarray:
    """How far the eyes (T,) of landmarks (T, 68, 3) are closed, 0 to 1, against the clip's own open eyes."""
    points = np.asarray(points, np.float64)
    upper, lower = (points[:, list(side)] for side in zip(*LID_PAIRS))                      # (T, 4, 3)
    width = np.linalg.norm(points[:, [36, 42]] - points[:, [39, 45]], axis=-1).mean(1)      # (T,)
    opening = np.linalg.norm(upper - lower, axis=-1).mean(1) / np.maximum(width, 1e-6)
    usual = max(float(np.percentile(opening, USUAL)), 1e-6)
    return np.clip((1 - opening / usual - LEAST) / (MOST - LEAST), 0, 1)  # (T,)


def blinked(points: np.ndarray, closures: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 3) float32 whose lids have gone `closures` (T,) of the way to each other; 0 changes no bit."""
    closed = np.array(points, np.float32)
    part = np.asarray(closures, np.float32)[:, None, None]                                  # (T, 1, 1)
    upper, lower = (list(side) for side in zip(*LID_PAIRS))
    gap = closed[:, lower] - closed[:, upper]                                               # (T, 4, 3)
    closed[:, upper] += UPPER_SHARE * part * gap
    closed[:, lower] -= (1 - UPPER_SHARE) * part * gap
    return closed  # (T, L, 3)
