"""Flicker of the picture: second differences of pixels over time, beside those of the real clip.

Shapes: T frames, H W pixels. Frames are (H, W, 3) uint8 RGB, consecutive.
"""

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np

LEAST_FRAMES = 3


class Flicker(NamedTuple):
    """Mean absolute second differences of the luma, in grey levels of 255 per frame squared."""

    frames: int
    generated: float    # 0 for a still or evenly changing picture
    real: float         # the reference's own: people and cameras are not still either
    error: float        # of the difference of both: flicker that differs from the reference, in either direction

    @property
    def share(self) -> float:
        """Generated over real: 1 is as much as the real clip has. NaN when the real one is still."""
        return self.generated / self.real if self.real > 0 else float("nan")


class FlickerComparison:
    """The flicker of frame pairs that arrive one by one, consecutive; keeps three of each, so memory does not grow."""

    def __init__(self):
        self.frames = 0
        self._kept: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]] = []
        self._sums, self._pixels = np.zeros(3), 0

    def add(self, generated: np.ndarray, reference: np.ndarray, mask: np.ndarray | None = None) -> None:
        """Take in one pair of frames (H, W, 3) uint8, and where to look at them (H, W) bool; None: everywhere."""
        ours, theirs = _blurred_luma(generated), _blurred_luma(reference)
        if ours.shape != theirs.shape or (mask is not None and mask.shape != ours.shape):
            raise ValueError(f"frames and masks must be of one size, got {ours.shape}, {theirs.shape} and "
                             f"{None if mask is None else mask.shape}")
        self.frames += 1
        self._kept = [*self._kept[-2:], (ours, theirs, mask)]
        if len(self._kept) < LEAST_FRAMES:
            return
        before, now, after = self._kept
        second = [before[side] - 2 * now[side] + after[side] for side in range(2)]      # (H, W) each
        chosen = np.s_[:] if now[2] is None else now[2]
        parts = [np.abs(part[chosen]) for part in (*second, second[0] - second[1])]
        self._sums += [float(part.sum(dtype=np.float64)) for part in parts]
        self._pixels += parts[0].size

    def result(self) -> Flicker:
        """The means so far. ValueError under three frames, or when the masks show nothing."""
        if self.frames < LEAST_FRAMES or not self._pixels:
            raise ValueError(f"flicker needs at least {LEAST_FRAMES} frames with something to look at, got {self.frames}")
        return Flicker(self.frames, *(self._sums / self._pixels).tolist())


def flicker(generated: Iterable[np.ndarray], reference: Iterable[np.ndarray], *,
            masks: Iterable[np.ndarray] | None = None) -> Flicker:
    """The flicker of consecutive frames beside that of their reference, over all pixels or those of masks (H, W) bool.

    |x[t - 1] - 2 x[t] + x[t + 1]| of the luma after a 3x3 mean (single pixels are the codec's noise), averaged over
    pixels and frames; frame t's mask counts. A held picture has flicker 0 and, of a moving person, the error `real`: only
    who moves alike gets below it. ValueError for unequal lengths or sizes and under three frames.
    """
    comparison = FlickerComparison()
    for ours, theirs, mask in itertools.zip_longest(generated, reference, itertools.repeat(None) if masks is None else masks):
        if ours is None and theirs is None:
            break
        if ours is None or theirs is None:
            raise ValueError("one video ends before the other; give equal lengths")
        comparison.add(ours, theirs, mask)
    return comparison.result()


def _blurred_luma(frame: np.ndarray) -> np.ndarray:
    """The frame's luma (H, W) float32, blurred by 3x3."""
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise ValueError(f"frames must be (H, W, 3) uint8, got {frame.shape} {frame.dtype}")
    return cv2.blur(cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY).astype(np.float32), (3, 3))
