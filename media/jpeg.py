"""Pictures as JPEGs in memory, small enough to keep many.

Shapes: H W pixels.
"""

import cv2
import numpy as np


def encode_jpeg(picture: np.ndarray, quality: int) -> bytes:
    """A picture (H, W, 3) uint8 RGB as a JPEG. ValueError for one that cannot be: a side over 65535 pixels, say."""
    ok, coded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ValueError(f"a picture of {picture.shape[1]}x{picture.shape[0]} cannot be made a JPEG")
    return coded.tobytes()


def decode_jpeg(coded: bytes | np.ndarray) -> np.ndarray:
    """The picture (H, W, 3) uint8 RGB that `encode_jpeg` was given, as far as its quality goes."""
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
