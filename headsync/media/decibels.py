"""80 mel energies of a sound in decibels, 4 rows a video frame, whole or block by block, as PC-AVS listens to them.

Shapes: N samples at 16 kHz, T = ceil(N / 640) video frames; 4T rows of 80.
Source: PC-AVS section 3.1 and its public code, method/pc_avs.md#data; windows here are centred on their rows.
"""

import math
from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np

from headsync.media.clock import HOP_SAMPLES, ROWS_PER_FRAME, SAMPLE_RATE_HZ, frames_for_samples
from headsync.media.mel import MELS

WINDOW, LOWEST_HZ, HIGHEST_HZ = 1280, 125.0, 7600.0
LOUDNESS = 0.1              # RMS that a sound is brought to
REFERENCE_DB, RANGE_DB = 20.0, 100.0
FLOOR = 1e-5                # of magnitudes
QUIET = 1e-6                # RMS below which a sound is silence, which is not amplified


def decibel_rows(samples: np.ndarray) -> np.ndarray:
    """Rows (4T, 80) float32 in [0, 1] of a waveform (N,)."""
    return np.concatenate([*stream_decibels([samples], root_mean_square([samples]), len(samples))])


def root_mean_square(blocks: Iterable[np.ndarray]) -> float:
    """The root of the mean square of all samples."""
    total = count = 0.0
    for block in blocks:
        total, count = total + float(np.square(block, dtype=np.float64).sum()), count + len(block)
    return math.sqrt(total / max(count, 1))


def stream_decibels(blocks: Iterable[np.ndarray], rms: float, samples: int) -> Iterator[np.ndarray]:
    """Rows (n, 80) piece by piece, together those of `decibel_rows`, of blocks of `samples` samples in all."""
    gain = LOUDNESS / rms if rms > QUIET else 0.0
    side, left = (WINDOW - HOP_SAMPLES) // 2, ROWS_PER_FRAME * frames_for_samples(samples)
    held = np.zeros(side)
    for block in _ended(blocks, WINDOW + ROWS_PER_FRAME * HOP_SAMPLES):
        held = np.concatenate([held, gain * np.asarray(block, np.float64)])
        rows = min(left, (len(held) - WINDOW) // HOP_SAMPLES + 1)
        if rows > 0:
            yield _decibels(held, rows)
            held, left = held[rows * HOP_SAMPLES :], left - rows


def _ended(blocks: Iterable[np.ndarray], silence: int) -> Iterator[np.ndarray]:
    """The blocks, and silence behind them."""
    yield from blocks
    yield np.zeros(silence)


def _decibels(samples: np.ndarray, rows: int) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP_SAMPLES][:rows]
    magnitudes = np.abs(np.fft.rfft(windows * np.hanning(WINDOW + 1)[:-1])) @ _filters().T          # (rows, 80)
    decibels = 20 * np.log10(np.maximum(magnitudes, FLOOR)) - REFERENCE_DB
    return np.clip((decibels + RANGE_DB) / RANGE_DB, 0, 1).astype(np.float32)


@cache
def _filters() -> np.ndarray:
    """Triangles (80, 641) of equal area, evenly spaced in mels."""
    def mels(hz: float) -> float:
        return 2595 * math.log10(1 + hz / 700)

    edges = 700 * (10 ** (np.linspace(mels(LOWEST_HZ), mels(HIGHEST_HZ), MELS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE_HZ)
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rise, fall)) * (2 / (edges[2:] - edges[:-2]))[:, None]
