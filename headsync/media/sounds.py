"""Which of several sounds of a file is meant, and which of its channels.

Shapes: C channels, n samples of one piece.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

from headsync.media.clock import SAMPLE_RATE_HZ
from headsync.media.containers import decoded, frame_time, open_media, shown_name

_log = logging.getLogger(__name__)
_PROBE_S = 60                   # of a sound, within which an audible one must begin
_SILENT = 2 / 32768             # two steps of a 16-bit sample: dither
_LOST_DB = 20.0                 # by which a mix must lie under the louder channel to count as cancelled
_DECIDES_S = 3                  # of audible sound, after which that is settled


def sound_number(path: Path | str, wanted: int | None = None, *, tell: bool = False) -> int:
    """Returns which sound of a file is used, counted from 0: `wanted`, else the file's default one, else the first audible.

    A default that is silent for a minute yields to one that is not. With `tell` the choice among several is logged.
    ValueError for a `wanted` that is not there, and without any sound.
    """
    with open_media(path) as container:
        sounds = _sounds(container)
        if not sounds:
            raise ValueError(f"{shown_name(path)}: there is no sound in this file; give one with an audio stream")
        if wanted is not None:
            if not 0 <= wanted < len(sounds):
                raise ValueError(f"{shown_name(path)}: there is no sound number {wanted}; it has {len(sounds)}, counted from 0")
            return wanted
        if len(sounds) == 1:
            return 0
        marked = [bool(sound.disposition & Disposition.default) for sound in sounds]
    order = sorted(range(len(sounds)), key=lambda number: not marked[number])       # stable: the default ones first
    chosen = next((number for number in order if _audible(path, number)), order[0])
    if tell:
        why = "is the file's default" if marked[chosen] and not all(marked) else "is the first that is audible"
        _log.warning("%s: of its %d sounds number %d is used, which %s (--audio-stream N takes another, 0 to %d)",
                     shown_name(path), len(sounds), chosen, why, len(sounds) - 1)
    return chosen


def numbered_sound(container: av.container.InputContainer, number: int) -> av.AudioStream:
    """Returns the sound of a container that `sound_number` has told."""
    return _sounds(container)[number]


def _sounds(container: av.container.InputContainer) -> list[av.AudioStream]:
    return [stream for stream in container.streams.audio if stream.codec_context is not None]


def _audible(path: Path | str, number: int) -> bool:
    """Whether there is more than dither in a sound's first minute."""
    with open_media(path) as container:
        stream = numbered_sound(container, number)
        first = None
        resampler = None
        for frame in decoded(container, stream, path):
            now = frame_time(frame)
            first = now if first is None else first
            if now is not None and now - first > _PROBE_S:
                return False
            resampler = resampler or av.AudioResampler(format="flt")
            frame.pts = None
            try:
                samples = [piece.to_ndarray() for piece in resampler.resample(frame)]
            except (av.FFmpegError, ValueError):    # its form changed on the way
                return True
            if any(np.abs(piece).max(initial=0) > _SILENT for piece in samples):
                return True
    return False


def louder_channel(pieces: Iterable[np.ndarray], path: Path | str, *, tell: bool = False) -> int | None:
    """Returns which of two channels is to be used alone, 0 or 1, where they cancel each other; None where they can be mixed.

    Pieces (2, n) at 16 kHz are taken until three seconds of them were not silent. With `tell` the choice is logged.
    """
    audible, mix, alone = 0, 0.0, np.zeros(2)
    for piece in pieces:
        if np.abs(piece).max(initial=0) <= _SILENT:
            continue
        audible += piece.shape[1]
        mix += float(np.square(piece.mean(0, dtype=np.float64)).sum())
        alone += np.square(piece, dtype=np.float64).sum(1)
        if audible >= _DECIDES_S * SAMPLE_RATE_HZ:
            break
    if alone.max() <= mix * 10 ** (_LOST_DB / 10):
        return None
    channel = int(alone.argmax())
    if tell:
        _log.warning("%s: its two channels cancel each other when they are mixed; the %s one is used", shown_name(path),
                     ("left", "right")[channel])
    return channel
