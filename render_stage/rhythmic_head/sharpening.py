"""Frames as sharp as the reference: what two resamplings blur is raised again, no further than the reference's own detail.

Shapes: S or P pixels a side. Ours. Detail is the variance of the Laplacian of the green channel over the face.
"""

import cv2
import numpy as np

SIGMA_PX = 0.8          # of the blur whose difference from the picture is raised
MOST = 0.8              # that is added of it
SHARE = 0.9             # of the reference's detail that is aimed at
GREEN = 1


def face_detail(picture: np.ndarray, where: np.ndarray) -> float:
    """Variance of the Laplacian of a picture (S, S, 3) in [0, 1] over a map (S, S) in [0, 1]; 0 where that is empty."""
    return _variance(cv2.Laplacian(picture[..., GREEN], cv2.CV_32F), where)


def sharpened(picture: np.ndarray, where: np.ndarray, detail: float) -> np.ndarray:
    """The picture (S, S, 3) float32 in [0, 1], over a map (S, S) raised towards a reference's `detail`; it may overshoot.

    The share of the difference from a blurred picture that is added solves a quadratic equation: the result has the detail
    that is asked for, unless that takes more than `MOST`. A picture that has as much already is given back as it is.
    """
    beyond = picture - cv2.GaussianBlur(picture, (0, 0), SIGMA_PX)                  # (S, S, 3)
    own, raised = (cv2.Laplacian(one[..., GREEN], cv2.CV_32F) for one in (picture, beyond))
    v0, v1 = _variance(own, where), _variance(raised, where)
    lacking = SHARE * detail - v0
    if lacking <= 0 or v1 <= 0:
        return picture
    both = (_variance(own + raised, where) - v0 - v1) / 2
    amount = min((-both + float(np.sqrt(both * both + v1 * lacking))) / v1, MOST)
    return picture + (amount * where)[..., None] * beyond


def _variance(values: np.ndarray, where: np.ndarray) -> float:
    total = float(where.sum())
    if total < 1:
        return 0.0
    mean = float((values * where).sum()) / total
    return float((np.square(values - mean) * where).sum()) / total
