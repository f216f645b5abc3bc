"""Log mel energies as speech recognisers take them, and the loudest of a whole sound.

Shapes: N samples at 16 kHz, A mel frames (100 a second), 80 mel bands.

Source: Slaney 1998 (filters), Radford et al. 2022, section 2.2 (window, step, floor).
"""

import math
from functools import cache

import numpy as np

from headsync.media.clock import SAMPLE_RATE_HZ

MELS, FFT_SAMPLES, HOP_SAMPLES = 80, 400, 160
FLOOR = 1e-10               # of energies, before the logarithm
LINEAR_HZ, LINEAR_MELS, PER_OCTAVE = 1000.0, 15.0, 27 / math.log(6.4)    # linear under 1 kHz, logarithmic above


def log_mel(samples: np.ndarray, filters: np.ndarray | None = None) -> np.ndarray:
    """log10 of mel energies (..., 80, A) float32 of samples (..., N): of every frame whose 400 samples are all there.

    By Slaney's filters, or others (80, 201).
    """
    windows = np.lib.stride_tricks.sliding_window_view(samples, FFT_SAMPLES, axis=-1)[..., ::HOP_SAMPLES, :]
    spectrum = np.fft.rfft(windows * _window())                             # (..., A, 201)
    energies = (np.square(spectrum.real) + np.square(spectrum.imag)) @ (_filters() if filters is None else filters).T
    return np.swapaxes(np.log10(np.maximum(energies, FLOOR)), -1, -2).astype(np.float32)


class LoudnessMeter:
    """The largest log mel energy of a sound that is pushed through it in blocks of any size, in constant memory."""

    def __init__(self) -> None:
        self._held = np.zeros(0, np.float32)
        self._loudest = math.log10(FLOOR)

    def push(self, samples: np.ndarray) -> None:
        """Samples (n,) more."""
        self._held = np.concatenate([self._held, np.asarray(samples, np.float32)])
        frames = (len(self._held) - FFT_SAMPLES) // HOP_SAMPLES + 1
        if frames > 0:
            self._loudest = max(self._loudest, float(log_mel(self._held).max()))
            self._held = self._held[frames * HOP_SAMPLES :]

    def loudness(self) -> float:
        """What it came to; silence follows the last samples."""
        self.push(np.zeros(FFT_SAMPLES, np.float32))
        return self._loudest


@cache
def _window() -> np.ndarray:
    return np.hanning(FFT_SAMPLES + 1)[:-1].astype(np.float32)      # periodic


@cache
def _filters() -> np.ndarray:
    """Slaney's mel filters (80, 201) float32: triangles of equal area."""
    def mels(hz: float) -> float:
        return hz * LINEAR_MELS / LINEAR_HZ if hz < LINEAR_HZ else LINEAR_MELS + math.log(hz / LINEAR_HZ) * PER_OCTAVE

    places = np.linspace(0, mels(SAMPLE_RATE_HZ / 2), MELS + 2)
    edges = np.where(places < LINEAR_MELS, places * LINEAR_HZ / LINEAR_MELS,
                     LINEAR_HZ * np.exp((places - LINEAR_MELS) / PER_OCTAVE))       # Hz
    bins = np.fft.rfftfreq(FFT_SAMPLES, 1 / SAMPLE_RATE_HZ)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return (np.maximum(0, np.minimum(rise, fall)) * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)
