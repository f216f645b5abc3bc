"""Shapes of lips, in numbers that know up from down: opening, width, thickness. Whoever measures an opening measures this one.

Shapes: T frames, 68 landmarks (x right, y down), any unit. Openings are signed: lower less upper inner lip down the face's own
axis, below 0 where lips cross, which a distance cannot tell. The unit is the distance of the outer eye corners.
"""

from typing import NamedTuple

import numpy as np

from headsync.landmarks.geometry import frontal
from headsync.landmarks.layouts import INNER_PAIRS

CLOSED, CROSSED = 0.03, -0.02       # signed openings, in eye distances: lips are closed below the one, cross below the other
_UPPER, _LOWER = (list(side) for side in zip(*INNER_PAIRS))


class LipShapes(NamedTuple):
    """Shapes over time, in eye distances."""

    opening: np.ndarray     # (T,) signed, mean of three pairs of inner lips
    width: np.ndarray       # (T,) between the corners of the mouth
    thickness: np.ndarray   # (T,) of both lips together, signed: outer to inner line in the middle


def lip_shapes(faces: np.ndarray) -> LipShapes:
    """Shapes of frontal faces (T, 68, 3)."""
    eyes = np.maximum(np.linalg.norm(faces[:, 45, :2] - faces[:, 36, :2], axis=1), 1e-6)
    opening = (faces[:, _LOWER, 1] - faces[:, _UPPER, 1]).mean(1)
    width = np.linalg.norm(faces[:, 54, :2] - faces[:, 48, :2], axis=1)
    thickness = faces[:, 62, 1] - faces[:, 51, 1] + faces[:, 57, 1] - faces[:, 66, 1]
    return LipShapes(opening / eyes, width / eyes, thickness / eyes)


def lip_opening(points: np.ndarray) -> np.ndarray:
    """Signed openings (T,) of landmarks (T, 68, 3) in any pose. ValueError for what is no face, as `frontal`."""
    return lip_shapes(frontal(points)).opening
