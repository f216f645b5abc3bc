"""One sound, decoded once and gone through as often as anyone likes: its samples, features, loudness and length.

Shapes: N samples at 16 kHz, T = ceil(N / 640) video frames, t frames of a block.
"""

import copy
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from headsync.media.audio import stream_audio
from headsync.media.clock import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, frames_for_samples, samples_for_frames
from headsync.media.containers import shown_name
from headsync.media.features import Level, measure_level, stream_features
from headsync.media.sounds import sound_number
from headsync.media.spool import Spool

_log = logging.getLogger(__name__)
BLOCK_FRAMES = 250


class Sound:
    """A sound and what is known of all of it. `open_sound` makes one; memory does not grow with its length.

    Decoded samples of a file wait in a temporary file without a name, 64 kB a second, which goes with this object.
    """

    stream: int | None      # which of the file's sounds, counted from 0
    path: Path | None       # of the file that it was read from, for those who copy its original stream
    level: Level            # mean and peak
    samples: int            # N
    frames: int             # T

    def __init__(self, source: str | Path | np.ndarray, *, stream: int | None = None):
        """`stream` as for `read_audio`. ValueError, one line, for a file or a waveform (N,) without finite samples."""
        self._waveform = source if isinstance(source, np.ndarray) else None
        self.path = None if isinstance(source, np.ndarray) else Path(source)
        self.stream, self._wanted = None if self.path is None else sound_number(self.path, stream), stream
        self.samples, self._spool = 0, Spool()
        self.level = measure_level(self._read())
        self._known = self.samples
        self.frames = frames_for_samples(self.samples)
        if not self.level.peak:
            _log.warning("%s: digital silence is all that it holds; lips rest", shown_name(self.path or "the sound"))

    def _read(self) -> Iterator[np.ndarray]:
        """The samples as they are read for the first time, on their way into the spool."""
        if self._waveform is not None:
            self.samples = self._known = len(self._waveform)
            yield from self.blocks()
            return
        for block in stream_audio(self.path, block_frames=BLOCK_FRAMES, stream=self._wanted):
            self._spool.append(block)
            self.samples += len(block)
            yield block

    def blocks(self, block_frames: int = BLOCK_FRAMES) -> Iterator[np.ndarray]:
        """The samples (n,) float32, `block_frames` video frames at a time; several may go through it side by side."""
        step = samples_for_frames(block_frames)
        for start in range(0, self.samples, step):
            yield self._part(start, min(start + step, self.samples))

    def _part(self, start: int, stop: int) -> np.ndarray:
        known = min(stop, self._known)
        part = self._spool.part(start, max(known, start)) if self._waveform is None else self._waveform[start:known]
        return part if known == stop else np.concatenate([part, np.zeros(stop - max(known, start), np.float32)])

    def lasting(self, samples: int) -> "Sound":
        """This sound, cut after so many samples, or with silence after it."""
        other = copy.copy(self)
        other.samples, other.frames = samples, frames_for_samples(samples)
        return other

    def rows(self, block_frames: int = BLOCK_FRAMES) -> Iterator[np.ndarray]:
        """Feature rows (4t, 26) float32 piece by piece, together those of `extract_features`."""
        return stream_features(self.blocks(block_frames), self.level)

    def waveform(self, frames: int | None = None) -> np.ndarray:
        """All samples (N,) float32, or those of the first video frames."""
        stop = self.samples if frames is None else min(self.samples, frames * SAMPLES_PER_FRAME)
        return np.array(self._part(0, stop))


def open_sound(source: "str | Path | np.ndarray | Sound", *, stream: int | None = None) -> Sound:
    """The sound of a file of any kind, or of a 16 kHz waveform (N,); one that is open already is given back as it is.

    A file is decoded here, and never again; of several sounds it is number `stream`, counted from 0, else the default one,
    else the first that is audible. ValueError, one line, when nothing is there.
    """
    return source if isinstance(source, Sound) else Sound(source, stream=stream)


def followed_sound(audio: Sound, lips_from: str | Path | np.ndarray | Sound | None) -> Sound:
    """What a face follows while `audio` is played: `lips_from`, say its vocals, for as long as `audio` lasts; else `audio`.

    Both begin together; where `lips_from` ends sooner lips rest, and what it has more is left out, which is logged in one line.
    """
    if lips_from is None:
        return audio
    followed = open_sound(lips_from)
    if followed.frames != audio.frames:
        rest = "lips rest after it" if followed.frames < audio.frames else "its end is left out"
        names = (shown_name(sound.path or name) for sound, name in ((followed, "what lips follow"), (audio, "the sound")))
        lasts = (sound.samples / SAMPLE_RATE_HZ for sound in (followed, audio))
        _log.warning("%s lasts %.2f s and %s %.2f s; %s", *(one for pair in zip(names, lasts) for one in pair), rest)
    return followed if followed.samples == audio.samples else followed.lasting(audio.samples)
