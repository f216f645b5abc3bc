"""Turns pictures the way they are to be seen, from the display matrix that cameras store beside them.

Shapes: H W pixels.
"""

from typing import NamedTuple

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

_MATRIX_BYTES = 36   # nine 32-bit integers


class Orientation(NamedTuple):
    """How to show a stored picture: first transpose (swap x and y), then mirror."""

    transposed: bool = False
    flipped_x: bool = False
    flipped_y: bool = False

    @property
    def rotation_degrees(self) -> int:
        """Clockwise turn from the stored to the shown picture (mirroring, which no camera of ours does, left aside)."""
        if self.transposed:
            return 90 if self.flipped_x else 270
        return 180 if self.flipped_x and self.flipped_y else 0


QUARTER_TURNS = (Orientation(), Orientation(True, True, False), Orientation(False, True, True),
                  Orientation(True, False, True))   # clockwise


def frame_orientation(frame: VideoFrame) -> Orientation:
    """Returns how a decoded frame is to be shown: as stored, when it carries no display matrix.

    Frames that a PNG may have given (RGB, gray, palettes) are turned only, not mirrored: their side data is not touched.
    """
    if not _in_luma_and_chroma(frame):
        return _quarter_turns(frame)
    try:
        side_data = frame.side_data.get(Type.DISPLAYMATRIX)
    except ValueError:   # PyAV 17 and 18 do not know the EXIF block that may lie beside the matrix
        return _quarter_turns(frame)
    if side_data is None or len(bytes(side_data)) < _MATRIX_BYTES:
        return Orientation()
    a, b, _, c, d = np.frombuffer(bytes(side_data), dtype=np.int32)[:5].astype(np.int64)
    # x' = a x + c y and y' = b x + d y
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, bool(a < 0), bool(d < 0))
    return Orientation(True, bool(c < 0), bool(b < 0))


def _in_luma_and_chroma(frame: VideoFrame) -> bool:
    """False of all that a PNG is decoded to, whose side data holds the name of its colour profile.

    PyAV 17 to 19 frees such a name when the side data goes and again when the frame goes, which kills the program.
    """
    return not frame.format.is_rgb and len(frame.format.components) >= 3


def _quarter_turns(frame: VideoFrame) -> Orientation:
    return QUARTER_TURNS[round(-frame.rotation / 90) % 4]


def turned(picture: np.ndarray, orientation: Orientation) -> np.ndarray:
    """Returns the picture (H, W, C) as it is to be seen, in one contiguous block."""
    if orientation.transposed:
        picture = picture.swapaxes(0, 1)   # (W, H, C)
    if orientation.flipped_x:
        picture = picture[:, ::-1]
    if orientation.flipped_y:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)
