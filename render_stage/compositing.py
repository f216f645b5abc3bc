"""The moving head put back into the picture or the video that it was cropped out of, so that no box is to be seen.

Shapes: H W source, h w the part of it under the canvas, P pixels of the canvas's side, M = 128 pixels of a mask's side.
Crops are in the source's pixels, points in canvas units of 256.
"""

import math
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from headsync import media
from headsync.landmarks import GROUPS
from headsync.landmarks.detection import CANVAS_PX
from render_stage.alignment import Crop, crop_placement

MASK_PX = 128
MOST_PIXELS = 36864 * 256       # of a frame: H.264's level 5.2, the highest that most players know; larger is reduced
HAIR, NECK = 0.55, 0.25         # of the face's height (brow to chin): how far the mask reaches beyond the landmarks,
SIDES = 0.16                    # and how far on all sides
SOFT = 0.22                     # of the face's height: width of the mask's slope
CLEAR = 0.02                    # of the canvas's side: this near to its border nothing of it is shown,
FADE = 0.12                     # and from here on all
SPOOL_QUALITY = 100             # of the JPEGs through which a video runs backwards

_TOP = list(GROUPS["right_brow"] + GROUPS["left_brow"])
_CHIN = 8


class PasteBack:
    """Puts canvases, one per frame, back into their source; a video runs along, to and fro when it is shorter."""

    def __init__(self, path: str | Path, *, size: tuple[int, int], frames: int, crop: Crop, outline: np.ndarray, length: int,
                 rate: Fraction = Fraction(media.FPS), background: media.Colour = media.WHITE):
        """`size` (height, width) and `frames` are the source's; `length` frames at `rate` are to come.

        What is transparent in the source is laid on `background`.

        `outline` (N, 2), in its pixels, is where the source's own face ever is: the mask covers it at all times.
        """
        height, width = size
        factor = min(1.0, math.sqrt(MOST_PIXELS / (height * width)))
        self._backgrounds = backgrounds(path, frames=frames, length=length, rate=rate, background=background,
                                        most_side=None if factor == 1 else int(factor * max(size)))
        self._still = frames == 1
        self._base = next(self._backgrounds)
        self.size = self._base.shape[:2]                                        # of what comes out
        factor = self.size[1] / width
        self._blend = Blend(tuple(factor * edge for edge in crop), self.size, crop_placement(crop).flat(outline))
        self._shown, self._first = self._base.copy(), True

    def frame(self, canvas: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The next frame (H, W, 3) uint8 with the canvas (P, P, 3) in it; `points` (L, 3) tell where its head is.

        It is overwritten by the next one.
        """
        if self._still:         # only the part under the canvas ever changes
            return self._blend.onto(self._base, canvas, points, self._shown)
        self._base = self._base if self._first else next(self._backgrounds, self._base)
        self._first = False
        return self._blend.onto(self._base, canvas, points, self._base)


class Blend:
    """Where a canvas lies in frames of one size, to whole pixels, and how much of it is shown."""

    def __init__(self, crop: Crop, size: tuple[int, int], outline: np.ndarray):
        """`outline` (N, 2), canvas units, is always covered. ValueError for a crop that lies outside the frames."""
        height, width = size
        left, top, right, bottom = (round(edge) for edge in crop)
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        self._size = (right - left, bottom - top)               # of the canvas in the frame: width, height
        rows, columns = slice(max(0, top), min(height, bottom)), slice(max(0, left), min(width, right))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            raise ValueError(f"the canvas {crop} lies outside its picture of {width}x{height}; extract the sequence again")
        self._there = rows, columns
        self._here = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
        self._border = border_ramp(seams=(left > 0, top > 0, right < width, bottom < height))
        self._always = head_hull(outline, None)

    def mask(self, points: np.ndarray) -> np.ndarray:
        """How much of the canvas is shown (h, w) float32 in [0, 1], in the pixels of the part of the frame under it."""
        mask = soft_mask([self._always, head_hull(points[:, :2], points)], points) * self._border
        return cv2.resize(mask, self._size, interpolation=cv2.INTER_LINEAR)[self._here]

    def onto(self, base: np.ndarray, canvas: np.ndarray, points: np.ndarray, shown: np.ndarray) -> np.ndarray:
        """`shown` (H, W, 3) uint8 with the part under the canvas overwritten by that of `base` and the canvas over it."""
        how = cv2.INTER_CUBIC if self._size[0] > len(canvas) else cv2.INTER_AREA
        placed, mask = cv2.resize(canvas, self._size, interpolation=how)[self._here], self.mask(points)
        under, over = base[self._there], shown[self._there]
        over[:] = under
        x, y, width, height = cv2.boundingRect((mask > 0).view(np.uint8))
        if width:
            part = slice(y, y + height), slice(x, x + width)
            pictures = (np.ascontiguousarray(one[part]) for one in (placed, under))
            over[part] = cv2.blendLinear(*pictures, mask[part].copy(), 1 - mask[part])
        return shown


def head_hull(outline: np.ndarray, points: np.ndarray | None) -> np.ndarray:
    """The hull (N, 2) of landmarks (N, 2), in canvas units, with hair above and neck below them.

    Up is where the brows are seen from the chin in `points` (L, 3), the canvas's own up when None.
    """
    if points is None:
        up = np.array([0.0, -np.ptp(outline[:, 1])])
    else:
        up = points[_TOP, :2].mean(0) - points[_CHIN, :2]
    grown = np.concatenate([outline, outline + HAIR * up, outline - NECK * up])
    return cv2.convexHull(grown.astype(np.float32))[:, 0]  # (N, 2)


def soft_mask(hulls: list[np.ndarray], points: np.ndarray) -> np.ndarray:
    """A mask (M, M) float32 in [0, 1]: 1 over the hulls (N, 2) and a little more, sloping to 0 round them."""
    unit = MASK_PX / CANVAS_PX
    mask = np.zeros((MASK_PX, MASK_PX), np.uint8)
    for hull in hulls:
        cv2.fillConvexPoly(mask, np.rint(16 * (unit * hull - 0.5)).astype(np.int32), 255, shift=4)
    height = unit * float(np.linalg.norm(points[_TOP, :2].mean(0) - points[_CHIN, :2]))
    reach, slope = max(1, round(SIDES * height)), max(1, round(SOFT * height))
    distance = cv2.distanceTransform(255 - mask, cv2.DIST_L2, 3)                # (M, M) from the hulls
    return smooth_step(1 + (reach - distance) / slope)


def border_ramp(*, seams: tuple[bool, bool, bool, bool]) -> np.ndarray:
    """How much of a canvas is shown near its borders (M, M) float32; `seams` (left, top, right, bottom) are the borders
    beyond which the picture goes on."""
    centres = (np.arange(MASK_PX) + 0.5) / MASK_PX
    slope = [smooth_step((centres - CLEAR) / (FADE - CLEAR)) if seam else np.ones(MASK_PX, np.float32) for seam in seams]
    left, top, right, bottom = slope
    return (top * bottom[::-1])[:, None] * (left * right[::-1])[None]  # (M, M)


def smooth_step(share: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, without a corner between."""
    share = np.clip(share, 0, 1).astype(np.float32)
    return share * share * (3 - 2 * share)


def backgrounds(path: str | Path, *, frames: int, length: int, rate: Fraction = Fraction(media.FPS),
                most_side: int | None = None, background: media.Colour = media.WHITE) -> Iterator[np.ndarray]:
    """`length` frames (H, W, 3) uint8 at `rate` of a source of `frames`: a picture once, a video in time, to and fro when
    shorter.

    Constant memory: what is to be seen again is kept in a file without a name.
    """
    if media.is_image(path):
        yield media.read_image(path, max_side=most_side, background=background, precise=True)
        return
    shown = media.read_frames(path, rate=rate, max_side=most_side, background=background, precise=True)
    if length <= frames:
        yield from islice(shown, length)
        return
    with tempfile.TemporaryFile() as spool:
        ends = [0]
        for frame in shown:
            coded = media.encode_jpeg(frame, SPOOL_QUALITY)
            spool.write(coded)
            ends.append(ends[-1] + len(coded))
            yield frame
        frames = len(ends) - 1
        for place in range(frames, length):
            number = to_and_fro(place, frames)
            spool.seek(ends[number])
            yield media.decode_jpeg(spool.read(ends[number + 1] - ends[number]))


def to_and_fro(number: int, frames: int) -> int:
    """Which of a video's `frames` is seen at a frame number: 0, 1, ..., frames - 1, frames - 2, ..., 1, 0, 1, ..."""
    place = number % max(1, 2 * (frames - 1))
    return min(place, 2 * (frames - 1) - place) if frames > 1 else 0
