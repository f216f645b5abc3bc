"""26 numbers for every 10 ms of sound: log mel energies or MFCCs, 4 rows for each video frame, whole or streamed.

Shapes: N samples, T video frames; 4T feature rows.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import python_speech_features
from python_speech_features import sigproc

from headsync.media.arguments import checked
from headsync.media.clock import (
    HOP_SAMPLES,
    ROW_RATE_HZ,
    ROWS_PER_FRAME,
    SAMPLE_RATE_HZ,
    SAMPLES_PER_FRAME,
    WINDOW_SAMPLES,
    frames_for_samples,
    pad_waveform,
)
from headsync.media.mel import LoudnessMeter

FEATURES = 26
KINDS = ("fbank26", "mfcc26")
PRE_EMPHASIS = 0.97
FFT_SAMPLES = 512
SILENCE_PEAK = 2 / 32768           # two steps of a 16-bit sample: dither, which must not be blown up to full scale
_OVERLAP_SAMPLES = WINDOW_SAMPLES - HOP_SAMPLES   # 240, what two neighbouring windows share
_CHUNK_FRAMES = 250                # frames worked on at once: bounds the memory of an hour-long waveform


class Level(NamedTuple):
    mean: float   # of all samples
    peak: float   # largest distance of a sample from the mean; 0 for silence and for a constant
    loudness: float = 0.0   # largest log10 mel energy (`media.mel`)


@checked
def measure_level(blocks: np.ndarray | Iterable[np.ndarray]) -> Level:
    """Returns mean, peak around it and loudness of a waveform (N,), or of its blocks (n,), in constant memory.

    The peak is 0 when nothing but silence, 16-bit dither or a constant is there. ValueError when there are no samples
    or some are not finite.

    >>> import headsync
    >>> level = headsync.measure_level(headsync.read_audio("speech.wav"))
    >>> 0 < level.peak <= 1
    True
    """
    meter = LoudnessMeter()
    level = _mean_and_peak([blocks] if isinstance(blocks, np.ndarray) else blocks, meter.push)
    return level._replace(loudness=meter.loudness())


def _mean_and_peak(blocks: Iterable[np.ndarray], also: Callable[[np.ndarray], None] = lambda block: None) -> Level:
    """The level of blocks (n,) without its loudness; `also` is given each of them, checked."""
    sums, samples, lowest, highest = [], 0, math.inf, -math.inf
    for block in blocks:
        block = checked_samples(block)
        if len(block):
            sums.append(float(block.sum()))
            samples += len(block)
            lowest, highest = min(lowest, float(block.min())), max(highest, float(block.max()))
            also(block)
    if not samples:
        raise ValueError("there are no samples to measure; give at least one")
    mean = math.fsum(sums) / samples
    peak = max(highest - mean, mean - lowest)
    return Level(mean, 0.0 if peak <= SILENCE_PEAK else peak)


def extract_features(waveform: np.ndarray, *, kind: str = "fbank26") -> np.ndarray:
    """Returns (4T, 26) float32 features of a 16 kHz `waveform` (N,), T = ceil(N / 640).

    Mean removed, divided by the peak, pre-emphasis 0.97, 25 ms windows every 10 ms, FFT 512, 26 mel bands (MS-Sync,
    section 4.1, as its code does it: log energies; kind="mfcc26" is what its text says). ValueError when the waveform
    is empty, not one channel or not finite, or the kind is unknown.
    """
    _check_kind(kind)
    waveform = checked_samples(waveform)
    step = _CHUNK_FRAMES * SAMPLES_PER_FRAME
    blocks = [waveform[start:start + step] for start in range(0, len(waveform), step)]   # each (<= step,)
    return np.concatenate(list(stream_features(blocks, _mean_and_peak(blocks), kind=kind)))   # (4T, 26)


def stream_features(blocks: Iterable[np.ndarray], level: Level, *, kind: str = "fbank26") -> Iterator[np.ndarray]:
    """Returns an iterator of (4t, 26) float32 pieces that together equal `extract_features` of the joined blocks.

    Blocks (n,) may have any sizes; `level` comes from `measure_level` over the same sound (a first pass), or from
    what is known of the speaker when it is live. Memory does not grow with length. ValueError as `extract_features`.
    """
    stream = FeatureStream(level, kind=kind)
    return _streamed(stream, blocks)


def _streamed(stream: "FeatureStream", blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    for block in blocks:
        rows = stream.push(block)
        if len(rows):
            yield rows
    rows = stream.finish()
    if len(rows):
        yield rows


class FeatureStream:
    """Samples in, rows out, each as soon as its window is full."""

    def __init__(self, level: Level, *, kind: str = "fbank26"):
        """`level` as for `stream_features`. ValueError for an unknown kind."""
        _check_kind(kind)
        self._level, self._kind = level, kind
        self._pending: list[np.ndarray] = []    # normalised samples that no finished frame has used up yet
        self._waiting, self._taken, self._last = 0, 0, 0.0

    def push(self, samples: np.ndarray) -> np.ndarray:
        """The rows (4t, 26) float32 that can be made after samples (n,) more. ValueError as `extract_features`."""
        block = normalise(checked_samples(samples), self._level)
        self._pending.append(block)
        self._waiting += len(block)
        self._taken += len(block)
        if self._waiting < SAMPLES_PER_FRAME + _OVERLAP_SAMPLES:
            return np.zeros((0, FEATURES), np.float32)
        joined = np.concatenate(self._pending)
        used = (self._waiting - _OVERLAP_SAMPLES) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME
        rows = _rows(joined[:used + _OVERLAP_SAMPLES], self._last, self._kind)
        self._last = joined[used - 1]
        self._pending, self._waiting = [joined[used:]], self._waiting - used
        return rows

    def finish(self) -> np.ndarray:
        """The last rows (4t, 26): zeros follow. ValueError when there were no samples at all."""
        if not self._taken:
            raise ValueError("there are no samples to make features of; give at least one")
        left = frames_for_samples(self._taken) - (self._taken - self._waiting) // SAMPLES_PER_FRAME
        if not left:
            return np.zeros((0, FEATURES), np.float32)
        return _rows(pad_waveform(np.concatenate(self._pending), left), self._last, self._kind)


def normalise(waveform: np.ndarray, level: Level) -> np.ndarray:
    """Returns `waveform` (N,) as float64 with its mean removed and its peak at 1; zeros when the level's peak is 0."""
    if level.peak <= 0:
        return np.zeros(len(waveform))
    return (waveform.astype(np.float64) - level.mean) / level.peak


