"""Pictures as JPEGs in memory, small enough to keep many.

Shapes: H W pixels.
"""

import cv2
import numpy as np


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
