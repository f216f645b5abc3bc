"""Sounds in which nobody speaks, as phonetic features: silence, music, noise, breath, laughter, beeps.

Shapes: S sounds, T frames, F = 768 phonetic features of a frame.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from headsync.media import SAMPLES_PER_FRAME, measure_level, tracked
from headsync.media.backgrounds import KINDS, background
from headsync.media.phonetics import PhoneticStream, load_phonetic_encoder
from landmark_stage.articulation.network import Articulation

SILENT_LOUDNESS = (-10.0, -2.0, -1.0, -0.5, 0.0)    # largest log mel energies of sounds with silent parts; -10: silence alone
LOUDER = 2.0                                        # by how much, log10 of energy, the rest of a sound is louder at most


def sounds_at_rest(frames: int, each: int) -> Iterator[tuple[np.ndarray, float]]:
    """Waveforms of `frames` video frames with the loudness that they are scaled by: silence, and `each` of every background."""
    for loudness in SILENT_LOUDNESS:
        yield np.zeros(frames * SAMPLES_PER_FRAME, np.float32), loudness
    for seed in range(each):
        for number, kind in enumerate(KINDS):
            random = np.random.default_rng((seed, number))
            made = background(kind, frames * SAMPLES_PER_FRAME, random)
            yield made, measure_level(made).loudness + LOUDER * max(float(random.uniform(-1, 1)), 0)


def rest_sounds(model: Articulation, frames: int, each: int) -> Tensor:
    """Standard phonetic features (S, frames, F) of `sounds_at_rest`."""
    encoder, made = load_phonetic_encoder(), []
    for waveform, loudness in tracked(list(sounds_at_rest(frames, each)), "sounds without speech", unit="sound"):
        stream = PhoneticStream(loudness, encoder, model.window)
        made.append(np.concatenate([stream.push(waveform), stream.finish()]))
    return model.standard(torch.from_numpy(np.stack(made)))


def rest_part(rest: Tensor, frames: int, generator: torch.Generator) -> Tensor:
    """A random stretch (frames, F) of `rest_sounds`."""
    kind = int(torch.randint(0, len(rest), (), generator=generator))
    first = int(torch.randint(0, rest.shape[1] - frames + 1, (), generator=generator))
    return rest[kind, first : first + frames]


def with_rest(sound: Tensor, rest: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A stretch of sound (N, F) with rest in all or in a part of it, and where speech is left (N,), bool."""
    frames = len(sound)
    begin, end = 0, frames
    if float(torch.rand((), generator=generator)) < 0.5:
        begin, end = sorted(torch.randint(0, frames + 1, (2,), generator=generator).tolist())
    speech = torch.ones(frames, dtype=torch.bool)
    speech[begin:end] = False
    mixed = sound.clone()
    mixed[begin:end] = rest_part(rest, end - begin, generator)
    return mixed, speech
