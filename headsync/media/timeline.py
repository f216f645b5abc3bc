"""Lays decoded sound on one gapless time line, resampled, as numbers that are all finite.

Shapes: C channels, n samples of one piece.
"""

import math
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

from headsync.media.clock import LARGEST_GAP_S
from headsync.media.containers import frame_time

_SMALLEST_GAP_S = Fraction(1, 20)   # below this a time stamp that does not fit is rounding, above it a real gap
_LARGEST_SAMPLE = 1e9               # beyond it a float is damage; kept finite through the filters
_STEREO = 2                         # channels that are taken for left and right where they have no names
_MOST_PLANES = 8                    # from so many planar channels on PyAV must not be asked for the samples


class TimeLine:
    """Puts decoded frames where their time stamps say, resampled, with silence where there is nothing.

    Time 0 is `origin`, in seconds on the container's time line; None makes it the start of the first frame.
    """

    def __init__(self, rate_hz: int, layout: str, origin: Fraction | None):
        self.rate_hz, self.layout, self.origin = rate_hz, layout, origin
        self.written = 0                          # samples handed out
        self.finite = False                       # some sample was a number
        self.silenced = 0                         # samples that were not
        self._to_drop = 0                         # samples of this segment that lie before what is written
        self._last: int | None = None             # samples after which nothing is handed out
        self._expected: Fraction | None = None    # when the next frame should start, from the origin
        self._shape: tuple = ()                   # what must not change within a segment
        self._resampler: av.AudioResampler | None = None
        self._newest: av.AudioFrame | None = None

    def push(self, frame: av.AudioFrame, *, end: Fraction | None = None) -> Iterator[np.ndarray]:
        """Returns the pieces (C, n) that are settled once this frame is known, without what lies after `end`."""
        frame = self._clean(frame)
        start = self._start(frame)
        if end is not None and 0 < end - self.origin - start < Fraction(frame.samples, frame.sample_rate):
            self._last = round((end - self.origin) * self.rate_hz)
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._expected is None or start != self._expected or shape != self._shape:
            yield from self.flush()
            self._shape = shape
            yield from self._begin(start)
        self._expected = start + Fraction(frame.samples, frame.sample_rate)
        self._newest = frame
        frame.pts = None
        yield from self._cut(self._resampler.resample(frame), self._last)

    def flush(self) -> Iterator[np.ndarray]:
        """Returns the pieces (C, n) that the resampler still holds.

        It is given silence to finish on, as it needs more than a few samples to say anything at all, and its answer is
        cut where the sound ends.
        """
        if self._resampler is not None:
            frames = [*self._resampler.resample(_silence_like(self._newest)), *self._resampler.resample(None)]
            end = math.ceil(self._expected * self.rate_hz)
            end = end if self._last is None else min(end, self._last)
            yield from self._cut([frame for frame in frames if frame], end)
            self._resampler = None

    def _start(self, frame: av.AudioFrame) -> Fraction:
        """When the frame starts, in seconds from the origin; small misfits are taken for rounding."""
        time = frame_time(frame)
        if self.origin is None:
            self.origin = time or Fraction(0)
        expected = self._expected or Fraction(0)
        if time is None:
            return expected
        misfit = time - self.origin - expected
        if abs(misfit) > LARGEST_GAP_S:
            self.origin, misfit = self.origin + misfit, Fraction(0)   # damaged time stamps: go on where we are
        if self._expected is not None and abs(misfit) < _SMALLEST_GAP_S:
            return expected
        return expected + misfit

    def _begin(self, start: Fraction) -> Iterator[np.ndarray]:
        self._resampler = av.AudioResampler(format="fltp", layout=self.layout, rate=self.rate_hz)
        gap = round(start * self.rate_hz) - self.written
        self._to_drop = max(0, -gap)
        while gap > 0:
            silent = min(gap, self.rate_hz)
            yield self._counted(np.zeros((av.AudioLayout(self.layout).nb_channels, silent), np.float32))
            gap -= silent

    def _cut(self, frames: list[av.AudioFrame], last: int | None) -> Iterator[np.ndarray]:
        for frame in frames:
            samples = frame.to_ndarray()   # (C, n)
            dropped = min(self._to_drop, samples.shape[1])
            self._to_drop -= dropped
            samples = samples[:, dropped:]
            if last is not None:
                samples = samples[:, :max(0, last - self.written)]
            if samples.shape[1]:
                yield self._counted(samples)

    def _counted(self, samples: np.ndarray) -> np.ndarray:
        self.written += samples.shape[1]
        return samples

    def _clean(self, frame: av.AudioFrame) -> av.AudioFrame:
        """The frame with zeros for what is no number, and mixed to one channel when its layout has no name."""
        frame = _safe(frame)
        is_float = frame.format.name.startswith(("flt", "dbl"))
        named = "channels" not in frame.layout.name
        if not is_float:
            self.finite = True
        elif named and _within_bounds(frame):
            self.finite = True
            return frame
        if named and not is_float:
            return frame
        samples = frame.to_ndarray()   # (C, n), or (1, n * C) when the channels are interleaved
        if is_float:
            valid = np.isfinite(samples)
            self.finite |= bool(valid.any())
            self.silenced += int(samples.size - np.count_nonzero(valid))
            samples = np.clip(np.where(valid, samples, 0), -_LARGEST_SAMPLE, _LARGEST_SAMPLE).astype(samples.dtype)
        if named or frame.layout.nb_channels == _STEREO:
            return _like(frame, samples, frame.format.name, frame.layout.name if named else "stereo")
        if not frame.format.is_planar:
            samples = samples.reshape(-1, frame.layout.nb_channels).T   # (C, n)
        scale = 1.0 if is_float else 1 / (1 << (8 * frame.format.bytes - 1))
        middle = 1.0 if frame.format.name.startswith("u8") else 0.0
        mixed = samples.mean(axis=0, keepdims=True, dtype=np.float64) * scale - middle   # (1, n)
        return _like(frame, mixed.astype(np.float32), "fltp", "mono")


def _silence_like(frame: av.AudioFrame) -> av.AudioFrame:
    """A tenth of a second of silence in the format of a frame."""
    silence = av.AudioFrame(frame.format.name, frame.layout.name, frame.sample_rate // 10 + 1)
    silence.sample_rate, silence.time_base, silence.pts = frame.sample_rate, frame.time_base, None
    zero = b"\x80" if frame.format.name.startswith("u8") else b"\x00"
    for plane in silence.planes:
        plane.update(zero * plane.buffer_size)
    return silence


def _safe(frame: av.AudioFrame) -> av.AudioFrame:
    """The frame with its channels interleaved when there are many: PyAV 17 to 19 reads past the eighth plane."""
    if not frame.format.is_planar or frame.layout.nb_channels < _MOST_PLANES:
        return frame
    resampler = av.AudioResampler(format=frame.format.packed, layout=frame.layout, rate=frame.sample_rate)
    interleaved = resampler.resample(frame)[0]
    interleaved.time_base, interleaved.pts = frame.time_base, frame.pts
    return interleaved


def _within_bounds(frame: av.AudioFrame) -> bool:
    """True when no sample is NaN, infinite or absurd: a comparison with NaN is never true."""
    samples = frame.to_ndarray()
    return bool((np.abs(samples) <= _LARGEST_SAMPLE).all())


def _like(frame: av.AudioFrame, samples: np.ndarray, sample_format: str, layout: str) -> av.AudioFrame:
    copy = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=sample_format, layout=layout)
    copy.sample_rate, copy.time_base, copy.pts = frame.sample_rate, frame.time_base, frame.pts
    return copy
