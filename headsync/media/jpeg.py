"""JPEGs in memory, small enough to keep many; and those that are too large to be decoded in full.

Shapes: H W pixels.
"""

import struct

import cv2
import numpy as np

REDUCTIONS = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
_BORDER_PX = 128     # that FFmpeg adds to both sides before it compares
_STARTS_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def encode_jpeg(picture: np.ndarray, quality: int) -> bytes:
    """A picture (H, W, 3) uint8 RGB, or a map (H, W) uint8, as a JPEG. ValueError for one with a side over 65535 pixels."""
    shown = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    ok, coded = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ValueError(f"a picture of {picture.shape[1]}x{picture.shape[0]} cannot be made a JPEG")
    return coded.tobytes()


def decode_jpeg(coded: bytes | np.ndarray) -> np.ndarray:
    """The picture (H, W, 3) uint8 RGB or the map (H, W) that `encode_jpeg` was given, as far as its quality goes."""
    shown = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_UNCHANGED)
    return shown if shown.ndim == 2 else cv2.cvtColor(shown, cv2.COLOR_BGR2RGB)


def jpeg_pixels(coded: bytes) -> int:
    """How many pixels a JPEG says that it has, counted as FFmpeg's limit does, with a border; 0 where it does not say."""
    place = 2
    while place + 9 <= len(coded) and coded[place] == 0xFF:
        marker, size = coded[place + 1], int.from_bytes(coded[place + 2 : place + 4], "big")
        if marker in _STARTS_OF_FRAME:
            height, width = struct.unpack(">HH", coded[place + 5 : place + 9])
            return (height + _BORDER_PX) * (width + _BORDER_PX)
        place += 1 if marker == 0xFF else 2 + size
    return 0


def decode_reduced(coded: bytes, most_pixels: int) -> np.ndarray | None:
    """The picture (H, W, 3) uint8 RGB of a file, upright, at 1/2, 1/4 or 1/8 of its sides where it has more than `most_pixels`.

    None where OpenCV cannot read it.
    """
    pixels = jpeg_pixels(coded)
    factor = next((one for one in (1, *REDUCTIONS) if pixels <= most_pixels * one**2), 8)
    shown = cv2.imdecode(np.frombuffer(coded, np.uint8), REDUCTIONS.get(factor, cv2.IMREAD_COLOR))
    return None if shown is None else cv2.cvtColor(shown, cv2.COLOR_BGR2RGB)
