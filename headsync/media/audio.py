"""Sound of any file as 16 kHz mono, whole or in blocks of whole video frames, on the time line of its pictures.

Shapes: C channels, N samples, n samples of one piece.
"""

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from headsync.media.arguments import checked
from headsync.media.blocks import recut
from headsync.media.clock import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, frames_for_samples
from headsync.media.containers import decoded, first_frame_time, open_media, shown_name
from headsync.media.sounds import louder_channel, numbered_sound, sound_number
from headsync.media.timeline import TimeLine

_RATES_HZ = (1000, 1_600_000)    # of any usable sound; beyond them a header is damaged
_log = logging.getLogger(__name__)


@checked
def read_audio(path: Path | str, *, stream: int | None = None) -> np.ndarray:
    """Returns the sound of a file as float32 (N,), mono, 16 kHz; sample 0 is at the time of the first picture.

    Without pictures sample 0 is the first sample. Of several sounds it is number `stream`, counted from 0, else the default
    one, else the first that is audible; of two channels that cancel each other it is the louder one. Samples that are not
    finite become 0; values above 1 are kept, as features divide by the peak. ValueError when there is no sound, no sample
    or no finite sample.

    >>> import headsync
    >>> waveform = headsync.read_audio("clip.mp4")
    >>> waveform.dtype, len(waveform) / 16000
    (dtype('float32'), 3.32)
    """
    return np.concatenate(list(stream_audio(path, stream=stream)))   # (N,)


def stream_audio(path: Path | str, *, block_frames: int = 250, stream: int | None = None) -> Iterator[np.ndarray]:
    """Returns an iterator of float32 blocks (640 * block_frames,), the last one shorter, that join to `read_audio`.

    Memory does not grow with length. ValueError as `read_audio`, when the first block is asked for (that no sample is
    finite: after the last one), and at once when `block_frames` is under 1.
    """
    if block_frames < 1:
        raise ValueError(f"a block must hold at least 1 video frame, got block_frames={block_frames}")
    mono = (piece[0] for piece in decode_mono(path, stream=stream))     # each (n,)
    return recut(mono, block_frames * SAMPLES_PER_FRAME)


def count_audio_frames(path: Path | str) -> int:
    """Returns how many video frames cover the sound of a file, by decoding all of it: ceil(25 x its true duration)."""
    return frames_for_samples(sum(len(block) for block in stream_audio(path)))


def decode_mono(path: Path | str, *, stream: int | None = None) -> Iterator[np.ndarray]:
    """Returns an iterator of float32 pieces (1, n) at 16 kHz as `decode_audio`; what was chosen of the sound is logged."""
    number = sound_number(path, stream, tell=True)
    with open_media(path) as container:
        two = numbered_sound(container, number).codec_context.channels == 2
    wishes: dict[str, Any] = {"rate_hz": SAMPLE_RATE_HZ, "stream": number}
    channel = louder_channel(decode_audio(path, layout="stereo", **wishes), path, tell=True) if two else None
    if channel is None:
        yield from decode_audio(path, layout="mono", **wishes)
    else:
        yield from (piece[channel : channel + 1] for piece in decode_audio(path, layout="stereo", **wishes))


def decode_audio(path: Path | str, *, rate_hz: int, layout: str, stream: int | None = None) -> Iterator[np.ndarray]:
    """Returns an iterator of float32 pieces (C, n) of a sound, gapless from the time of the first picture on.

    Sound that starts later is preceded by silence, what lies before is cut, gaps are filled, overlaps dropped and the
    padding of a codec left out. `layout` is an FFmpeg channel layout ("mono", "stereo"), `stream` as for `read_audio`.
    ValueError as there.
    """
    origin, number = first_frame_time(path), sound_number(path, stream)
    with open_media(path) as container:
        source = numbered_sound(container, number)
        declared_end = _declared_end(source)
        line = TimeLine(rate_hz, layout, origin)
        held: av.AudioFrame | None = None
        for frame in decoded(container, source, path):
            if not _RATES_HZ[0] <= frame.sample_rate <= _RATES_HZ[1]:
                raise ValueError(f"{shown_name(path)}: {frame.sample_rate} samples a second cannot be; the header is damaged, "
                                 "export the sound again")
            if frame.samples:
                if held is not None:
                    yield from line.push(held)
                held = frame
        if held is not None:
            yield from line.push(held, end=declared_end)
        yield from line.flush()
    if not line.written:
        raise ValueError(f"{shown_name(path)}: the sound holds no samples; give a file with audible sound")
    if not line.finite:
        raise ValueError(f"{shown_name(path)}: every sample is NaN or infinite; export the sound again")
    if line.silenced:
        _log.warning("%s: %d samples were NaN or infinite and are silence now", shown_name(path), line.silenced)


def _declared_end(stream: av.AudioStream) -> Fraction | None:
    """Where the sound ends by its header, on the container's time line; None where it is not said to the sample.

    PyAV 19 leaves the padding in the last packet of an mp4 out by itself, 17 and 18 do not.
    """
    if not stream.duration or "mp4" not in stream.container.format.name:
        return None
    return ((stream.start_time or 0) + stream.duration) * Fraction(stream.time_base)
