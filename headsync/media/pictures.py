"""Reads one still picture, known by its content and never by its name.

Shapes: H W pixels.
"""

from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from headsync.media.containers import checked_file, decoded, open_media, reason, shown_name
from headsync.media.pixels import MOST_PIXELS, PictureMaker, check_side

_MOST_BYTES = 2**29     # a picture file larger than this is refused before it is read
_HEAD_BYTES = 4096
_SIGNATURES = (         # (first bytes, decoder)
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "mjpeg"),
    (b"BM", "bmp"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
)
_STILL_BRANDS = (b"avif", b"heic", b"heix", b"mif1")   # of the mp4 family
_CONTAINED = "contained"                               # kind of a picture that only a container gives access to


def is_image(path: Path | str) -> bool:
    """Returns whether a file holds one still picture, decided by its content; ValueError when there is no such file.

    An animated GIF or PNG is a video.
    """
    return _kind(path) is not None


def read_image(path: Path | str, *, max_side: int | None = None) -> np.ndarray:
    """Returns a still picture as uint8 RGB (H, W, 3), upright as its camera noted, what is transparent laid on white.

    16-bit, gray and palette pictures become 8-bit RGB; the longer side is reduced to `max_side` when it is larger.
    ValueError when the file is no picture, is damaged beyond use or has more than 134 megapixels.
    """
    check_side(max_side)
    kind = _kind(path)
    if kind is None:
        raise ValueError(f"{shown_name(path)}: not a still picture; give a PNG, JPEG, WebP, TIFF, BMP or GIF")
    frame = _contained(path) if kind == _CONTAINED else _decoded(path, kind)
    try:
        return PictureMaker(shown_name(path), max_side=max_side).picture(frame)
    except av.FFmpegError as error:
        raise _unreadable(path, error) from error


def _kind(path: Path | str) -> str | None:
    """The decoder for a still picture; None when the file is something else."""
    path = checked_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise ValueError(f"{shown_name(path)}: cannot be opened ({reason(error)}); check its permissions") from error
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS:
        return _CONTAINED
    kind = next((decoder for signature, decoder in _SIGNATURES if head.startswith(signature)), None)
    if kind == "bmp" and head[6:10] != bytes(4):
        return None     # a text that begins with BM
    if kind == "png" and b"acTL" in head.split(b"IDAT")[0]:
        return None     # animated
    if kind == "gif" and _moves(path):
        return None
    return kind


def _moves(path: Path) -> bool:
    """True when a GIF holds a second picture."""
    try:
        with open_media(path) as container:
            frames = decoded(container, container.streams.video[0], path)
            return next(frames, None) is not None and next(frames, None) is not None
    except (ValueError, IndexError):
        return False    # damaged: reading it as a still gives the reason


def _decoded(path: Path | str, decoder: str) -> VideoFrame:
    """The frame in a file whose whole content is one coded picture."""
    size = Path(path).stat().st_size
    if size > _MOST_BYTES:
        raise ValueError(f"{shown_name(path)}: {size} bytes are more than the {_MOST_BYTES} of a picture that is read; "
                         "make it smaller first")
    context = av.CodecContext.create(decoder, "r")
    context.thread_count = 1
    context.options = {"max_pixels": str(MOST_PIXELS)}
    try:
        frames = context.decode(av.Packet(Path(path).read_bytes()))
        frames = frames or context.decode(None)
    except av.FFmpegError as error:
        raise _unreadable(path, error) from error
    if not frames:
        raise ValueError(f"{shown_name(path)}: the picture is cut off; copy it again")
    return frames[0]


def _contained(path: Path | str) -> VideoFrame:
    """The picture of an AVIF or HEIC file."""
    with open_media(path) as container:
        if len(container.streams.video) != 1:
            raise ValueError(f"{shown_name(path)}: a picture of {len(container.streams.video)} tiles or layers cannot "
                             "be read; save it as PNG or JPEG")
        frame = next(decoded(container, container.streams.video[0], path), None)
    if frame is None:
        raise ValueError(f"{shown_name(path)}: the picture is cut off; copy it again")
    return frame


def _unreadable(path: Path | str, error: Exception) -> ValueError:
    return ValueError(f"{shown_name(path)}: the picture cannot be read ({reason(error)}; the limit is {MOST_PIXELS} "
                      "pixels); save it again as PNG or JPEG")
