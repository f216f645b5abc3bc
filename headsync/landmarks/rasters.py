"""Landmarks as pictures that networks and metrics read.

Shapes: L = 68 landmarks, H W raster.
"""

from functools import lru_cache

import cv2
import numpy as np

from headsync.landmarks.layouts import GROUPS

DOT_CHANNELS = (range(0, 17), range(17, 48), range(48, 68))     # jaw; brows, nose and eyes; mouth
LARGEST_SHARE = 0.99
UPPER_FACE = tuple(range(1, 16))        # jaw points whose mirror image stands for the forehead
UPPER_FACE_FACTOR = 2 / 3
CURVE_STEPS = 12                        # straight pieces of one curve segment
SUBPIXEL_BITS = 4
# Rhythmic Head's strokes, each through every second point: curve segments of three points
STROKES = (GROUPS["jaw"], GROUPS["right_brow"], GROUPS["left_brow"], (28, 29, 30), GROUPS["nostrils"],
           (36, 37, 38, 39), (39, 40, 41, 36), (42, 43, 44, 45), (45, 46, 47, 42),
           range(48, 55), (54, 55, 56, 57, 58, 59, 48), range(60, 65), (64, 65, 66, 67, 60))


def dot_raster(points: np.ndarray, *, size: int = 224) -> np.ndarray:
    """Single-pixel dots (3, size, size) float32 in {0, 1} of unit landmarks (L, 2 or 3), clamped to [0, 0.99].

    Channels: jaw; brows, nose and eyes; mouth. The raster of SUHMo's and MS-Sync's Fréchet distances.
    """
    raster = np.zeros((len(DOT_CHANNELS), size, size), np.float32)
    pixels = (np.clip(points[:, :2], 0, LARGEST_SHARE) * size).astype(int)  # (L, 2)
    for channel, group in enumerate(DOT_CHANNELS):
        x, y = pixels[list(group)].T
        raster[channel, y, x] = 1
    return raster


def landmark_image(points: np.ndarray, *, size: int = 256) -> np.ndarray:
    """Curves (size, size) uint8 in {0, 1} through landmarks (L, 2 or 3) in pixels of that raster, one pixel wide.

    Quadratic segments through three points each; the jaw mirrored about the line through its ends, at two thirds of
    its depth, stands for the upper face. Source: Rhythmic Head, landmark images.
    """
    raster = np.zeros((size, size), np.uint8)
    flat = np.asarray(points, np.float64)[:, :2]
    curves = [np.rint((_curve(stroke) - 0.5) * (1 << SUBPIXEL_BITS)).astype(np.int32)
              for stroke in (*(flat[list(indices)] for indices in STROKES), upper_face(flat))]
    cv2.polylines(raster, curves, False, 1, 1, cv2.LINE_8, SUBPIXEL_BITS)
    return raster


def upper_face(points: np.ndarray) -> np.ndarray:
    """The artificial forehead (17, 2) of landmarks (L, 2): jaw points mirrored about the line from ear to ear."""
    start, end = points[0], points[16]
    along = (end - start) / max(np.linalg.norm(end - start), 1e-9)
    offset = points[list(UPPER_FACE)] - start
    parallel = (offset @ along)[:, None] * along
    mirrored = start + parallel - UPPER_FACE_FACTOR * (offset - parallel)
    return np.concatenate([start[None], mirrored, end[None]])  # (17, 2)


@lru_cache(maxsize=32)
def _curve_weights(knots: int) -> np.ndarray:
    """Weights (n', n) that make points on quadratics through every three of n knots, straight where only two are left."""
    pieces = []
    t = np.linspace(0, 1, CURVE_STEPS)
    for start in range(0, knots - 1, 2):
        piece = np.zeros((CURVE_STEPS, knots))
        if start + 2 < knots:   # Lagrange form through t = 0, 1/2, 1
            piece[:, start : start + 3] = np.stack([(1 - t) * (1 - 2 * t), 4 * t * (1 - t), t * (2 * t - 1)], axis=1)
        else:
            piece[:, start : start + 2] = np.stack([1 - t, t], axis=1)
        pieces.append(piece)
    return np.concatenate(pieces)  # (n', n)


def _curve(knots: np.ndarray) -> np.ndarray:
    """Points (n', 2) on smooth curves through knots (n, 2)."""
    return _curve_weights(len(knots)) @ knots
