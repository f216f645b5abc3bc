"""What a learner takes as input: log energies, samples, or phonetic features, by name; the header of its weights has the name.

Shapes: T frames, N samples, `steps` of sound in a frame, `channels` of a step. Rows are of the kinds of `headsync.media.kinds`;
learners may take samples, too, and call log energies `rows`, as the headers of their older weights do.
"""

from typing import Literal, NamedTuple

import numpy as np
from torch import Tensor

from headsync import media
from headsync.media.kinds import FEATURE_KINDS, FeatureName, sound_features
from landmark_stage.push import AudioInput, WholeFrames, whole_frames
from syncers import ChannelSettings, audio_channels

SoundName = Literal["rows", "wave", "whisper"]
FEATURES_OF: dict[SoundName, FeatureName] = {"rows": "fbank26", "whisper": "whisper"}


class SoundKind(NamedTuple):
    """How much of it there is."""

    steps: int          # of a frame
    channels: int       # of a step


SOUND_KINDS = {"wave": SoundKind(media.SAMPLES_PER_FRAME, 1)} | {
    name: SoundKind(FEATURE_KINDS[kind].rows_per_frame, FEATURE_KINDS[kind].features) for name, kind in FEATURES_OF.items()}


def channels_of(sound: Tensor, kind: SoundName) -> Tensor:
    """Rows (..., 4T, 26), samples (..., 640 T) or phonetic rows (..., 2T, 384) as channels (..., steps, channels)."""
    if kind == "rows":
        return audio_channels(sound, ChannelSettings())
    return sound[..., None] if kind == "wave" else sound


def sound_input(kind: SoundName, level: media.Level | None) -> AudioInput:
    """What turns pushed samples into a learner's sound; `level` is the sound's (samples need none)."""
    return WholeFrames() if kind == "wave" else FEATURE_KINDS[FEATURES_OF[kind]].listener()(level)


def whole_sound(kind: SoundName, waveform: np.ndarray) -> np.ndarray:
    """The sound of a waveform (N,) at once: what `sound_input` makes of it in pieces."""
    return whole_frames(waveform) if kind == "wave" else sound_features(waveform, FEATURES_OF[kind])
