"""Lips that close: how far the inner lips of a face may come together, and a face whose lips have come so.

Shapes: T frames, L = 68 landmarks, 3 pairs of inner lips. An opening is the way between the lips' middles as a share of the
distance of the outer eye corners, seen from the front, depth left out.
Source: none of the papers. Generated lips keep much of the opening that they start with, so that they close in 2 % of frames
where people's close in 18 % (train people, docs/results/lips.md); what is taken off was chosen there.
"""

import numpy as np

from headsync.landmarks.canonical import canonical_face
from headsync.landmarks.geometry import similarity_fit
from headsync.landmarks.layouts import INNER_PAIRS, RIGID17

TAKEN, TAKEN_OF_START = 0.005, 0.3  # of every opening, and for each unit of the opening that a motion starts with
SOFTNESS = 0.004                    # openings round which "less by so much" goes over into "closed"
BEGIN_FRAMES = 8                    # from the start, which is as it is, into that
UPPER, LOWER = 0.22, 0.78           # of a closing gap, who comes how far: slopes of real faces, like those below
# what follows the middle of the lips: the outer line of the lower and upper one, and the chin
_FOLLOWS = {49: -0.11, 50: -0.12, 51: -0.135, 52: -0.12, 53: -0.11, 55: 0.56, 56: 0.667, 57: 0.705, 58: 0.667, 59: 0.56,
            4: 0.044, 5: 0.123, 6: 0.162, 7: 0.266, 8: 0.341, 9: 0.266, 10: 0.162, 11: 0.123, 12: 0.044}


def opening_after(opening: np.ndarray, taken: np.ndarray | float) -> np.ndarray:
    """What is left of openings (T,) when `taken` is taken off: rises with them, is never more than they are nor below 0."""
    less = opening - taken
    return np.minimum(opening, (less + np.hypot(less, SOFTNESS)) / 2)  # (T,)


def front_opening(points: np.ndarray) -> np.ndarray:
    """Openings (T,) of landmarks (T, 68, 3)."""
    return _opening(*_seen_from_front(points)[:2])


def closed_lips(points: np.ndarray, start: np.ndarray, closure: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 3) float32 whose lips are closed more: by `closure` (T,) times what `TAKEN` and the opening of
    `start` (68, 3) ask for; where it is 0 no bit changes.

    Inner lips come together along the way between them, in the face's plane, all pairs by the same share, so no two can
    cross; outer lips and chin follow as far as real ones do. Corners, and all the rest, stay. Every frame by itself.
    """
    points = np.asarray(points, np.float32)
    if not len(points):
        return points
    gaps, eyes, rotation = _seen_from_front(points)                                     # (T, 3, 2), (T,), (T, 3, 3)
    opening = _opening(gaps, eyes)
    taken = np.asarray(closure) * (TAKEN + TAKEN_OF_START * float(front_opening(start[None])[0]))
    share = 1 - opening_after(opening, taken) / np.maximum(opening, 1e-9)               # (T,)
    way = np.zeros((len(points), 68, 2))
    for number, (upper, lower) in enumerate(INNER_PAIRS):
        way[:, upper], way[:, lower] = UPPER * gaps[:, number], -LOWER * gaps[:, number]
    for landmark, follows in _FOLLOWS.items():
        way[:, landmark] = -follows * gaps[:, 1]
    moved = np.pad(share[:, None, None] * way, ((0, 0), (0, 0), (0, 1))) @ np.swapaxes(rotation, 1, 2)
    return (points + moved).astype(np.float32)  # (T, L, 3)


def _opening(gaps: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    return np.linalg.norm(gaps[:, 1], axis=-1) / np.maximum(eyes, 1e-6)  # (T,)


def _seen_from_front(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ways (T, 3, 2) from upper to lower inner lips in the face's plane, the distance (T,) of the outer eye corners there,
    both in the frames' own unit, and the head's rotation (T, 3, 3)."""
    frames, chosen = np.asarray(points, np.float64), list(RIGID17)
    rotation = similarity_fit(canonical_face()[chosen], frames[:, chosen]).rotation
    upper, lower = (list(side) for side in zip(*INNER_PAIRS))
    gaps = ((frames[:, lower] - frames[:, upper]) @ rotation)[..., :2]                  # (T, 3, 2)
    eyes = ((frames[:, [45]] - frames[:, [36]]) @ rotation)[:, 0, :2]                   # (T, 2)
    return gaps, np.linalg.norm(eyes, axis=1), rotation
