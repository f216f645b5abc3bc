"""Faces seen from the front and at rest: what an expression is measured against.

Shapes: T frames, L = 68 landmarks.
"""

import numpy as np

from headsync.landmarks import smooth
from headsync.landmarks.geometry import frontal
from headsync.landmarks.lips import lip_shapes
from landmark_stage.expression.network import LANDMARKS

SMOOTHING_TAPS = 5                  # Hanning
REST_SHARE = 0.05                   # of a clip's frames, those with the mouth closed most, are its face at rest


def frontal_faces(points: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 3) with the head's motion and growth taken out (T, 3 L): 17 rigid points on the canonical ones.

    A similarity for every frame: under one size for the clip a head that comes nearer counted as an expression.
    """
    return smooth(frontal(points), SMOOTHING_TAPS, window="hanning").reshape(len(points), -1)  # (T, 3 L)


def mouth_opening(faces: np.ndarray) -> np.ndarray:
    """Signed openings (T,) of faces (T, 3 L), in distances of the outer eye corners."""
    return lip_shapes(faces.reshape(len(faces), LANDMARKS, 3)).opening


def face_at_rest(faces: np.ndarray) -> np.ndarray:
    """The mean (3 L,) of the faces (T, 3 L) whose mouth is closed most."""
    count = max(1, round(REST_SHARE * len(faces)))
    return faces[np.argsort(mouth_opening(faces), kind="stable")[:count]].mean(0)  # (3 L,)
