"""Animated WebP, which FFmpeg does not decode: its frames by Pillow, as FFmpeg's would come."""

import logging
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from PIL import Image

from headsync.media.containers import checked_file, reason, shown_name

_log = logging.getLogger(__name__)
_MOST_PIXELS = 1 << 26      # of one frame, of which two are held
_TICK = Fraction(1, 1000)
_ANIMATED = 0x02            # flag of a WebP's header
_HEADER_BYTES = 30


def is_animation(path: Path | str) -> bool:
    """Returns whether a file is an animated WebP, by its content. ValueError when it is not there."""
    with checked_file(path).open("rb") as file:
        head = file.read(_HEADER_BYTES)
    return is_animated_webp(head)


def is_animated_webp(head: bytes) -> bool:
    """Returns whether the first 30 bytes of a file are those of an animated WebP."""
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) == _HEADER_BYTES and bool(head[20] & _ANIMATED)


def animation_frames(path: Path | str) -> Iterator[VideoFrame]:
    """Returns an iterator over the frames of an animated WebP as RGBA, with time stamps; what is damaged is left out.

    ValueError, one line, where not even the first can be read.
    """
    with open(path, "rb") as file:
        head = file.read(_HEADER_BYTES)
    width, height = (1 + int.from_bytes(head[place : place + 3], "little") for place in (24, 27))
    if width * height > _MOST_PIXELS:
        raise ValueError(f"{shown_name(path)}: {width} x {height} pixels are more than the limit of {_MOST_PIXELS} for moving "
                         "pictures; make it smaller first")
    number = 0
    try:
        with Image.open(path, formats=["WEBP"]) as animation:
            for number in range(getattr(animation, "n_frames", 1)):
                animation.seek(number)
                picture = np.asarray(animation.convert("RGBA"))     # (H, W, 4)
                frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgba")
                lasts_ms = max(1, int(animation.info.get("duration", 0)))
                frame.pts, frame.time_base, frame.duration = int(animation.info.get("timestamp", 0)), _TICK, lasts_ms
                yield frame
    except (OSError, EOFError, SyntaxError, ValueError, struct.error, RuntimeError) as error:
        if number == 0:
            raise ValueError(f"{shown_name(path)}: the animated picture cannot be read ({reason(error)}); save it as a video "
                             "or a GIF") from error
        _log.warning("%s: damaged or cut off (%s); reading what can be read", shown_name(path), reason(error))
