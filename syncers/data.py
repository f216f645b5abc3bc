"""Training material of one level: clips, augmented in several copies, as one long run of channels to draw windows from.

Shapes: K steps of all sequences together, C channels, n windows of a batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from headsync.corpus import Clip, Corpus, add_features
from headsync.landmarks import AugmentationRanges, apply_augmentation, draw_augmentation
from headsync.media.kinds import FeatureName
from syncers.channels import LANDMARKS, ChannelSettings
from syncers.measure import SyncSample, aligned
from syncers.windows import level_sequences

LEAST_FRAMES = 5                    # shorter clips say nothing of synchrony


@dataclass(frozen=True)
class MaterialSettings:
    """What is made of every clip before training."""

    copies: int                     # augmented versions of each clip
    stretch: float = 0.0            # largest change of speed of sound and motion together, as a share
    identity: float = 0.0           # lasting displacement of every landmark, in shares of the canvas: other faces
    noise: float = 0.001            # of every landmark in every frame, likewise: landmark jitter
    ranges: AugmentationRanges = field(default_factory=AugmentationRanges)


class NamedSample(NamedTuple):
    """A clip's material and who it is."""

    name: str
    identity: str
    sample: SyncSample


def read_samples(corpus: Corpus, clips: Sequence[Clip], *, dims: int = 3,
                 features: FeatureName = "fbank26") -> list[NamedSample]:
    """The clips' landmarks (T, dims * 68) and rows, put in sync by the manifest's `av_offset`; too short ones left out.

    Rows are of the kind `features`, made where the corpus lacks them.
    """
    add_features(corpus, clips, features)
    samples = []
    for clip in clips:
        flat = torch.from_numpy(corpus.landmarks(clip).flat(dims))
        rows = torch.from_numpy(corpus.features(clip, features).astype("float32"))
        sample = aligned(SyncSample(flat, rows), clip.av_offset)
        if len(sample.flat) >= LEAST_FRAMES:
            samples.append(NamedSample(clip.clip, clip.identity, sample))
    return samples


class Material(NamedTuple):
    """One level's sequences, one after the other."""

    motion: Tensor      # (K, C)
    audio: Tensor       # (kK, C'), k rows of sound a step
    start: Tensor       # first step of each sequence
    windows: Tensor     # windows of each sequence
    clip: Tensor        # which clip each sequence is a version of
    window: int         # steps of a window
    rows: int           # of sound a step, k

    def motion_at(self, index: Tensor) -> Tensor:
        """The motion windows (..., 5, C) that begin at steps `index` (...)."""
        return self.motion[index[..., None] + torch.arange(self.window)]

    def audio_at(self, index: Tensor) -> Tensor:
        """The audio windows (..., 5k, C') that begin at steps `index` (...)."""
        return self.audio[self.rows * index[..., None] + torch.arange(self.rows * self.window)]


class Batch(NamedTuple):
    """Windows and where they come from."""

    motion: Tensor      # (n, 5, C)
    audio: Tensor       # (n, 5k, C')
    clip: Tensor        # (n,)
    step: Tensor        # (n,)


def build_material(samples: Sequence[SyncSample], channels: ChannelSettings, *, level: int, generator: torch.Generator,
                   settings: MaterialSettings | None = None) -> Material:
    """All clips at one level; with `settings` in that many augmented copies, else as they are.

    Every copy begins at another phase of the pyramid. ValueError when no clip is long enough for the level.
    """
    motions, audios, windows, owner = [], [], [], []
    for number, sample in enumerate(samples):
        for _ in range(settings.copies if settings else 1):
            changed = augmented(sample, settings, level=level, generator=generator) if settings else sample
            if len(changed.flat) < channels.window:
                continue
            sequences = level_sequences(changed.flat[None], changed.rows[None], channels, level)
            if sequences is not None:
                motions.append(sequences[0][0])
                audios.append(sequences[1][0])
                windows.append(len(motions[-1]) - channels.window + 1)
                owner.append(number)
    if not motions:
        raise ValueError(f"none of {len(samples)} clips is long enough for level {level}")
    lengths = torch.tensor([len(motion) for motion in motions])
    return Material(torch.cat(motions), torch.cat(audios), lengths.cumsum(0) - lengths, torch.tensor(windows),
                    torch.tensor(owner), channels.window, channels.rows_per_frame)


def augmented(sample: SyncSample, settings: MaterialSettings, *, level: int, generator: torch.Generator) -> SyncSample:
    """A clip begun at a random frame, played a little faster or slower, on another face seen from elsewhere."""
    phase, k = int(torch.randint(0, 2 ** (level - 1), (), generator=generator)), sample.rows_per_frame
    flat, rows = sample.flat[phase:], sample.rows[k * phase :]
    speed = 1 + settings.stretch * (2 * float(torch.rand((), generator=generator)) - 1)
    frames = round(len(flat) / speed)
    if frames != len(flat) and frames >= LEAST_FRAMES:
        flat, rows = _resampled(flat, frames), _resampled(rows, k * frames)
    points = flat.unflatten(1, (LANDMARKS, -1))                                             # (T, L, D)
    if settings.identity:
        points = points + settings.identity * torch.randn(points.shape[1:], generator=generator)
    if settings.noise:
        points = points + settings.noise * torch.rand((), generator=generator) * torch.randn(points.shape, generator=generator)
    if points.shape[-1] == 3:
        drawn = draw_augmentation(generator, points.numpy(), settings.ranges)
        points = torch.from_numpy(apply_augmentation(points.numpy(), drawn))
    return SyncSample(points.flatten(1), rows)


def _resampled(signal: Tensor, length: int) -> Tensor:
    return F.interpolate(signal.T[None], size=length, mode="linear", align_corners=False)[0].T  # (length, C)


def draw_sequences(material: Material, *, count: int, steps: int, generator: torch.Generator) -> tuple[Tensor, Tensor] | None:
    """Windows (B, n, 5, C) and (B, n, 5k, C') of up to `count` stretches of `steps` steps; None when no clip is that long."""
    n = steps - material.window + 1
    fits = torch.nonzero(material.windows >= n)[:, 0]
    if not len(fits):
        return None
    room = material.windows[fits] - n + 1
    chosen = torch.multinomial(room.float(), min(count, len(fits)), generator=generator)
    start = material.start[fits][chosen] + (torch.rand(len(chosen), generator=generator) * room[chosen]).long()
    index = start[:, None] + torch.arange(n)                                                # (B, n)
    return material.motion_at(index), material.audio_at(index)


def draw_batch(material: Material, *, clips: int, windows: int, generator: torch.Generator) -> Batch:
    """Up to `clips` sequences (long ones more often) with up to `windows` windows each, spread over their length."""
    weights = material.windows.float()
    chosen = torch.multinomial(weights, min(clips, len(weights)), generator=generator)      # (clips,)
    count = material.windows[chosen]
    place = (torch.arange(windows) + torch.rand(len(chosen), windows, generator=generator)) / windows
    step = (place * count[:, None]).long().clamp(max=count[:, None] - 1)                    # (clips, windows)
    fresh = torch.ones_like(step, dtype=torch.bool)
    fresh[:, 1:] = step[:, 1:] != step[:, :-1]
    index = (material.start[chosen][:, None] + step)[fresh]                                 # (n,)
    owner = material.clip[chosen][:, None].expand_as(step)[fresh]
    return Batch(material.motion_at(index), material.audio_at(index), owner, step[fresh])
