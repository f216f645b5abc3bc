"""How good a clip is for training: figures that a person can sort a corpus by.

Shapes: T frames, N samples, L = 68 landmarks.
"""

from typing import NamedTuple

import numpy as np

from headsync.landmarks.lips import lip_opening
from headsync.media import SAMPLES_PER_FRAME

FLOOR_DB = 40.0             # energy further below the clip's peak counts as this far below
SMOOTH_FRAMES = 3
TREND_FRAMES = 51
MOST_LAG_FRAMES = 8
SILENCE_DBFS = -120.0


class LipAudio(NamedTuple):
    """How lip opening follows the sound's energy."""

    correlation: float      # largest normalised cross-correlation, 0 when either is constant
    lag_frames: int         # where it is reached; positive: the audio is late


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's r of two series (T,); 0 where either is constant."""
    one, other = one - one.mean(), other - other.mean()
    norm = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / norm if norm > 1e-9 else 0.0


def level_dbfs(waveform: np.ndarray) -> float:
    """Root mean square of a waveform (N,) in dB below full scale; -120 for silence."""
    power = float(np.mean(np.square(waveform, dtype=np.float64))) if len(waveform) else 0.0
    return max(10 * np.log10(power), SILENCE_DBFS) if power > 0 else SILENCE_DBFS


def frame_energy_db(waveform: np.ndarray, frames: int) -> np.ndarray:
    """Energy (T,) per video frame in dB, not further than 40 dB below the clip's peak."""
    kept = np.zeros(frames * SAMPLES_PER_FRAME)
    kept[: min(len(waveform), len(kept))] = waveform[: len(kept)]
    power = np.square(kept).reshape(frames, SAMPLES_PER_FRAME).mean(1)  # (T,)
    decibel = 10 * np.log10(np.maximum(power, 1e-12))
    return np.maximum(decibel, decibel.max() - FLOOR_DB)


def lip_audio_agreement(points: np.ndarray, waveform: np.ndarray) -> LipAudio:
    """The largest cross-correlation of lip opening and sound energy over lags of -8..8 frames.

    `points` (T, 68, 3) and `waveform` (N,) start together. Slow trends are removed from both (51-frame mean). A rough
    measure: the syncers say more.
    """
    lips = _detrended(lip_opening(points))
    sound = _detrended(frame_energy_db(waveform, len(points)))
    most = min(MOST_LAG_FRAMES, len(lips) - 2)
    if most < 0:
        return LipAudio(0.0, 0)
    lags = sorted(range(-most, most + 1), key=abs)      # of equal correlations the smallest lag wins
    values = [_lagged(lips, sound, lag) for lag in lags]
    best = int(np.argmax(values))
    return LipAudio(values[best], lags[best])


def _detrended(signal: np.ndarray) -> np.ndarray:
    return _mean_filter(signal, SMOOTH_FRAMES) - _mean_filter(signal, TREND_FRAMES)


def _mean_filter(signal: np.ndarray, taps: int) -> np.ndarray:
    """Centred mean over at most `taps` samples, fewer at the ends."""
    weights = np.ones(taps)
    middle = slice((taps - 1) // 2, (taps - 1) // 2 + len(signal))
    counts = np.convolve(np.ones(len(signal)), weights, mode="full")[middle]
    return np.convolve(signal, weights, mode="full")[middle] / counts


def _lagged(lips: np.ndarray, sound: np.ndarray, lag: int) -> float:
    """Correlation of lips[t] and sound[t + lag]."""
    T = len(lips)
    return correlation(lips[max(-lag, 0) : T - max(lag, 0)], sound[max(lag, 0) : T - max(-lag, 0)])
