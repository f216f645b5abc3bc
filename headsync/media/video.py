"""Pictures of any video file, one after the other, upright, at a constant rate chosen by their time stamps.

Shapes: H W pixels.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.video.frame import VideoFrame

from headsync.media.animation import animation_frames, is_animation
from headsync.media.clock import FPS, FrameResampler
from headsync.media.containers import (
    audio_stream,
    decoded,
    frame_time,
    open_media,
    required_video_stream,
    shown_name,
    stream_seconds,
)
from headsync.media.fields import progressive
from headsync.media.orientation import frame_orientation
from headsync.media.pixels import WHITE, Colour, PictureMaker, check_side, shown_size

_WIDEST_PIXEL = Fraction(4)     # a pixel more oblong than this is a damaged header
_LONGEST_LAST_S = Fraction(60)  # a last frame that says to last longer is one too


class VideoInfo(NamedTuple):
    width: int              # as shown: upright, with square pixels
    height: int
    rate: Fraction          # frames per second, the average one when it varies
    duration_s: float
    frames: int             # declared; 0 when the file does not say
    rotation_degrees: int   # clockwise turn that `read_frames` applies to the stored pictures
    has_audio: bool
    audio_codec: str | None


def video_info(path: Path | str) -> VideoInfo:
    """Returns size, rate, duration and sound of a video file; ValueError when not even its first frame can be shown."""
    if is_animation(path):
        return _animation_info(path)
    with open_media(path) as container:
        stream = required_video_stream(container, path)
        sound = audio_stream(container)
        frame = next(decoded(container, stream, path), None)
        if frame is None:
            raise _no_frames(path)
        height, width = shown_size(frame, _pixel_shape(stream))
        rate, frames, has_audio = _rate(stream), stream.frames, sound is not None
        codec = sound.codec_context.codec.canonical_name if has_audio else None
        duration_s = stream_seconds(container, stream)
    rotation_degrees = frame_orientation(frame).rotation_degrees
    return VideoInfo(width, height, rate, duration_s, frames, rotation_degrees, has_audio, codec)


def _animation_info(path: Path | str) -> VideoInfo:
    ends = [(frame.pts + frame.duration) * frame.time_base for frame in animation_frames(path)]
    height, width = shown_size(next(animation_frames(path)))
    return VideoInfo(width, height, len(ends) / ends[-1], float(ends[-1]), len(ends), 0, False, None)


def read_frames(path: Path | str, *, rate: Fraction | int | None = Fraction(FPS), max_side: int | None = None,
                background: Colour = WHITE, precise: bool = False) -> Iterator[np.ndarray]:
    """Returns an iterator of uint8 RGB frames (H, W, 3), upright, with square pixels, contiguous, in constant memory.

    Output frame k is the source frame whose time stamp is nearest to k / rate after the first one; rate=None gives
    every source frame once. The longer side is reduced to `max_side` when it is larger; HDR becomes sRGB, interlaced
    frames are made whole, and what is transparent is laid on `background`. `precise` reads colours with more care, at four
    times the cost. ValueError when the file holds no readable video, raised when the first frame is asked for.
    """
    if rate is not None:
        FrameResampler(rate)   # refuses a rate that is none
    check_side(max_side)
    maker = PictureMaker(shown_name(path), max_side=max_side, video=True, background=background, precise=precise)
    return _frames(path, rate, maker)


def _frames(path: Path | str, rate: Fraction | int | None, maker: PictureMaker) -> Iterator[np.ndarray]:
    with _opened(path) as source:
        maker.pixel = source.pixel
        resampler = _EveryFrame() if rate is None else FrameResampler(rate)
        held: VideoFrame | None = None
        time = Fraction(0)
        for frame in source.frames:
            stamped = frame_time(frame)
            time = stamped if stamped is not None else time + source.usual
            times = resampler.push(time)
            if times:
                yield from _repeated(maker.picture(held), times)
            held = frame
        if held is None:
            raise _no_frames(path)
        times = resampler.finish(_last_s(held, source.ends) or source.usual)
        if times:
            yield from _repeated(maker.picture(held), times)


class _Source(NamedTuple):
    """Where decoded frames come from."""

    frames: Iterator[VideoFrame]
    usual: Fraction             # seconds that a frame usually lasts
    pixel: Fraction             # width of a stored pixel over its height
    ends: Fraction | None       # when the last frame ends, on the container's time line, where that is said


@contextmanager
def _opened(path: Path | str) -> Iterator[_Source]:
    """The frames of a video file while it is open."""
    if is_animation(path):
        yield _Source(animation_frames(path), Fraction(1, FPS), Fraction(1), None)
        return
    with open_media(path) as container:
        stream = required_video_stream(container, path)
        ends = None
        if stream.duration and stream.time_base:
            ends = ((stream.start_time or 0) + stream.duration) * Fraction(stream.time_base)
        yield _Source(progressive(decoded(container, stream, path)), 1 / _rate(stream), _pixel_shape(stream), ends)


def _last_s(frame: VideoFrame, ends: Fraction | None) -> Fraction:
    """How long the last frame is shown, as its packet says: not beyond the stream's end, where that is said, nor a minute."""
    lasts = (frame.duration or 0) * Fraction(frame.time_base or 0)
    if ends is not None and frame_time(frame) is not None:
        lasts = min(lasts, max(ends - frame_time(frame), Fraction(0)))
    return min(lasts, _LONGEST_LAST_S)


class _EveryFrame:
    """Stands in for a FrameResampler where the source's own frames are wanted, each once."""

    def __init__(self):
        self._pushed = 0

    def push(self, time: Fraction) -> int:
        """Returns 1 for every frame but the first, which has none before it."""
        self._pushed += 1
        return int(self._pushed > 1)

    def finish(self, duration: Fraction) -> int:
        """Returns 1 for the last frame."""
        return 1


def _repeated(picture: np.ndarray, times: int) -> Iterator[np.ndarray]:
    yield picture
    for _ in range(times - 1):
        yield picture.copy()   # so that whoever draws on one of them leaves the others alone


def _pixel_shape(stream: av.VideoStream) -> Fraction:
    """Width of a stored pixel over its height; 1 when it is not said or absurd."""
    shape = stream.sample_aspect_ratio
    if not shape or not 1 / _WIDEST_PIXEL <= shape <= _WIDEST_PIXEL:
        return Fraction(1)
    return Fraction(shape)


def _rate(stream: av.VideoStream) -> Fraction:
    return next((Fraction(rate) for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate) if rate),
                Fraction(FPS))


def _no_frames(path: Path | str) -> ValueError:
    return ValueError(f"{shown_name(path)}: not one frame can be decoded; the file is damaged or cut off")
