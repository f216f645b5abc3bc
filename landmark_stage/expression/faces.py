"""Faces seen from the front and at rest: what an expression is measured against.

Shapes: T frames, L = 68 landmarks.
"""

import numpy as np

from headsync.landmarks import smooth
from headsync.landmarks.layouts import INNER_PAIRS
from headsync.landmarks.motion.lower_face import frontal
from landmark_stage.expression.network import LANDMARKS

SMOOTHING_TAPS = 5                  # Hanning
REST_SHARE = 0.05                   # of a clip's frames, those with the mouth closed most, are its face at rest


def frontal_faces(points: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 3) with the head's motion and growth taken out (T, 3 L): 17 rigid points on the canonical ones.

    A similarity for every frame: under one size for the clip a head that comes nearer counted as an expression.
    """
    return smooth(frontal(points), SMOOTHING_TAPS, window="hanning").reshape(len(points), -1)  # (T, 3 L)


def mouth_opening(faces: np.ndarray) -> np.ndarray:
    """How far the inner lips of faces (T, 3 L) are apart (T,), in their unit."""
    points = faces.reshape(len(faces), LANDMARKS, 3)
    return np.mean([np.linalg.norm(points[:, a, :2] - points[:, b, :2], axis=1) for a, b in INNER_PAIRS], axis=0)


def face_at_rest(faces: np.ndarray) -> np.ndarray:
    """The mean (3 L,) of the faces (T, 3 L) whose mouth is closed most."""
    count = max(1, round(REST_SHARE * len(faces)))
    return faces[np.argsort(mouth_opening(faces), kind="stable")[:count]].mean(0)  # (3 L,)
