"""Training material of the head-motion learner: stretches of people's head motion, a reference and what came after it.

Shapes: B stretches, T frames, n reference frames, C = 6 numbers of a head.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from headsync.corpus import Corpus
from headsync.landmarks.motion import head_track
from landmark_stage.clip_sound import clip_sound, prepare_sound
from landmark_stage.head_motion.network import SMOOTHING_TAPS, HeadMotion, Reference
from landmark_stage.head_motion.statistics import LEAST_FRAMES, masked_mean
from landmark_stage.sound_kinds import SoundName
from syncers import SyncSample, aligned

MIRRORED = (1.0, -1.0, -1.0, -1.0, 1.0, 1.0)    # signs of a head's numbers seen in a mirror
TYPICAL_STRIDE = 32


@dataclass(frozen=True)
class HeadMaterialSettings:
    """How stretches are drawn."""

    reference: tuple[int, int] = (48, 96)       # frames, least and most
    driven: tuple[int, int] = (48, 96)
    drop_reference_audio: float = 0.3                 # share of references whose sound is not given
    drop_audio: float = 0.1                           # share whose driving sound is not given
    flip: float = 0.5
    silent_clips: bool = True                   # clips without sound are material too

    def __post_init__(self):
        for name in ("reference", "driven"):
            low, high = getattr(self, name)
            if not LEAST_FRAMES <= low <= high:
                raise ValueError(f"{name} must be a rising pair of {LEAST_FRAMES} frames or more, got {low} and {high}")


class HeadClip(NamedTuple):
    """One clip."""

    name: str
    identity: str
    head: Tensor            # (T, C), smoothed, as `head_track` has it
    sound: Tensor | None    # (4T, 26) rows, (640 T,) samples or (2T, 384) phonetic rows; None where there is none


class HeadBatch(NamedTuple):
    """Stretches, padded to one length."""

    reference: Reference
    sound: Tensor           # (B, T, 104, 640 or 768), standard, zeros where unknown
    real: Tensor            # (B, T, C), standard, about the reference's mean
    lengths: Tensor         # (B,) frames of `real` that are there


def read_head_clips(corpus: Corpus, split: str, *, sound: SoundName = "rows", silent: bool = True,
                    least_frames: int = 2 * LEAST_FRAMES) -> list[HeadClip]:
    """The split's clips of `least_frames` frames or more, sound and motion in sync. ValueError when there is none."""
    clips, chosen = [], [clip for clip in corpus.select(split, talking=not silent) if clip.frames >= least_frames]
    prepare_sound(corpus, chosen, sound)
    for clip in chosen:
        points = corpus.landmarks(clip).points
        audio = None
        if clip.has_audio:
            audio = torch.from_numpy(corpus.features(clip).copy())
            moved = aligned(SyncSample(torch.from_numpy(points).flatten(1), audio), clip.av_offset)
            points, audio = moved.flat.unflatten(1, (-1, 3)).numpy(), moved.rows
            if sound != "rows":
                audio = clip_sound(corpus, clip, sound, len(points))
        if len(points) >= least_frames:
            head = torch.from_numpy(head_track(points, taps=SMOOTHING_TAPS)).float()
            clips.append(HeadClip(clip.clip, clip.identity, head, audio))
    if not clips:
        raise ValueError(f"{corpus.folder} has no clip of {least_frames} frames in its {split} split; head motion needs some")
    return clips


def draw_heads(clips: Sequence[HeadClip], count: int, model: HeadMotion, *, settings: HeadMaterialSettings,
               generator: torch.Generator) -> HeadBatch:
    """`count` random stretches, long clips more often; lengths are drawn for the batch, and what a clip lacks is padding."""
    n, T = (int(torch.randint(low, high + 1, (), generator=generator)) for low, high in (settings.reference, settings.driven))
    room = torch.tensor([max(len(one.head) - 2 * LEAST_FRAMES + 1.0, 1.0) for one in clips])
    chosen = torch.multinomial(room, count, replacement=True, generator=generator)
    drawn = [_drawn(clips[number], n, T, model, settings, generator) for number in chosen.tolist()]
    return join(drawn)


