"""Lossless sound on disk: 16 kHz mono FLAC of 16 bits, and what a waveform becomes in it.

Shapes: N samples.
"""

from pathlib import Path

import av
import numpy as np

from headsync.media.clock import SAMPLE_RATE_HZ
from headsync.media.containers import media_url, reason, shown_name
from headsync.media.files import growing_file

_BLOCK_SAMPLES = 4096
_FULL_SCALE = 32768


def quantised(waveform: np.ndarray) -> np.ndarray:
    """The float32 samples (N,) that `read_audio` gives back after `write_flac`: 16 bits, values beyond 1 clipped."""
    return _as_int16(waveform).astype(np.float32) / np.float32(_FULL_SCALE)


def _as_int16(waveform: np.ndarray) -> np.ndarray:
    scaled = np.rint(np.asarray(waveform, np.float64) * _FULL_SCALE)
    return np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)  # (N,)


def write_flac(path: Path | str, waveform: np.ndarray) -> None:
    """Write samples (N,) at 16 kHz as a FLAC file, complete or not at all.

    ValueError, one line, when there are none or the file cannot be written.
    """
    if waveform.ndim != 1 or not len(waveform):
        raise ValueError(f"{shown_name(path)}: a sound needs samples of shape (N,), got {waveform.shape}")
    try:
        with growing_file(path) as partial, av.open(media_url(partial), "w", format="flac") as output:
            stream = output.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="mono")
            stream.format = "s16"
            samples = _as_int16(waveform)
            for start in range(0, len(samples), _BLOCK_SAMPLES):
                block = samples[None, start : start + _BLOCK_SAMPLES]  # (1, n)
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="s16", layout="mono")
                frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, start
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"{shown_name(path)}: cannot be written ({reason(error)}); check the folder") from error
