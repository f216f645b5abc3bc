"""Lips that close: how far the inner lips of a face may come together, and a face whose lips have come so.

Shapes: T frames, L = 68 landmarks, 3 pairs of inner lips. Openings are signed (`headsync.landmarks.lips`).
Source: none of the papers. What is taken off, and how lips and chin follow, was chosen on train people (docs/results/lips.md).
"""

import numpy as np

from headsync.landmarks.geometry import Similarity, frontal_fit
from headsync.landmarks.layouts import INNER_PAIRS
from headsync.landmarks.lips import lip_opening

TAKEN, TAKEN_OF_START = 0.005, 0.3  # of every opening, and for each unit of the opening that a motion starts with
SOFTNESS = 0.004                    # openings round which "less by so much" goes over into "closed"
BEGIN_FRAMES = 8                    # from the start, which is as it is, into that
UPPER, LOWER = 0.22, 0.78           # of a closing gap, who comes how far: slopes of real faces, like those below
_UPPER, _LOWER = (list(side) for side in zip(*INNER_PAIRS))
# what follows the middle of the lips: the outer line of the lower and upper one, and the chin
_FOLLOWS = {49: -0.11, 50: -0.12, 51: -0.135, 52: -0.12, 53: -0.11, 55: 0.56, 56: 0.667, 57: 0.705, 58: 0.667, 59: 0.56,
            4: 0.044, 5: 0.123, 6: 0.162, 7: 0.266, 8: 0.341, 9: 0.266, 10: 0.162, 11: 0.123, 12: 0.044}


def opening_after(opening: np.ndarray, taken: np.ndarray | float) -> np.ndarray:
    """What is left of openings (T,) when `taken` is taken off: rises with them, is never more than they are; 0 of crossed
    lips, and never below 0."""
    less = opening - taken
    return np.clip((less + np.hypot(less, SOFTNESS)) / 2, 0, np.maximum(opening, 0))  # (T,)


def closed_lips(points: np.ndarray, start: np.ndarray, closure: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 3) float32 whose lips are closed more: by `closure` (T,) times what `TAKEN` and the opening of
    `start` (68, 3) ask for; where it is 0 no bit changes.

    Inner lips come together along the way between them, in the face's plane, all pairs by the same share, so no two can
    cross; outer lips and chin follow as far as real ones do. Corners, and all the rest, stay. Every frame by itself.
    """
    points = np.asarray(points, np.float32)
    if not len(points):
        return points
    opening, begun = lip_opening(points).astype(np.float64), max(0.0, float(lip_opening(start[None])[0]))
    taken = np.asarray(closure) * (TAKEN + TAKEN_OF_START * begun)
    share = np.where(opening > 0, 1 - opening_after(opening, taken) / np.maximum(opening, 1e-9), 0)         # (T,)
    fit = frontal_fit(points)
    return _with_gaps_less(points, fit, share[:, None, None] * _gaps(points, fit))


def uncrossed_lips(points: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 3) float32 whose inner lips cross no more than those of `start` (68, 3); without crossing no bit
    changes. Pairs that cross come apart until they touch; outer lips and chin follow as in `closed_lips`.
    """
    points = np.asarray(points, np.float32)
    if not len(points):
        return points
    fit, first = frontal_fit(points), frontal_fit(start[None])
    gaps = _gaps(points, fit)
    least = np.minimum(0, _gaps(start[None], first)[..., 1] * first.scale[0]) / fit.scale[:, None]          # (T, 3)
    over = np.minimum(0, gaps[..., 1] - least) / np.minimum(gaps[..., 1], -1e-9)                            # (T, 3)
    return _with_gaps_less(points, fit, over[..., None] * gaps)


def _gaps(points: np.ndarray, fit: Similarity) -> np.ndarray:
    """Ways (T, 3, 2) from upper to lower inner lips in the face's plane, in the frames' own unit."""
    frames = np.asarray(points, np.float64)
    return ((frames[:, _LOWER] - frames[:, _UPPER]) @ np.swapaxes(fit.rotation, 1, 2))[..., :2]


def _with_gaps_less(points: np.ndarray, fit: Similarity, less: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 3) float32 with gaps smaller by `less` (T, 3, 2), and what follows them."""
    way = np.zeros((len(points), 68, 3))
    way[:, _UPPER, :2], way[:, _LOWER, :2] = UPPER * less, -LOWER * less
    for landmark, follows in _FOLLOWS.items():
        way[:, landmark, :2] = -follows * less[:, 1]
    return (points + way @ fit.rotation).astype(np.float32)  # (T, L, 3)
