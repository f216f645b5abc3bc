"""Lips that close: how far the inner lips of a face may come together, and a face whose lips have come so.

Shapes: T frames, L = 68 landmarks, 3 pairs of inner lips. Openings are signed (`headsync.landmarks.lips`).
Source: none of the papers. Generated lips keep much of the opening that they start with, so that they close in 2 % of frames
where people's close in 18 % (train people, docs/results/lips.md); what is taken off was chosen there.
"""

import numpy as np

from headsync.landmarks.geometry import frontal_fit
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
    """What is left of openings (T,) when `taken` is taken off: rises with them, is never more than they are; of lips apart
    never below 0, of crossed ones 0."""
    less = opening - taken
    return np.clip((less + np.hypot(less, SOFTNESS)) / 2, 0, np.maximum(opening, 0))  # (T,)


def closed_lips(points: np.ndarray, start: np.ndarray, closure: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 3) float32 whose lips are closed more: by `closure` (T,) times what `TAKEN` and the opening of
    `start` (68, 3) ask for; where it is 0 no bit changes.

    Inner lips come together along the way between them, in the face's plane, all pairs by the same share, so no two can
    cross; pairs that are crossed come apart until they touch, by `closure` of the way. Outer lips and chin follow as far as
    real ones do. Corners, and all the rest, stay. Every frame by itself.
    """
    points, closure = np.asarray(points, np.float32), np.asarray(closure)
    if not len(points):
        return points
    rotation = frontal_fit(points).rotation                                             # (T, 3, 3)
    frames = points.astype(np.float64)
    gaps = ((frames[:, _LOWER] - frames[:, _UPPER]) @ np.swapaxes(rotation, 1, 2))[..., :2]     # (T, 3, 2)
    opening, begun = lip_opening(points).astype(np.float64), max(0.0, float(lip_opening(start[None])[0]))
    share = 1 - opening_after(opening, closure * (TAKEN + TAKEN_OF_START * begun)) / np.maximum(opening, 1e-9)      # (T,)
    crossed = gaps[..., 1] < 0
    moved = np.where(crossed, np.clip(closure, 0, 1)[:, None], np.where(opening > 0, share, 0)[:, None])[..., None] * gaps
    way = np.zeros((len(points), 68, 2))
    way[:, _UPPER], way[:, _LOWER] = UPPER * moved, -LOWER * moved
    for landmark, follows in _FOLLOWS.items():
        way[:, landmark] = -follows * moved[:, 1]
    return (points + np.pad(way, ((0, 0), (0, 0), (0, 1))) @ rotation).astype(np.float32)  # (T, L, 3)
