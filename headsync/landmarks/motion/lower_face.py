"""Another jaw and mouth on a face in motion: frontal shapes put into the pose of every frame.

Shapes: T frames, 68 landmarks, R = 37 landmarks of jaw (17) and mouth (20).
"""

import numpy as np

from headsync.landmarks.geometry import frontal_fit

LOWER_FACE = (*range(17), *range(48, 68))
JAW_REACH = 5           # landmarks of the jaw on either side of the chin that move with it
_LOWER = list(LOWER_FACE)


def jaw_shares() -> np.ndarray:
    """How much of the chin's motion each landmark (17,) of the jaw follows: a raised cosine, 0 at the skull's ends."""
    return np.cos(np.pi / 2 * np.clip(np.abs(np.arange(17) - 8) / JAW_REACH, 0, 1)) ** 2  # (17,)


def with_lower_face(points: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 3) float32 whose mouth is the frontal one of `lower` (T, R, 3), in each frame's own pose.

    Of the jaw the chin follows in full and its neighbours by a raised cosine: its ends are the skull's. All else stays, bit for
    bit.
    """
    points = np.asarray(points, np.float32)
    fit = frontal_fit(points)
    centred = np.asarray(lower, np.float64) - fit.translation[:, None]
    posed = centred @ fit.rotation / fit.scale[:, None, None]                       # (T, R, 3)
    share = np.ones(len(LOWER_FACE))
    share[:17] = jaw_shares()
    made = points.copy()
    made[:, _LOWER] += (share[:, None] * (posed - points[:, _LOWER])).astype(np.float32)
    return made
