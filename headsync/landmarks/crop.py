"""The one square crop of a clip: fixed, so that the head's own motion stays in the landmarks.

Shapes: T frames, H W picture. Crops and boxes are x0, y0, x1, y1 in pixels of the source picture.
"""

import cv2
import numpy as np

FACE_TO_CROP = 2.0      # a crop's side over the size of the face (brow to chin)
MOTION_MARGIN = 0.35    # room left beyond the union of all face boxes, as a share of the face's size
LEAST_MARGIN = 0.05     # room that is kept even where the picture has none and its border must be repeated
LIFT = 0.08             # the crop's centre lies this share of the side above the boxes' centre: hair needs room
WHOLE_PICTURE = 0.8     # a square picture whose short side the crop nearly fills is kept as it is


def fixed_crop(boxes: np.ndarray, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The square crop for face boxes (T, 4) in a picture of `size` (height, width).

    Twice the face, larger where the head moves far; moved inside the picture where it fits, beyond the borders only
    where the face itself needs more than the picture's short side.
    """
    height, width = size
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    face = float(np.median(np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])))
    union = float((high - low).max())
    wanted = max(FACE_TO_CROP * face, union + 2 * MOTION_MARGIN * face)
    side = max(min(wanted, height, width), union + 2 * LEAST_MARGIN * face)
    if height == width and side >= WHOLE_PICTURE * width:
        side = max(side, float(width))
    x0, y0 = (low + high) / 2 - (side / 2, side * (0.5 + LIFT))
    x0, y0 = _inside(x0, side, width), _inside(y0, side, height)
    return float(x0), float(y0), float(x0 + side), float(y0 + side)


def _inside(start: float, side: float, limit: int) -> float:
    if side >= limit:
        return (limit - side) / 2
    return float(np.clip(start, 0, limit - side))


def to_canvas(points: np.ndarray, crop: tuple[float, float, float, float], size: int) -> np.ndarray:
    """Points (..., 3) of the source picture in pixels of the (size, size) canvas; z scales like x."""
    scale = size / (crop[2] - crop[0])
    return ((points - (crop[0], crop[1], 0.0)) * scale).astype(np.float32)  # (..., 3)


def crop_picture(frame: np.ndarray, crop: tuple[float, float, float, float], size: int) -> np.ndarray:
    """The (size, size, 3) uint8 canvas of one (H, W, 3) frame; what lies beyond the picture repeats its border."""
    scale = size / (crop[2] - crop[0])
    if scale == 1 and crop[0] == crop[1] == 0 and frame.shape[:2] == (size, size):
        return frame
    if scale < 0.5:     # area-average first: a plain affine warp would skip pixels
        frame = cv2.resize(frame, None, fx=2 * scale, fy=2 * scale, interpolation=cv2.INTER_AREA)
        crop, scale = tuple(2 * scale * edge for edge in crop), 0.5
    # pixel centres: source (x + 0.5) maps to canvas (x + 0.5 - x0) * scale
    shift = [scale * (0.5 - edge) - 0.5 for edge in crop[:2]]
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    return cv2.warpAffine(frame, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
