"""Training material of the expression learner: frontal faces of people about their own face at rest, and noisy sound.

Shapes: B stretches, T frames, L = 68 landmarks, P = 20 components, R = 4T feature rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from headsync.corpus import Corpus
from headsync.landmarks import MIRROR, canonical_face
from landmark_stage.clip_sound import clip_sound, prepare_sound
from landmark_stage.expression.faces import face_at_rest, frontal_faces
from landmark_stage.expression.network import COMPONENTS, LANDMARKS, SIDE_FRAMES, Expression, padded
from landmark_stage.principal import principal_axes
from landmark_stage.sound_kinds import SoundName, channels_of
from syncers.data import read_samples

LEAST_FRAMES = 12
LEAST_SNR_DB, MOST_SNR_DB, SNR_STEP_DB = 6, 30, 3
DECIBEL = float(np.log(10) / 10)    # of power, in natural logarithms


@dataclass(frozen=True)
class ExpressionMaterialSettings:
    """How stretches are drawn."""

    frames: int = 24
    noisy: float = 0.7              # share of stretches with noise added, at 6 to 30 dB
    loudness: float = 0.5           # jitter of a stretch's level, standard deviation in log energy
    feature_noise: float = 0.3      # standard deviation of what is added to phonetic features, themselves at deviation 1
    any_rest: float = 0.5           # share whose face to start from is any of the clip's, not the one at rest
    flip: float = 0.5

    def __post_init__(self):
        if self.frames < 2 or not all(0 <= share <= 1 for share in (self.noisy, self.any_rest, self.flip)):
            raise ValueError(f"frames must be 2 or more and noisy, any_rest and flip shares, got {self}")


class ExpressionClip(NamedTuple):
    """One talking clip."""

    name: str
    identity: str
    faces: Tensor           # (T, 3 L) frontal, canonical pixels
    rest: Tensor            # (3 L,) the clip's own face at rest
    sound: Tensor           # (4T, 26) rows, (640 T,) samples or (2T, 384) phonetic rows


class ExpressionBatch(NamedTuple):
    """Stretches."""

    sound: Tensor           # (B, steps of T + 6 frames, 26, 1 or 384), standard
    shape: Tensor           # (B, S)
    real: Tensor            # (B, T, 3 L) expressions


def read_expressions(corpus: Corpus, split: str, *, sound: SoundName = "rows") -> list[ExpressionClip]:
    """The split's talking clips of 12 frames and more, in sync; doubtful ones are left out. ValueError without any."""
    sure = {clip.clip: clip for clip in corpus.select(split, talking=True) if clip.sync != "unsure"}
    clips = []
    prepare_sound(corpus, list(sure.values()), sound)
    for one in read_samples(corpus, list(sure.values())):
        if len(one.sample.flat) < LEAST_FRAMES:
            continue
        faces = frontal_faces(256 * one.sample.flat.unflatten(1, (LANDMARKS, 3)).numpy())
        audio = one.sample.rows
        if sound != "rows":
            audio = clip_sound(corpus, sure[one.name], sound, len(faces))
        rest = torch.from_numpy(face_at_rest(faces))
        clips.append(ExpressionClip(one.name, one.identity, torch.from_numpy(faces), rest, audio))
    if not clips:
        raise ValueError(f"{corpus.folder} has no talking clip of {LEAST_FRAMES} frames in its {split} split")
    return clips


@torch.no_grad()
def measure(model: Expression, clips: Sequence[ExpressionClip]) -> None:
    """Fit what is known in closed form, on train people: components of expressions and of shapes, scales of sound."""
    faces = torch.cat([one.faces - one.rest for one in clips])
    model.middle.copy_(faces.mean(0))
    basis, spread = principal_axes(faces - faces.mean(0), COMPONENTS)
    model.basis.copy_(basis)
    model.spread.copy_(spread)
    shapes = torch.stack([one.rest for one in clips])
    model.shape_middle.copy_(shapes.mean(0))
    basis, spread = principal_axes(shapes - shapes.mean(0), model.settings.shapes)
    model.shape_basis[: len(basis)].copy_(basis)
    model.shape_spread[: len(basis)].copy_(spread.clamp(min=1e-2))
    sound = torch.cat([one.sound for one in clips])
    audio = channels_of(sound[None], model.settings.sound)[0]
    model.sound_mean.copy_(audio.mean(0))
    model.sound_scale.copy_(audio.std(0).clamp(min=1e-3))


