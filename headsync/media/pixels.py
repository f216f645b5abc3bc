"""Turns a decoded frame of any pixel format into an upright RGB picture with square pixels.

Shapes: H W pixels.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from headsync.media.colours import ColourConverter, is_wide, matrix_of
from headsync.media.orientation import frame_orientation, turned

MOST_PIXELS = 2**27   # 134 megapixels, four times 8K; a larger picture is refused before it fills the memory
_SQUARE = Fraction(1)
Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)
CARE = [getattr(Interpolation, name, 0) for name in ("ACCURATE_RND", "FULL_CHR_H_INT", "FULL_CHR_H_INP")]   # PyAV 17: none


class Size(NamedTuple):
    height: int
    width: int


class PictureMaker:
    """Turns the decoded frames of one file into pictures; kept between frames, as its scaler is costly to set up."""

    pixel = _SQUARE     # width of a stored pixel over its height

    def __init__(self, name: str, *, max_side: int | None = None, video: bool = False, background: Colour = WHITE,
                 precise: bool = False):
        """`name` is what errors call the file.

        A `video` without colour tags is read by its size's matrix. What is transparent is laid on
        `background`. `precise` rounds and interpolates colours carefully, at four times the cost: for pictures that are
        written again.
        """
        self._name, self._max_side, self._video = name, max_side, video
        self._background = np.array(background, np.uint16)
        self._care = CARE if precise and all(CARE) else []
        self._scaler = VideoReformatter()
        self._converter: ColourConverter | None = None

    def picture(self, frame: VideoFrame) -> np.ndarray:
        """Returns a decoded frame as uint8 RGB (H, W, 3), upright, contiguous, what is transparent laid on white.

        The longer side is reduced to `max_side` when it is larger. ValueError when the picture is absurdly large.
        """
        if frame.width * frame.height > MOST_PIXELS:
            raise ValueError(f"{self._name}: {frame.width} x {frame.height} pixels are more than the limit of "
                             f"{MOST_PIXELS}; make the picture smaller first")
        orientation = frame_orientation(frame)
        height, width = shown_size(frame, self.pixel)
        if self._max_side is not None and max(height, width) > self._max_side:
            scale = Fraction(self._max_side, max(height, width))
            height, width = max(1, round(height * scale)), max(1, round(width * scale))
        if orientation.transposed:
            height, width = width, height
        how = Interpolation.AREA if width < frame.width or height < frame.height else Interpolation.BICUBIC
        for flag in self._care:
            how |= flag
        transparent = frame.format.has_palette or _has_alpha(frame)
        wide = is_wide(frame)
        form = {(False, False): "rgb24", (True, False): "rgba", (False, True): "rgb48le", (True, True): "rgba64le"}
        picture = self._scaler.reformat(
            frame, width=width, height=height, format=form[transparent, wide],
            src_colorspace=matrix_of(frame, video=self._video),
            interpolation=how,
            threads=1).to_ndarray()   # (H, W, 3 or 4); more threads wait for each other on a busy machine
        if wide:
            picture = self._narrowed(picture, frame)
        return turned(laid_on(picture, self._background) if transparent else picture, orientation)

    def _narrowed(self, picture: np.ndarray, frame: VideoFrame) -> np.ndarray:
        """uint8 sRGB (H, W, 3 or 4) of what is shown in other light or colours, (H, W, 3 or 4) uint16."""
        told = int(frame.color_trc), int(frame.color_primaries)
        if self._converter is None or self._converter.told != told:
            self._converter = ColourConverter(*told)
        shown = self._converter.converted(picture[..., :3])
        return shown if picture.shape[2] == 3 else np.dstack([shown, (picture[..., 3] >> 8).astype(np.uint8)])


def shown_size(frame: VideoFrame, pixel: Fraction = _SQUARE) -> Size:
    """Returns height and width of a frame as it is to be seen: upright, with square pixels, never made smaller."""
    height, width = frame.height, frame.width
    if pixel > 1:
        width = round(width * pixel)
    else:
        height = round(height / pixel)
    return Size(width, height) if frame_orientation(frame).transposed else Size(height, width)


def check_side(max_side: int | None) -> None:
    """Raises ValueError when `max_side` cannot be the longer side of a picture."""
    if max_side is not None and max_side < 1:
        raise ValueError(f"max_side must be at least 1 pixel, got {max_side}")


def _has_alpha(frame: VideoFrame) -> bool:
    return any(component.is_alpha for component in frame.format.components)


def laid_on(picture: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Returns uint8 (H, W, 4) with its colours mixed by its last channel with a background (3,) or (H, W, 3): (H, W, 3)."""
    alpha = picture[..., 3:].astype(np.uint16)   # (H, W, 1)
    return ((picture[..., :3] * alpha + background * (255 - alpha) + 127) // 255).astype(np.uint8)