def _drawn(clip: HeadClip, n: int, T: int, model: HeadMotion, settings: HeadMaterialSettings,
           generator: torch.Generator) -> HeadBatch:
    """One stretch of at most n + T frames, begun at random."""
    n = min(n, len(clip.head) - LEAST_FRAMES)
    T = min(T, len(clip.head) - n)
    begin = int(torch.randint(0, len(clip.head) - n - T + 1, (), generator=generator))
    drawn = torch.rand(3, generator=generator)
    one = stretch(clip, begin, n, T, model, drop_reference_audio=bool(drawn[0] < settings.drop_reference_audio),
                  drop_audio=bool(drawn[1] < settings.drop_audio))
    if drawn[2] >= settings.flip:
        return one
    signs = torch.tensor(MIRRORED)
    return one._replace(reference=one.reference._replace(motion=signs * one.reference.motion), real=signs * one.real)


def stretch(clip: HeadClip, begin: int, n: int, T: int, model: HeadMotion, *, drop_reference_audio: bool = False,
            drop_audio: bool = False) -> HeadBatch:
    """The stretch, as a batch of one, whose reference are n frames from `begin` on, and whose T frames follow them.

    On the model's device.
    """
    device = model.motion_scale.device
    motion = (clip.head[begin : begin + n + T].to(device) / model.motion_scale)[None]           # (1, n + T, C)
    motion = motion - motion[:, :n].mean(1, keepdim=True)
    audio = audio_of(model, clip, begin, n + T)
    silence = torch.zeros_like(audio)
    reference = Reference(motion[:, :n], (silence if drop_reference_audio else audio)[:, :n],
                          torch.tensor([n], device=device))
    return HeadBatch(reference, (silence if drop_audio else audio)[:, n:], motion[:, n:], torch.tensor([T], device=device))


def audio_of(model: HeadMotion, clip: HeadClip, begin: int, frames: int) -> Tensor:
    """The sound (1, frames, 104, 640 or 768) of a clip's frames as the model takes it, zeros where there is none."""
    if clip.sound is None:
        return torch.zeros(1, frames, model.sound_size, device=model.motion_scale.device)
    step = len(clip.sound) // len(clip.head)
    return model.standard_sound(clip.sound[step * begin : step * (begin + frames)].to(model.motion_scale.device))[None]


def join(parts: Sequence[HeadBatch]) -> HeadBatch:
    """Batches as one, padded with zeros to the longest."""
    references = [one.reference for one in parts]
    reference = Reference(_padded([one.motion for one in references]), _padded([one.sound for one in references]),
                          torch.cat([one.lengths for one in references]))
    return HeadBatch(reference, _padded([one.sound for one in parts]), _padded([one.real for one in parts]),
                     torch.cat([one.lengths for one in parts]))


def _padded(parts: Sequence[Tensor]) -> Tensor:
    longest = max(one.shape[1] for one in parts)
    return torch.cat([torch.nn.functional.pad(one, (0, 0, 0, longest - one.shape[1])) for one in parts])


def references_of(clips: Sequence[HeadClip], model: HeadMotion, *, frames: int) -> Reference:
    """References of `frames` frames (or the whole of a shorter clip), every 32 frames of every clip."""
    parts = [stretch(clip, begin, min(frames, len(clip.head)), 0, model) for clip in clips
             for begin in range(0, max(len(clip.head) - frames, 0) + 1, TYPICAL_STRIDE)]
    return join(parts).reference


def about_mean(motion: Tensor, lengths: Tensor) -> Tensor:
    """Motions (B, n, C) about their own means."""
    return motion - masked_mean(motion, lengths)[:, None]
