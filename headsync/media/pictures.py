"""Reads one still picture, known by its content and never by its name.

Shapes: H W pixels.
"""

import struct
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from headsync.media.animation import is_animated_webp
from headsync.media.containers import checked_file, decoded, open_media, reason, shown_name
from headsync.media.jpeg import decode_reduced, jpeg_pixels
from headsync.media.pixels import MOST_PIXELS, WHITE, Colour, PictureMaker, check_side
from headsync.media.tiles import read_still, smaller

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
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jpeg2000"),
    (b"\xffO\xffQ", "jpeg2000"),
    (b"qoif", "qoi"),
    *((kind + space, decoder) for kind, decoder in ((b"P5", "pgm"), (b"P6", "ppm")) for space in (b"\n", b" ", b"\r\n")),
)
_STILL_BRANDS = (b"avif", b"heic", b"heix", b"mif1")   # of the mp4 family
_WEBP_BYTES = 30
_WIDTH, _HEIGHT, _COMPRESSION = 256, 257, 259          # tags of a TIFF
_SHORT, _JPEG_COMPRESSIONS = 3, (6, 7)
_CONTAINED = "contained"                               # kind of a picture that only a container gives access to


def is_image(path: Path | str) -> bool:
    """Returns whether a file holds one still picture, decided by its content; ValueError when there is no such file.

    An animated GIF, PNG or WebP is a video.
    """
    return _kind(path) is not None


def read_image(path: Path | str, *, max_side: int | None = None, background: Colour = WHITE,
               precise: bool = False) -> np.ndarray:
    """Returns a still picture as uint8 RGB (H, W, 3), upright as its camera noted, what is transparent laid on `background`.

    16-bit, HDR, gray and palette pictures become 8-bit sRGB; the longer side is reduced to `max_side` when it is larger. A
    JPEG of more than 134 megapixels is decoded at 1/2, 1/4 or 1/8 of its sides. ValueError when the file is no picture, is
    damaged beyond use or has more than 134 megapixels. `precise` as for `read_frames`.
    """
    check_side(max_side)
    kind = _kind(path)
    if kind is None:
        raise ValueError(f"{shown_name(path)}: not a still picture; give a PNG, JPEG, WebP, TIFF, BMP or GIF")
    if kind == _CONTAINED:
        return read_still(path, max_side=max_side, background=background, precise=precise)
    coded = _read(path)
    if (kind == "mjpeg" and jpeg_pixels(coded) > MOST_PIXELS) or (kind == "tiff" and _holds_jpeg(coded)):
        picture = decode_reduced(coded, MOST_PIXELS)
        if picture is None or max(picture.shape[0] * picture.shape[1], 1) > MOST_PIXELS:
            raise _unreadable(path, ValueError("damaged, or too large"))
        return smaller(picture, max_side)
    frame = _decoded(path, coded, kind)
    try:
        return PictureMaker(shown_name(path), max_side=max_side, background=background, precise=precise).picture(frame)
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
        return None if is_animated_webp(head[:_WEBP_BYTES]) else "webp"
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


def _read(path: Path | str) -> bytes:
    """The content of a picture file of usual size."""
    size = Path(path).stat().st_size
    if size > _MOST_BYTES:
        raise ValueError(f"{shown_name(path)}: {size} bytes are more than the {_MOST_BYTES} of a picture that is read; "
                         "make it smaller first")
    return Path(path).read_bytes()


def _holds_jpeg(coded: bytes) -> bool:
    """Whether the first picture of a TIFF is compressed as JPEG, which FFmpeg shows black."""
    order, tags = "<" if coded[:2] == b"II" else ">", {}
    try:
        place = struct.unpack(order + "I", coded[4:8])[0]
        for number in range(struct.unpack(order + "H", coded[place : place + 2])[0]):
            tag, kind, _ = struct.unpack(order + "HHI", coded[place + 2 + 12 * number :][:8])
            tags[tag] = struct.unpack(order + ("H2x" if kind == _SHORT else "I"), coded[place + 10 + 12 * number :][:4])[0]
    except struct.error:
        return False
    return tags.get(_COMPRESSION) in _JPEG_COMPRESSIONS and tags.get(_WIDTH, 0) * tags.get(_HEIGHT, 0) <= MOST_PIXELS


def _decoded(path: Path | str, coded: bytes, decoder: str) -> VideoFrame:
    """The frame in a file whose whole content is one coded picture."""
    context = av.CodecContext.create(decoder, "r")
    context.thread_count = 1
    context.options = {"max_pixels": str(MOST_PIXELS)}
    try:
        frames = context.decode(av.Packet(coded))
        frames = frames or context.decode(None)
    except av.FFmpegError as error:
        raise _unreadable(path, error) from error
    if not frames:
        raise ValueError(f"{shown_name(path)}: the picture is cut off; copy it again")
    return frames[0]


def _unreadable(path: Path | str, error: Exception) -> ValueError:
    return ValueError(f"{shown_name(path)}: the picture cannot be read ({reason(error)}; the limit is {MOST_PIXELS} "
                      "pixels); save it again as PNG or JPEG")
