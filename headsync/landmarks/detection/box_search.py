"""Where faces are, however small or large in their picture: two ranges, then a border, then overlapping tiles.

Shapes: H W picture, N faces. Boxes are x0, y0, x1, y1 in pixels.
"""

from collections.abc import Callable

import cv2
import numpy as np

BORDER = 0.35                # of the longer side, added when a face fills the picture and is not found
TILE = 0.6                   # side of a tile over the picture's short side

BoxFinder = Callable[[np.ndarray], np.ndarray]      # a picture (H, W, 3) uint8 RGB to boxes (N, 4) float64


def search_boxes(picture: np.ndarray, near: BoxFinder, far: BoxFinder) -> np.ndarray:
    """Boxes (N, 4) of the faces found, in pixels; N = 0 when every attempt finds none.

    Both ranges together; a picture in which they see nothing is tried with a border, for faces that fill it, and in
    overlapping tiles, for small ones.
    """
    found = _merged(near(picture), far(picture))
    if len(found):
        return found
    wide, border = with_border(picture)
    found = near(wide) - border
    return found if len(found) else _boxes_in_tiles(picture, far)


def with_border(picture: np.ndarray) -> tuple[np.ndarray, int]:
    """The picture with its edges continued on all sides, and by how many pixels."""
    border = round(BORDER * max(picture.shape[:2]))
    return cv2.copyMakeBorder(picture, border, border, border, border, cv2.BORDER_REPLICATE), border


def _boxes_in_tiles(picture: np.ndarray, far: BoxFinder) -> np.ndarray:
    side = round(TILE * min(picture.shape[:2]))
    starts = [_tile_starts(length, side) for length in picture.shape[:2]]
    found = np.zeros((0, 4))
    for y in starts[0]:
        for x in starts[1]:
            found = _merged(found, far(picture[y : y + side, x : x + side]) + (x, y, x, y))
    return found


def _merged(found: np.ndarray, more: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) and those of (M, 4) whose centre lies in none of them."""
    for box in more:
        middle = (box[:2] + box[2:]) / 2
        inside = (found[:, :2] <= middle).all(1) & (middle <= found[:, 2:]).all(1)
        if not inside.any():
            found = np.concatenate([found, box[None]])
    return found


def _tile_starts(length: int, side: int) -> list[int]:
    """Where tiles begin that overlap by half of their side and cover the length."""
    count = max(1, -(-2 * (length - side) // side) + 1)
    return np.linspace(0, length - side, count).astype(int).tolist()