def _rows(samples: np.ndarray, before: float, kind: str) -> np.ndarray:
    """(640 t + 240,) samples, and the one before them, to (4t, 26) float32."""
    emphasised = samples - PRE_EMPHASIS * np.concatenate([[before], samples[:-1]])   # the library's own filter, carried
    if kind == "mfcc26":
        rows = python_speech_features.mfcc(emphasised, SAMPLE_RATE_HZ, WINDOW_SAMPLES / SAMPLE_RATE_HZ, 1 / ROW_RATE_HZ,
                                           numcep=FEATURES, nfilt=FEATURES, nfft=FFT_SAMPLES, preemph=0)
    else:
        rows = _log_energies(emphasised)
    assert len(rows) % ROWS_PER_FRAME == 0
    return rows.astype(np.float32)


def _log_energies(samples: np.ndarray) -> np.ndarray:
    """The library's `logfbank`, number for number, without making its filters anew for every few milliseconds of a stream."""
    windows = sigproc.framesig(samples, WINDOW_SAMPLES, HOP_SAMPLES)
    energies = sigproc.powspec(windows, FFT_SAMPLES) @ _filters().T
    return np.log(np.where(energies == 0, np.finfo(float).eps, energies))  # (4t, 26)


@cache
def _filters() -> np.ndarray:
    return python_speech_features.get_filterbanks(FEATURES, FFT_SAMPLES, SAMPLE_RATE_HZ)  # (26, 257)


def checked_samples(waveform: np.ndarray) -> np.ndarray:
    """Samples (N,) float64 in shares of full scale. ValueError for other types and shapes, and for what is not finite."""
    waveform = np.asarray(waveform)
    if waveform.dtype.kind not in "fi":
        raise ValueError(f"a waveform must hold floats or signed integers, got {waveform.dtype}; convert it")
    if waveform.ndim != 1:
        raise ValueError(f"a waveform must have the shape (samples,), got {waveform.shape}; mix it down to one channel")
    full_scale = -float(np.iinfo(waveform.dtype).min) if waveform.dtype.kind == "i" else 1.0
    waveform = waveform.astype(np.float64) / full_scale
    if not np.isfinite(waveform).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(waveform))} samples are not finite; read the sound with "
                         "read_audio, which silences them")
    return waveform


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"there are no features called {kind!r}; choose one of {', '.join(KINDS)}")
