"""The part of a canvas that is drawn, its masks and its sketch, from landmarks.

Shapes: L = 68 landmarks in canvas units of 256, m pixels of the mouth's side, H = 13 m / 8 by W = 5 m / 4 of a crop.
Source: method/g4g.md#dinet (crop and mouth box), method/g4g.md#stated (multi-scale masks, sketch), ours where it is silent.
"""

import cv2
import numpy as np

from headsync.landmarks import GROUPS
from render_stage.dubbing.mask import mouth_hull

LARGER = 1.05               # the radius over what the mouth and the chin ask for
NOSE_TIP, NOSE, LEFT, RIGHT = 29, 33, 48, 54
KINDS = ("box", "half", "jaw")      # of masks: the mouth's box, the lower half of the crop, the jaw's outline
SHIFT = 16                  # OpenCV's fixed point
_OPEN, _CLOSED = ("jaw", "right_brow", "left_brow"), ("right_eye", "left_eye")
_LIPS = (range(48, 60), range(60, 68))


def crop_size(mouth: int) -> tuple[int, int]:
    """Height and width of a crop whose mouth has a side of so many pixels: 104 x 80 for 64."""
    return 13 * mouth // 8, 5 * mouth // 4


def radius(points: np.ndarray) -> float:
    """Half the side of the mouth's square in canvas units, the median over landmarks (T, L, 3): one for all frames."""
    down = points[..., 1].max(-1) - points[..., NOSE_TIP, 1]
    across = points[..., RIGHT, 0] - points[..., LEFT, 0]
    return float(np.median(np.maximum(down, across)) * LARGER / 2)


def crop_matrix(points: np.ndarray, size: float, mouth: int, canvas: int) -> np.ndarray:
    """(2, 3): from pixels of a canvas of a side of `canvas` to those of the crop round landmarks (L, 3), centres whole numbers.

    The crop reaches from `size`, the radius, above the tip of the nose to 2.25 of it below, and 1.25 to both sides.
    """
    scale = mouth / (2 * size) * 256 / canvas       # crop pixels of one canvas pixel
    x0, y0 = (canvas / 256 * edge for edge in (points[NOSE, 0] - 1.25 * size, points[NOSE_TIP, 1] - size))
    return np.array([[scale, 0, scale * (0.5 - x0) - 0.5], [0, scale, scale * (0.5 - y0) - 0.5]])


def cropped(canvas: np.ndarray, matrix: np.ndarray, mouth: int) -> np.ndarray:
    """The crop (H, W, 3) uint8 of a canvas (P, P, 3); beyond its border that is repeated."""
    height, width = crop_size(mouth)
    if matrix[0, 0] < 0.6:
        canvas = cv2.GaussianBlur(canvas, (0, 0), 0.4 / matrix[0, 0])
    return cv2.warpAffine(canvas, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def crop_points(points: np.ndarray, matrix: np.ndarray, canvas: int) -> np.ndarray:
    """Landmarks (L, 2) in pixels of the crop, centres at whole numbers."""
    flat = points[:, :2].astype(np.float64) * canvas / 256 - 0.5
    return flat @ matrix[:, :2].T + matrix[:, 2]  # (L, 2)


def hidden(kind: str, points: np.ndarray, mouth: int) -> np.ndarray:
    """What is taken out of a source crop, (H, W) uint8 of 0 and 1; `points` (L, 2) are the landmarks in it."""
    height, width = crop_size(mouth)
    mask, r = np.zeros((height, width), np.uint8), mouth // 2
    if kind == "jaw":
        cv2.fillConvexPoly(mask, np.rint(SHIFT * mouth_hull(points)).astype(np.int32), 1, shift=4)
        return mask
    mask[r : 3 * r if kind == "box" else height, r // 4 * (kind == "box") : r // 4 + mouth if kind == "box" else width] = 1
    return mask


def fading(mask: np.ndarray, mouth: int) -> np.ndarray:
    """The mask (H, W) smoothed by a Gaussian, float32: 0 wherever nothing was taken out, so nothing shows through."""
    side = max(3, mouth // 16 * 2 + 1)
    inner = cv2.erode(mask, np.ones((side, side), np.uint8), borderValue=1)
    return cv2.GaussianBlur(inner.astype(np.float32), (side, side), 0, borderType=cv2.BORDER_REPLICATE) * mask


def sketch(points: np.ndarray, mouth: int) -> np.ndarray:
    """Lines along jaw, brows, eyes, nose and lips of landmarks (L, 2) in a crop, (H, W) uint8."""
    height, width = crop_size(mouth)
    drawn = np.zeros((height, width), np.uint8)
    fixed = np.rint(SHIFT * points[:, :2]).astype(np.int32)
    lines = [(list(GROUPS[name]), False) for name in _OPEN] + [(list(range(27, 31)), False), (list(range(31, 36)), False)]
    lines += [(list(GROUPS[name]), True) for name in _CLOSED] + [(list(one), True) for one in _LIPS]
    for places, closed in lines:
        cv2.polylines(drawn, [fixed[places]], closed, 255, 1, cv2.LINE_AA, shift=4)
    return drawn
