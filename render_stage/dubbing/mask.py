"""Which part of a canvas is drawn anew, and how its colours meet those of the picture round it.

Shapes: L = 68 landmarks in canvas units of 256, M = 128 pixels of a mask's side, P of a canvas's.
"""

import cv2
import numpy as np

from headsync.landmarks.detection import CANVAS_PX
from render_stage.compositing import smooth_step

MASK_PX = 128
CHIN, SIDES = 0.10, 0.02        # of the face's height: how far the mask reaches below the jaw and beyond it
SOFT = 0.10                     # of the face's height: width of the mask's slope
JAW = range(3, 14)              # of the landmarks: from below one ear to below the other
NOSE_SHARE = 0.35               # of the way from the nose's base to the upper lip, the mask's upper edge
FIELD_PX = 32                   # side of the colour field
FIELD_SIGMA = 3.0               # pixels of it over which differences at the edge are carried on
MOST_CHANGE = 24.0              # levels: a larger difference is an edge that moved, not light
_TOP, _CHIN, _BASE, _LIP = list(range(17, 27)), 8, [31, 33, 35], [50, 51, 52]


def face_height(points: np.ndarray) -> float:
    """From the brows to the chin, in the points' unit, of landmarks (L, 2 or 3)."""
    return float(np.linalg.norm(points[_TOP, :2].mean(0) - points[_CHIN, :2]))


def mouth_hull(points: np.ndarray) -> np.ndarray:
    """The outline (N, 2) float32 of the lower face of landmarks (L, 2 or 3): jaw, and a line between nose and lip."""
    flat = np.asarray(points[:, :2], np.float64)
    height, down = face_height(flat), flat[_CHIN] - flat[_TOP].mean(0)
    down /= max(float(np.linalg.norm(down)), 1e-6)
    jaw, middle = flat[list(JAW)], flat[48:68].mean(0)
    share = np.sin(np.linspace(0, np.pi, len(jaw)))[:, None]                    # 0 at the ears, 1 at the chin
    outward = jaw - middle
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-6)
    jaw = jaw + height * (CHIN * share * down + SIDES * outward)
    upper = (1 - NOSE_SHARE) * flat[_BASE] + NOSE_SHARE * flat[_LIP]
    return cv2.convexHull(np.concatenate([jaw[1:-1], upper]).astype(np.float32))[:, 0]      # (N, 2)


def lower_mask(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """How much of a canvas is shown (M, M) float32 in [0, 1]: where the mouth was (L, 3) and where it is to be (L, 3).

    1 over the lips and the jaw, sloping to 0 outside; 0 from `SOFT` of the face's height beyond both outlines on.
    """
    unit, mask = MASK_PX / CANVAS_PX, np.zeros((MASK_PX, MASK_PX), np.uint8)
    for points in (old, new):
        cv2.fillConvexPoly(mask, np.rint(16 * (unit * mouth_hull(points) - 0.5)).astype(np.int32), 255, shift=4)
    slope = max(1.0, unit * SOFT * face_height(old))
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    outside = cv2.distanceTransform(255 - mask, cv2.DIST_L2, 3)                 # (M, M) from the outlines
    return smooth_step((inside - outside) / slope + 0.5)


def coloured_alike(canvas: np.ndarray, source: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The canvas (P, P, 3) float32 with the light of its source (P', P', 3) uint8 at the mask's (M, M) edge.

    The difference along the edge, in levels and limited, is carried on inside, so that light and colour neither jump there
    nor drift with the reference that the canvas was made from.
    """
    small, beside = (cv2.resize(one, (FIELD_PX, FIELD_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
                     for one in (canvas, source))
    share = cv2.resize(mask, (FIELD_PX, FIELD_PX), interpolation=cv2.INTER_AREA)
    weight = np.clip(4 * share * (1 - share), 0, 1)                             # (F, F) the slope's middle counts most
    if weight.sum() < 1:
        return canvas.astype(np.float32)
    apart = np.clip(beside - small, -MOST_CHANGE, MOST_CHANGE)
    total = cv2.GaussianBlur(np.dstack([apart * weight[..., None], weight]), (0, 0), FIELD_SIGMA)
    mean = (apart * weight[..., None]).sum((0, 1)) / weight.sum()               # (3,) where the edge is far
    field = (total[..., :3] + 1e-3 * mean) / (total[..., 3:] + 1e-3)
    return canvas + cv2.resize(field, canvas.shape[1::-1], interpolation=cv2.INTER_CUBIC)
