"""A drawn canvas put into the stored frame: only what the mask covers changes, in the frame's own numbers.

Shapes: H W pixels of the stored frame, P of the canvas's side, M of the mask's.
"""

import cv2
import numpy as np
from av.video.frame import VideoFrame

from headsync.media.planes import add_colour
from headsync.media.stored import StoredForm
from render_stage.alignment import Crop

NOTHING = 1 / 512           # a share of the canvas under this is none


def canvas_to_stored(form: StoredForm, crop: Crop, pixels: int) -> np.ndarray:
    """(2, 3): from pixels of a canvas of a side of `pixels`, which is `crop` of the shown picture, to the stored frame's.

    In both whole numbers are pixels' centres, as OpenCV counts.
    """
    scale = (crop[2] - crop[0]) / pixels
    shown = np.array([[scale, 0, crop[0] + 0.5 * scale], [0, scale, crop[1] + 0.5 * scale], [0, 0, 1]])
    stored = form.to_stored() @ shown                                           # (2, 3)
    stored[:, 2] -= 0.5
    return stored


def paste(frame: VideoFrame, stored: np.ndarray, canvas: np.ndarray, mask: np.ndarray, form: StoredForm, crop: Crop) -> None:
    """Changes the frame in place: the canvas (P, P, 3) float32 over it as the mask (M, M) says.

    `stored` (H, W, 3) uint8 is the frame's own RGB. What is changed is the difference to it, so an equal canvas changes
    nothing, and neither does anything where the mask is 0.
    """
    part = _covered(mask, form, crop)
    if part is None:
        return
    x, y, width, height = part
    how = dict(flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    new = cv2.warpAffine(*_shrunk(canvas, form, crop, (x, y)), (width, height), **how)          # (h, w, 3)
    share = cv2.warpAffine(mask, _shifted(canvas_to_stored(form, crop, len(mask)), (x, y)), (width, height),
                           flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    share[share < NOTHING] = 0
    old = stored[y : y + height, x : x + width].astype(np.float32)
    add_colour(frame, (x, y), share[..., None] * (np.clip(new, 0, 255) - old))


def _covered(mask: np.ndarray, form: StoredForm, crop: Crop) -> tuple[int, int, int, int] | None:
    """x, y, width, height of what the mask covers in the stored frame, from an even corner on."""
    x, y, width, height = cv2.boundingRect((mask >= NOTHING).view(np.uint8))
    if not width:
        return None
    corners = np.array([[x - 1, y - 1], [x + width, y - 1], [x - 1, y + height], [x + width, y + height]], np.float64)
    matrix = canvas_to_stored(form, crop, len(mask))
    places = corners @ matrix[:, :2].T + matrix[:, 2]                           # (4, 2)
    low = np.maximum(np.floor(places.min(0)), 0).astype(int) // 2 * 2
    high = np.minimum(np.ceil(places.max(0)) + 1, (form.width, form.height)).astype(int)
    if (high <= low).any():
        return None
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def _shrunk(canvas: np.ndarray, form: StoredForm, crop: Crop, corner: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The canvas, averaged where it is finer than the frame, and its matrix to the part that begins at `corner`."""
    scale = (crop[2] - crop[0]) / len(canvas)
    if scale < 0.75:
        side = max(1, round(scale * len(canvas)))
        canvas = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
    return canvas, _shifted(canvas_to_stored(form, crop, len(canvas)), corner)


def _shifted(matrix: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    moved = matrix.copy()
    moved[:, 2] -= corner
    return moved


