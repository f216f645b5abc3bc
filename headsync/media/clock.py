"""The one clock: 25 frames, 16 000 samples and 100 feature rows a second, and how they convert into each other.

Shapes: N samples, T video frames, K output frames, n source frames.
"""

import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np

FPS = 25
SAMPLE_RATE_HZ = 16000
ROW_RATE_HZ = 100
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FPS     # 640
ROWS_PER_FRAME = ROW_RATE_HZ // FPS           # 4
WINDOW_SAMPLES = 400                          # 25 ms, the length of one feature window
HOP_SAMPLES = SAMPLE_RATE_HZ // ROW_RATE_HZ   # 160

LARGEST_GAP_S = 600         # a longer jump between two time stamps is a damaged time stamp, not a pause
_FLOAT_SLACK_FRAMES = 1e-6  # far above the error of a float in seconds, far below one sample of 192 kHz


def frames_for_samples(samples: int) -> int:
    """Returns how many video frames cover `samples` at 16 kHz: ceil(samples / 640). ValueError when negative."""
    return -(-_count(samples, "samples") // SAMPLES_PER_FRAME)


def samples_for_frames(frames: int) -> int:
    """Returns how many samples at 16 kHz last as long as `frames` video frames. ValueError when negative."""
    return _count(frames, "frames") * SAMPLES_PER_FRAME


def rows_for_frames(frames: int) -> int:
    """Returns how many feature rows belong to `frames` video frames: 4 each. ValueError when negative."""
    return _count(frames, "frames") * ROWS_PER_FRAME


def frames_for_seconds(seconds: Fraction | float) -> int:
    """Returns ceil(25 x seconds): exact for a Fraction or an int, and safe from rounding noise for a float.

    0.04 as a float is a hair more than one frame and still gives 1. ValueError when negative or not finite.
    """
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"a duration must be finite and not negative, got {seconds} s")
    frames = Fraction(seconds) * FPS
    nearest = round(frames)
    if isinstance(seconds, float) and abs(frames - nearest) < _FLOAT_SLACK_FRAMES:
        return nearest
    return math.ceil(frames)


def in_step(picture: int, sound: int, late_frames: int) -> tuple[slice, slice]:
    """Returns two slices, equally long, maybe empty: which of `picture` frames and `sound` frames of sound belong together.

    The sound is late by `late_frames`, early where that is negative.
    """
    first_picture, first_sound = max(-late_frames, 0), max(late_frames, 0)
    count = max(0, min(picture - first_picture, sound - first_sound))
    return slice(first_picture, first_picture + count), slice(first_sound, first_sound + count)


def pad_waveform(waveform: np.ndarray, frames: int) -> np.ndarray:
    """Returns `waveform` (N,) cut or filled up with zeros to (640 * frames + 240,): what makes exactly 4 * frames rows.

    1 + ceil((640 T + 240 - 400) / 160) = 4 T. ValueError when `waveform` is not one channel or `frames` is under 1.
    """
    if waveform.ndim != 1:
        raise ValueError(f"a waveform must have the shape (samples,), got {waveform.shape}; mix it down to one channel")
    if _count(frames, "frames") < 1:
        raise ValueError("a waveform is padded to at least 1 frame, got 0")
    length = frames * SAMPLES_PER_FRAME + WINDOW_SAMPLES - HOP_SAMPLES
    padded = np.zeros(length, dtype=waveform.dtype)
    kept = min(length, len(waveform))
    padded[:kept] = waveform[:kept]
    return padded


class FrameResampler:
    """Tells, frame by frame, which source frame is on screen at each output frame of a constant rate: the nearest one.

    Output frame k stands at k / rate after the first source frame; all arithmetic is rational, so that nothing drifts.
    """

    def __init__(self, rate: Fraction | int):
        self.rate = Fraction(rate)
        if self.rate <= 0:
            raise ValueError(f"a frame rate must be above 0, got {rate}")
        self._shown = 0                          # output frames settled so far
        self._pushed = 0                         # source frames after the first
        self._origin: Fraction | None = None     # time stamp that counts as 0
        self._previous = Fraction(0)             # time of the newest source frame, from the origin

    def push(self, time: Fraction) -> int:
        """Returns how often the frame before this one is shown (0 for the first), now that the next one is known."""
        if self._origin is None:
            self._origin = time
            return 0
        elapsed = time - self._origin
        if abs(elapsed - self._previous) > LARGEST_GAP_S:
            self._origin = time - self._previous - 1 / self.rate   # damaged time stamps: go on one output frame later
            elapsed = self._previous + 1 / self.rate
        gap = elapsed - self._previous
        if gap <= 0:
            return 0   # the caller now holds the newer of two pictures of one instant
        self._pushed += 1
        usual = elapsed / self._pushed                                        # how long this frame is going to last
        nearer = math.floor((self._previous + gap / 2) * self.rate) + 1       # output frames nearer to the one before
        certain = math.floor((elapsed + usual) * self.rate + Fraction(1, 2))  # no more than `finish` is going to give
        self._previous = elapsed
        return self._settle(min(nearer, certain))

    def finish(self, duration: Fraction) -> int:
        """Returns how often the last frame is shown when it lasts `duration` seconds: at least once in a whole clip.

        The number of all output frames is the clip's length times the rate, rounded: half a frame off at most.
        """
        if self._origin is None:
            return 0
        exact = (self._previous + duration) * self.rate
        return self._settle(max(1, math.floor(exact + Fraction(1, 2))))

    def _settle(self, total: int) -> int:
        newly = max(0, total - self._shown)
        self._shown += newly
        return newly


def shown_frames(times: Iterable[Fraction], *, rate: Fraction | int = FPS, last: Fraction) -> list[int]:
    """Returns, for each of K output frames at `rate`, which source frame is on screen; the last lasts `last` s."""
    resampler = FrameResampler(rate)
    shown: list[int] = []
    newest = -1
    for index, time in enumerate(times):
        shown += [newest] * resampler.push(time)
        newest = index
    return shown + [newest] * resampler.finish(last)


def _count(number: int, what: str) -> int:
    if number < 0:
        raise ValueError(f"the number of {what} must not be negative, got {number}")
    return int(number)
