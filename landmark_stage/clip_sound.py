"""The sound of a corpus's clips as a learner takes it: material for training.

Shapes: T frames, `steps` of sound in a frame (`sound_kinds`).
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from headsync import media
from headsync.corpus import Clip, Corpus, add_features
from landmark_stage.sound_kinds import FEATURES_OF, SOUND_KINDS, SoundName


def prepare_sound(corpus: Corpus, clips: Sequence[Clip], kind: SoundName) -> None:
    """Make what a corpus lacks of it: features are made when a training first asks for them."""
    if kind != "wave":
        add_features(corpus, clips, FEATURES_OF[kind])


def clip_sound(corpus: Corpus, clip: Clip, kind: SoundName, frames: int) -> Tensor:
    """The sound of the first `frames` frames of a clip that is put in sync; what it lacks at its end is silent."""
    late = max(clip.av_offset, 0)
    if kind == "wave":
        waveform = media.read_audio(corpus.audio_path(clip))[media.samples_for_frames(late) :]
        return torch.from_numpy(media.pad_waveform(waveform, frames)[: media.samples_for_frames(frames)])
    rows = np.array(corpus.features(clip, FEATURES_OF[kind]), np.float32)
    steps = SOUND_KINDS[kind].steps
    rows = torch.from_numpy(rows[steps * late : steps * (late + frames)])
    missing = steps * frames - len(rows)
    return torch.cat([rows, rows[-1:].expand(missing, -1)]) if missing > 0 else rows
