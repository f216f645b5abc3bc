"""How sharp a picture is without another one to compare it with: CPBD, the share of edges too narrow to look blurred.

Shapes: H W pixels, E edge pixels. Widths are in pixels along a row.
Source: Narvekar and Karam 2011, "A No-Reference Image Blur Metric Based on the Cumulative Probability of Blur Detection";
edge widths: Marziliano et al. 2002; method/measures.md#pictures.
"""

from typing import NamedTuple

import cv2
import numpy as np

BLOCK_PX = 64
EDGE_SHARE = 0.002              # a block with a larger share of edge pixels is an edge block
LOW_CONTRAST = 50               # grey levels between a block's darkest and brightest pixel
NOTICEABLE_PX = (5.0, 3.0)      # width at which blur is just noticed: contrast up to 50, above
BETA = 3.6
NOTICEABLE_PERCENT = 63         # P_blur of the just noticeable width, 1 - 1/e = 63.2 %, as the paper rounds it
THRESHOLD_SCALE = 4.0           # an edge's squared gradient exceeds this many times the picture's mean one
UPRIGHT = np.tan(np.pi / 8)     # gradients within 22.5 degrees of the row belong to upright edges


class Sharpness(NamedTuple):
    """CPBD of one picture."""

    cpbd: float         # share of edges whose blur is not noticed: 1 sharp, 0 blurred or without edges
    edges: int          # edge pixels it rests on; under some hundred it says little


def cpbd(frame: np.ndarray) -> Sharpness:
    """CPBD of a frame, (H, W, 3) uint8 RGB or (H, W) uint8 grey (luma of BT.601 is taken of colours).

    Sobel edges in blocks of 64x64 pixels with more than 0.2 % of edge pixels; of these every upright edge's width w
    gives P_blur = 1 - exp(-(w / w_JNB)^3.6) with w_JNB = 5 for blocks of contrast up to 50, else 3; CPBD is the share
    with P_blur, in whole percents, of at most 63. Pixels right of and below the last whole block do
    not count. ValueError for other arrays and for sides under 64 pixels.
    """
    grey = _grey(frame)
    edges = sobel_edges(grey)
    widths = edge_widths(grey, edges)
    probabilities = []
    for top in range(0, grey.shape[0] - BLOCK_PX + 1, BLOCK_PX):
        for left in range(0, grey.shape[1] - BLOCK_PX + 1, BLOCK_PX):
            block = np.s_[top : top + BLOCK_PX, left : left + BLOCK_PX]
            if np.count_nonzero(edges[block]) > EDGE_SHARE * BLOCK_PX**2:
                found = widths[block][widths[block] > 0]                            # (E,)
                probabilities.append(blur_probability(found, float(np.ptp(grey[block]))))
    pooled = np.concatenate(probabilities) if probabilities else np.zeros(0)         # (E,)
    if not len(pooled):
        return Sharpness(0.0, 0)
    return Sharpness(float((np.rint(100 * pooled) <= NOTICEABLE_PERCENT).mean()), len(pooled))


def blur_probability(widths: np.ndarray, contrast: float) -> np.ndarray:
    """The probability (E,) that blur is seen at edges of these widths (E,) in a block of this contrast."""
    noticeable = NOTICEABLE_PX[0] if contrast <= LOW_CONTRAST else NOTICEABLE_PX[1]
    return 1 - np.exp(-((np.asarray(widths, np.float64) / noticeable) ** BETA))  # (E,)


def sobel_edges(grey: np.ndarray) -> np.ndarray:
    """Where a grey picture (H, W) has edges, (H, W) bool: squared Sobel gradients over four times their mean, thinned.

    A pixel is kept where its gradient is the largest among its neighbours along the row and the row's component is the
    larger one, or likewise along the column; of two equal neighbours the later one. The frame's border has none.
    """
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, borderType=cv2.BORDER_REPLICATE)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, borderType=cv2.BORDER_REPLICATE)
    strength = across * across + down * down                                        # (H, W)
    centre = strength[1:-1, 1:-1]
    steeper = np.abs(across[1:-1, 1:-1]) >= np.abs(down[1:-1, 1:-1])
    row_peak = (centre >= strength[1:-1, :-2]) & (centre > strength[1:-1, 2:])
    column_peak = (centre >= strength[:-2, 1:-1]) & (centre > strength[2:, 1:-1])
    edges = np.zeros(grey.shape, bool)
    edges[1:-1, 1:-1] = (centre > THRESHOLD_SCALE * strength.mean()) & np.where(steeper, row_peak, column_peak)
    return edges  # (H, W)


def edge_widths(grey: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Widths (H, W) of the upright edges of a grey picture (H, W), 0 elsewhere: pixels between the extremes beside them.

    From an edge pixel's neighbours the grey values go on rising (or falling) along the row up to a local extreme on
    either side; the width is the way between them, so a ramp of n > 1 steps has width n and an ideal step width 2.
    Edges must lie inside the picture, as those of `sobel_edges` do.
    """
    values = grey.astype(np.int16)
    step = np.diff(values, axis=1)                                                  # (H, W - 1), between x and x + 1
    slope = np.zeros(grey.shape, np.int16)
    slope[:, 1:-1] = values[:, 2:] - values[:, :-2]
    tilt = np.zeros(grey.shape, np.int16)
    tilt[1:-1] = values[2:] - values[:-2]
    upright = edges & (slope != 0) & (np.abs(tilt) < UPRIGHT * np.abs(slope))
    rows, columns = np.nonzero(upright)                                             # (E,)
    widths = np.zeros(grey.shape, np.int32)
    for sign in (1, -1):
        left, right = _runs(sign * step > 0)                                        # each (H, W)
        chosen = np.sign(slope[rows, columns]) == sign
        y, x = rows[chosen], columns[chosen]
        widths[y, x] = 2 + left[y, x - 1] + right[y, x + 1]     # the edge pixel's own two steps are taken for granted
    return widths  # (H, W)


def _runs(rising: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many steps in a row rise up to a pixel from the left, and from it on to the right, of steps (H, W - 1)."""
    height, steps = rising.shape
    places = np.arange(1, steps + 1, dtype=np.int32)
    left = np.zeros((height, steps + 1), np.int32)
    left[:, 1:] = places - np.maximum.accumulate(np.where(rising, 0, places), axis=1)
    right = np.zeros((height, steps + 1), np.int32)
    right[:, :-1] = (places - np.maximum.accumulate(np.where(rising[:, ::-1], 0, places), axis=1))[:, ::-1]
    return left, right


def _grey(frame: np.ndarray) -> np.ndarray:
    """The frame's luma (H, W) uint8."""
    if frame.dtype != np.uint8 or not (frame.ndim == 2 or (frame.ndim == 3 and frame.shape[2] == 3)):
        raise ValueError(f"a frame must be (H, W, 3) or (H, W) uint8, got {frame.shape} {frame.dtype}")
    if min(frame.shape[:2]) < BLOCK_PX:
        raise ValueError(f"CPBD needs frames of at least {BLOCK_PX}x{BLOCK_PX} pixels, got {frame.shape[:2]}")
    return cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) if frame.ndim == 3 else frame  # (H, W)
