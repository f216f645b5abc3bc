"""A video as it is stored: every frame with its own size, format, colour tags and time stamp, forwards or backwards.

Shapes: H W pixels as shown. Memory does not grow with length.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from av.video.frame import VideoFrame

from headsync.media.clock import FPS
from headsync.media.containers import decoded, open_media, required_video_stream, shown_name
from headsync.media.fields import progressive
from headsync.media.orientation import Orientation, frame_orientation, turned
from headsync.media.planes import PlanarFrames

HELD_BYTES = 1 << 28        # of frames that are held to be given backwards
_WIDEST_PIXEL = Fraction(4)


@dataclass(frozen=True)
class StoredForm:
    """What all frames of a video have in common."""

    path: Path
    width: int              # as stored
    height: int
    format: str             # of the planar frames, `planes.FORMATS`
    bits: int
    time_base: Fraction
    rate: Fraction          # average
    pixel: Fraction         # width of a stored pixel over its height
    orientation: Orientation
    tags: tuple[int, int, int, int]     # matrix, range, primaries, transfer: FFmpeg's numbers
    interlaced: bool

    @property
    def shown_size(self) -> tuple[int, int]:
        """Height and width, upright and with square pixels."""
        width, height = self._square
        return (width, height) if self.orientation.transposed else (height, width)

    @property
    def _square(self) -> tuple[int, int]:
        if self.pixel >= 1:
            return round(self.width * self.pixel), self.height
        return self.width, round(self.height / self.pixel)

    def shown(self, picture: np.ndarray) -> np.ndarray:
        """An RGB picture of the stored frame, reduced or not, upright and with square pixels."""
        if self.pixel != 1:
            factor = picture.shape[1] / self.width
            size = tuple(max(1, round(factor * side)) for side in self._square)
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
        return turned(picture, self.orientation)

    def to_stored(self) -> np.ndarray:
        """(2, 3): from places in the picture as shown to those in the frame as stored, corners of pixels at whole numbers."""
        width, height = self._square
        x, y, ends = np.array([1.0, 0, 0]), np.array([0.0, 1, 0]), self.shown_size
        if self.orientation.flipped_y:
            y = np.array([0, -1.0, ends[0]])
        if self.orientation.flipped_x:
            x = np.array([-1.0, 0, ends[1]])
        if self.orientation.transposed:
            x, y = y, x
        return np.stack([x * self.width / width, y * self.height / height])


def stored_form(path: Path | str) -> StoredForm:
    """Returns what the first frame and its stream say. ValueError, one line, for a file without pictures."""
    with open_media(path) as container:
        stream = required_video_stream(container, path)
        frame = next(decoded(container, stream, path), None)
        if frame is None:
            raise ValueError(f"{shown_name(path)}: not one frame can be decoded; the file is damaged or cut off")
        planar = PlanarFrames().planar(frame)
        shape = Fraction(stream.sample_aspect_ratio or 1)
        shape = shape if 1 / _WIDEST_PIXEL <= shape <= _WIDEST_PIXEL else Fraction(1)
        rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
        rate = next((Fraction(one) for one in rates if one), Fraction(FPS))
        tags = tuple(int(one) for one in (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc))
        if frame.format.name.startswith("yuvj"):
            tags = (tags[0], 2, *tags[2:])
        return StoredForm(Path(path), frame.width, frame.height, planar.format.name.replace("yuvj", "yuv"),
                          planar.format.components[0].bits, Fraction(stream.time_base), rate, shape, frame_orientation(frame),
                          tags, bool(frame.interlaced_frame))


def stored_frames(path: Path | str, *, start: int | None = None) -> Iterator[VideoFrame]:
    """Returns an iterator of the planar frames of a video in order of display; `start` is the time stamp of the first.

    Fields are made whole pictures. Frames of another size than the first one's end it. ValueError, one line, for a file
    without pictures.
    """
    with open_media(path) as container:
        stream, planar, size = required_video_stream(container, path), PlanarFrames(), None
        if start is not None:
            container.seek(start, stream=stream, backward=True)
        for frame in progressive(decoded(container, stream, path)):
            if start is not None and (frame.pts is None or frame.pts < start):
                continue
            size = size or (frame.width, frame.height)
            if (frame.width, frame.height) != size:
                return
            yield planar.planar(frame)


def backwards(path: Path | str, stamps: Sequence[int], start: int, stop: int) -> Iterator[VideoFrame]:
    """Returns an iterator of frames `stop` - 1 down to `start`; `stamps` are the time stamps of all frames.

    As many are held as fit `HELD_BYTES`; each piece is decoded from the key frame before it.
    """
    held = None
    while stop > start:
        if held is None:
            first = next(stored_frames(path))
            held = max(1, HELD_BYTES // max(1, sum(one.buffer_size for one in first.planes)))
        low, piece = max(start, stop - held), []
        for frame in stored_frames(path, start=stamps[low]):
            if frame.pts >= stamps[stop - 1]:
                piece.append(frame)
                break
            piece.append(frame)
        yield from reversed(piece)
        stop = low


def stamp(frame: VideoFrame, usual: int, latest: int | None) -> int:
    """Returns the time stamp of a frame, `usual` ticks after the `latest` where it has none or one that does not rise."""
    if frame.pts is not None and (latest is None or frame.pts > latest):
        return frame.pts
    return 0 if latest is None else latest + usual