def draw_expressions(clips: Sequence[ExpressionClip], count: int, model: Expression, *, settings: ExpressionMaterialSettings,
                     generator: torch.Generator) -> ExpressionBatch:
    """`count` random stretches, long clips more often. ValueError when no clip is long enough."""
    room = torch.tensor([max(len(one.faces) - settings.frames + 1.0, 0.0) for one in clips])
    if not room.any():
        raise ValueError(f"no clip has the {settings.frames} frames of a stretch; lower material.frames")
    chosen = torch.multinomial(room, count, replacement=True, generator=generator).tolist()
    others = torch.randint(0, len(clips), (count,), generator=generator).tolist()
    drawn = [_drawn(clips[one], clips[other], model, settings, generator) for one, other in zip(chosen, others)]
    sound, rest, real = (torch.stack(parts) for parts in zip(*drawn))
    return ExpressionBatch(sound, model.shape_code(rest), real)


def _drawn(clip: ExpressionClip, other: ExpressionClip, model: Expression, settings: ExpressionMaterialSettings,
           generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Standard sound, rest and expressions of one stretch."""
    begin = int(torch.randint(0, len(clip.faces) - settings.frames + 1, (), generator=generator))
    draw = torch.rand(4, generator=generator)
    sound = clip.sound
    kind = model.settings.sound
    if draw[0] < settings.noisy and kind != "whisper":
        steps = (MOST_SNR_DB - LEAST_SNR_DB) // SNR_STEP_DB + 1
        decibels = LEAST_SNR_DB + SNR_STEP_DB * int(draw[1] * steps)
        sound = with_noise(sound, other.sound, decibels)
    if kind == "rows":
        sound = sound + settings.loudness * torch.randn((), generator=generator)
    around = padded(model.standard_sound(sound)[None], model)[0]                        # (steps, channels)
    around = around[model.per_frame * begin : model.per_frame * (begin + settings.frames + 2 * SIDE_FRAMES)]
    if kind == "whisper":
        around = around + settings.feature_noise * torch.randn(around.shape, generator=generator)
    rest = clip.rest
    if draw[2] < settings.any_rest:
        rest = clip.faces[int(torch.randint(0, len(clip.faces), (), generator=generator))]
    real = clip.faces[begin : begin + settings.frames]
    if draw[3] < settings.flip:
        rest, real = mirrored(rest), mirrored(real)
    return around, rest, real - rest


def mirrored(faces: Tensor) -> Tensor:
    """Frontal faces (..., 3 L) seen in a mirror: left and right change places about the canonical face's middle."""
    points = faces.unflatten(-1, (LANDMARKS, 3))[..., torch.from_numpy(MIRROR.copy()), :].clone()
    points[..., 0] = 2 * float(canonical_face()[:, 0].mean()) - points[..., 0]
    return points.flatten(-2)  # (..., 3 L)


def with_noise(sound: Tensor, noise: Tensor, decibels: float) -> Tensor:
    """`sound` with `noise` (repeated as needed) truly added, `decibels` softer: samples add; of log energies the powers do.

    Both are rows (n, 26) or samples (n,). What is added to log energies is exact for the mean over phases.
    """
    times = -(-len(sound) // len(noise))
    noise = noise.repeat(times, *[1] * (noise.ndim - 1))[: len(sound)]
    if sound.ndim == 1:
        power = (sound.square().mean() / noise.square().mean().clamp(min=1e-12)).clamp(min=1e-12)
        return sound + noise * (power * 10 ** (-decibels / 10)).sqrt()
    power = sound.exp().sum(1).mean().clamp(min=1e-12).log() - noise.exp().sum(1).mean().clamp(min=1e-12).log()
    return torch.logaddexp(sound, noise + power - DECIBEL * decibels)
