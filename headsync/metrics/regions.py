"""How near generated frames are to the real ones in parts of the picture: SSIM pixel by pixel, masks of face and mouth.

Shapes: H W pixels, P points. Frames are (H, W, 3) uint8 RGB; points are x right, y down, centres of pixels at + 0.5.
Source: Wang et al. 2004, with the settings of `headsync.metrics.image.ssim`, to which the mean of the map is equal.
"""

import cv2
import numpy as np

from headsync.metrics.image import DATA_RANGE, LEAST_SIDE_PX, SIGMA

REACH_PX = int(3.5 * SIGMA + 0.5)           # 5: the window is 11x11
MIDDLE = np.float32(128)
C1, C2 = (0.01 * DATA_RANGE) ** 2, (0.03 * DATA_RANGE) ** 2


def ssim_map(generated: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Structural similarity (H, W) float32 of the windows round each pixel of two frames, mean of R, G and B.

    NaN in the border of 5 pixels, whose windows reach beyond the picture. Three times as fast as `ssim`.
    ValueError for other frames and sides under 11 pixels.
    """
    for frame in (generated, reference):
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or min(frame.shape[:2]) < LEAST_SIDE_PX:
            raise ValueError(f"SSIM needs (H, W, 3) uint8 frames of at least {LEAST_SIDE_PX} pixels a side, got "
                             f"{frame.shape} {frame.dtype}")
    if generated.shape != reference.shape:
        raise ValueError(f"frames differ in size, {generated.shape[:2]} and {reference.shape[:2]}; resize one first")
    x, y = (frame.astype(np.float32) - MIDDLE for frame in (generated, reference))  # small numbers, small rounding
    mean_x, mean_y = _blurred(x), _blurred(y)                                       # (H, W, 3)
    covariance = _blurred(x * y) - mean_x * mean_y
    variances = _blurred(x * x + y * y) - mean_x * mean_x - mean_y * mean_y
    mean_x, mean_y = mean_x + MIDDLE, mean_y + MIDDLE
    products, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    similarity = (2 * products + C1) * (2 * covariance + C2) / ((squares + C1) * (variances + C2))
    whole = np.full(generated.shape[:2], np.nan, np.float32)
    inner = np.s_[REACH_PX:-REACH_PX, REACH_PX:-REACH_PX]
    whole[inner] = similarity[inner].mean(2)
    return whole  # (H, W)


def hull_mask(points: np.ndarray, size: tuple[int, int], *, grow_px: float = 0.0) -> np.ndarray:
    """Where the convex hull of points (P, 2 or more) covers a picture of `size` (height, width), (H, W) bool.

    `grow_px` adds a rim. Points outside of the picture count; a hull beside it gives an empty mask.
    """
    outline = cv2.convexHull(np.array(points, np.float32)[:, :2].copy())            # (h, 1, 2)
    mask = np.zeros(size, np.uint8)
    fixed = np.rint((outline - 0.5) * 16).astype(np.int32)
    cv2.fillConvexPoly(mask, fixed, 1, shift=4)
    if grow_px > 0:
        side = 2 * round(grow_px) + 1
        mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return mask.view(bool)  # (H, W)


def mean_inside(values: np.ndarray, mask: np.ndarray) -> float:
    """The mean of a map (H, W) where `mask` (H, W) holds and the map is a number; NaN where there is no such pixel."""
    chosen = values[mask]
    chosen = chosen[~np.isnan(chosen)]
    return float(chosen.mean(dtype=np.float64)) if len(chosen) else float("nan")


def _blurred(picture: np.ndarray) -> np.ndarray:
    side = 2 * REACH_PX + 1
    return cv2.GaussianBlur(picture, (side, side), SIGMA, borderType=cv2.BORDER_REFLECT)  # (H, W, 3)
