"""Sound as it arrives: PCM of any usual rate, waiting as 16 kHz samples until a frame takes it.

Shapes: n samples, C channels.
"""

import threading

import av
import numpy as np

from headsync import media

RATES_HZ = (8000, 48000)
FULL_SCALE = 32768.0        # of 16-bit PCM


class SampleQueue:
    """Samples that wait for their frames. `push` and `take` may be called by different threads.

    The resampler holds back some milliseconds until more sound, or `end`, comes.
    """

    def __init__(self, rate_hz: int = media.SAMPLE_RATE_HZ, *, most_s: float = 30.0):
        if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
            raise ValueError(f"live sound has {RATES_HZ[0]} to {RATES_HZ[1]} samples a second, got {rate_hz}")
        if not 0 < most_s < float("inf"):
            raise ValueError(f"the queue must hold some seconds, got {most_s}")
        self.rate_hz, self.most_s = rate_hz, most_s
        self._lock, self._held = threading.Lock(), np.zeros(0, np.float32)
        self._resampler = self._new_resampler()

    def push(self, samples: np.ndarray | bytes) -> float:
        """Seconds of sound that wait now, after samples (n,) or (n, C) more: float in [-1, 1], int16, or bytes of int16.

        ValueError, one line, and nothing is taken, for another form, numbers that are not finite, and for more than `most_s`
        seconds in all: take frames first.
        """
        mono = as_mono(samples)
        with self._lock:
            waiting = len(self._held) / media.SAMPLE_RATE_HZ + len(mono) / self.rate_hz
            if waiting > self.most_s:
                raise ValueError(f"{waiting:.1f} s of sound would wait, more than {self.most_s:g} s; take frames before more "
                                 "comes")
            self._held = np.concatenate([self._held, self._resampled(mono)])
            return self._seconds()

    def end(self) -> None:
        """The sound pauses here: what the resampler holds back joins the queue."""
        with self._lock:
            self._held = np.concatenate([self._held, self._resampled(None)])

    def take(self, count: int) -> np.ndarray:
        """The next samples, at most `count` of them."""
        with self._lock:
            taken, self._held = self._held[:count], self._held[count:]
            return taken

    def clear(self) -> float:
        """Seconds of sound that waited and are gone."""
        with self._lock:
            gone, self._held, self._resampler = self._seconds(), np.zeros(0, np.float32), self._new_resampler()
            return gone

    def _seconds(self) -> float:
        return len(self._held) / media.SAMPLE_RATE_HZ

    def _new_resampler(self) -> av.AudioResampler | None:
        return None if self.rate_hz == media.SAMPLE_RATE_HZ else av.AudioResampler("flt", "mono", media.SAMPLE_RATE_HZ)

    def _resampled(self, mono: np.ndarray | None) -> np.ndarray:
        """16 kHz samples; None: the last of them."""
        if self._resampler is None or (mono is not None and not len(mono)):
            return np.zeros(0, np.float32) if mono is None else mono
        frame = None
        if mono is not None:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(mono[None]), "flt", "mono")
            frame.sample_rate = self.rate_hz
        parts = [one.to_ndarray()[0] for one in self._resampler.resample(frame) if one]
        if mono is None:
            self._resampler = self._new_resampler()
        return np.concatenate([np.zeros(0, np.float32), *parts])


def as_mono(samples: np.ndarray | bytes) -> np.ndarray:
    """Samples (n,) float32, the mean of their channels. ValueError, one line, for what is no sound."""
    if isinstance(samples, bytes | bytearray | memoryview):
        if len(samples) % 2:
            raise ValueError(f"bytes of PCM hold two a sample, got {len(samples)} of them")
        samples = np.frombuffer(samples, "<i2")
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2) or not (samples.dtype.kind == "f" or samples.dtype == np.int16):
        raise ValueError(f"live sound is (n,) or (n, C), float or int16, got {samples.shape} {samples.dtype}")
    mono = samples.astype(np.float32) / (FULL_SCALE if samples.dtype == np.int16 else 1)
    if not np.isfinite(mono).all():
        raise ValueError("live sound holds numbers that are not finite; send those of the microphone as they are")
    return mono if mono.ndim == 1 else mono.mean(1)
