"""Training material of PC-AVS: clips of people with their sound, drawn by numbers and changed anew each time.

Shapes: B clips, L frames of each, m of them targets, K pictures of the person, P pixels a side, W rows of sound of F numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from headsync.corpus import Corpus, add_features, pooled_codes
from headsync.experiment import batch_generator, own_rows
from headsync.landmarks import MIRROR
from headsync.media import read_audio
from headsync.media.decibels import decibel_rows
from render_stage.clip_frames import ClipFrames, read_clip_frames
from render_stage.pc_avs.augment import ChangeSettings, clip_change, mouth_swapped, placed_points, sample_change, shown
from render_stage.pc_avs.network import WINDOW_FRAMES, PcAvsSettings
from render_stage.pc_avs.view import as_tensor

NOBODY = -1         # the label of who is not distinguished


@dataclass(frozen=True)
class PcAvsMaterialSettings:
    """What is drawn."""

    stride: int         # every so many frames of a clip are kept
    pool: str           # an identity that stands for several people who are not distinguished; "": there is none
    pooled: int         # people that it counts for
    pictures: int       # K of a person
    frames: int         # L of a clip, kept ones in a row, when the content space is learned
    joint_frames: int   # L when all is learned
    targets: int        # m of them that are drawn
    pose_frames: int    # that the map from head poses to pose codes is fitted on, at the end
    change: ChangeSettings

    def __post_init__(self):
        if not 1 <= self.targets <= min(self.frames, self.joint_frames):
            raise ValueError(f"targets must be 1 to frames and joint_frames, got {self.targets}, {self.frames} and "
                             f"{self.joint_frames}")
        if min(self.pictures, self.stride, self.pose_frames) < 1:
            raise ValueError(f"pictures, stride and pose_frames must be 1 or more, got {self.pictures}, {self.stride} and "
                             f"{self.pose_frames}")


class SpokenClip(NamedTuple):
    """One clip."""

    frames: ClipFrames
    person: int                 # a number from 0 on, or NOBODY
    rows: np.ndarray | None     # (n, F) float16 of its sound; None where there is none that belongs to the lips


class PcAvsBatch(NamedTuple):
    """What a step needs."""

    identity: Tensor    # (B, K, 3, P, P) in [0, 1]
    person: Tensor      # (B,)
    target: Tensor      # (B, m, 3, P, P)
    target_points: Tensor   # (B, m, 68, 2) in shares of the side
    posed: Tensor       # (B, m, 3, P, P): the targets for the pose code, changed
    seen: Tensor        # (B, L, 3, P, P): for content, changed
    seen_points: Tensor     # (B, L, 68, 2)
    sound: Tensor       # (B, L, W, F)
    with_sound: Tensor  # (B,) bool


def read_material(corpus: Corpus, split: str, settings: PcAvsMaterialSettings, network: PcAvsSettings) -> list[SpokenClip]:
    """The split's clips, silent ones too. ValueError when there is none."""
    clips = read_clip_frames(corpus, split, stride=settings.stride, pool=settings.pool, pooled=settings.pooled)
    pools, people = {*pooled_codes([one.clip for one in clips]), settings.pool}, {}
    if network.sound == "phonetic":
        add_features(corpus, [one.clip for one in clips], "whisper")
    return [SpokenClip(one, NOBODY if one.clip.identity in pools else people.setdefault(one.clip.identity, len(people)),
                       _rows(corpus, one, network)) for one in clips]


def _rows(corpus: Corpus, one: ClipFrames, network: PcAvsSettings) -> np.ndarray | None:
    """Rows (n, F) float16 in step with the frames, 2 frames more at either end; None without sound that can be trusted."""
    clip = one.clip
    if not clip.has_audio or clip.sync == "unsure":
        return None
    if network.sound == "phonetic":
        rows = corpus.features(clip, "whisper")
    else:
        rows = decibel_rows(read_audio(corpus.audio_path(clip)))
    side, per_frame = WINDOW_FRAMES // 2, network.rows_per_frame
    index = np.arange((clip.av_offset - side) * per_frame, (clip.frames + clip.av_offset + side) * per_frame)
    return rows[np.clip(index, 0, len(rows) - 1)].astype(np.float16)


class DrawnBatches:
    """Batches by the step's number; of several processes each draws its own samples. Workers are given this alone."""

    def __init__(self, clips: Sequence[SpokenClip], settings: PcAvsMaterialSettings, network: PcAvsSettings, *, batch: int,
                 seed: int, joint_from: int):
        self.clips, self.settings, self.network = clips, settings, network
        self.batch, self.seed, self.joint_from, self.rows = batch, seed, joint_from, own_rows(batch)
        self.shares = torch.tensor([one.frames.share for one in clips], dtype=torch.float64)

    def __call__(self, step: int) -> PcAvsBatch:
        generator = batch_generator(self.seed, step)
        numbers = torch.multinomial(self.shares, self.batch, replacement=True, generator=generator)
        seeds = torch.randint(2**62, (self.batch,), generator=generator)
        frames = self.settings.frames if step < self.joint_from else self.settings.joint_frames
        return stacked([draw_sample(self.clips[int(number)], frames, self.settings, self.network,
                                    np.random.default_rng(int(seed)))
                        for number, seed in zip(numbers[self.rows], seeds[self.rows])])


def draw_sample(clip: SpokenClip, frames: int, settings: PcAvsMaterialSettings, network: PcAvsSettings,
                random: np.random.Generator) -> PcAvsBatch:
    """One sample of a clip as a batch without its first axis: `frames` kept frames in a row, its first ones targets."""
    store, points, side = clip.frames.store, clip.frames.points, network.side_px
    N = len(store)
    numbers = np.minimum(random.integers(max(1, N - frames + 1)) + np.arange(frames), N - 1)
    flipped = random.random() < 0.5
    alike, beside = sample_change(settings.change, random), clip_change(settings.change, random)
    pictures = [store.picture(int(number)) for number in numbers]
    chosen = random.permutation(frames)[: settings.targets]
    posed = []
    for number in chosen:
        picture = pictures[number]
        if random.random() < settings.change.mouth_swapped:
            other = int(random.integers(N))
            picture = mouth_swapped(picture, points[numbers[number]], store.picture(other), points[other])
        posed.append(shown(picture, side, alike, beside))
    order = np.concatenate([chosen, np.setdiff1d(np.arange(frames), chosen)])
    identity = [shown(store.picture(int(one)), side, alike) for one in random.integers(N, size=settings.pictures)]
    seen = [shown(pictures[number], side, alike, beside) for number in order]
    target = [shown(pictures[number], side, alike) for number in chosen]
    kept = numbers[order]
    places = [np.stack([placed_points(points[number], *changes) for number in some])
              for some, changes in ((numbers[chosen], (alike,)), (kept, (alike, beside)))]
    if flipped:
        identity, seen, target, posed = ([one[:, ::-1] for one in some] for some in (identity, seen, target, posed))
        places = [mirrored_points(one) for one in places]
    sound = clip_sound(clip, kept, network)
    tensors = [as_tensor(some) for some in (identity, target, posed, seen)]
    return PcAvsBatch(tensors[0], torch.tensor(clip.person), tensors[1], torch.from_numpy(places[0]), tensors[2], tensors[3],
                      torch.from_numpy(places[1]), sound, torch.tensor(clip.rows is not None))


def clip_sound(clip: SpokenClip, kept: np.ndarray, network: PcAvsSettings) -> Tensor:
    """Rows (L, W, F) around kept frames; zeros of a silent clip."""
    W = WINDOW_FRAMES * network.rows_per_frame
    if clip.rows is None:
        return torch.zeros(len(kept), W, network.sound_features)
    first = clip.frames.store.numbers[kept] * network.rows_per_frame
    return torch.from_numpy(clip.rows[first[:, None] + np.arange(W)].astype(np.float32))


def mirrored_points(points: np.ndarray) -> np.ndarray:
    """Landmarks (L, 68, 2) in shares, as a mirror shows them."""
    return (points[:, MIRROR] * (-1, 1) + (1, 0)).astype(np.float32)


def stacked(samples: Sequence[PcAvsBatch]) -> PcAvsBatch:
    """Samples as a batch."""
    return PcAvsBatch(*(torch.stack(parts) for parts in zip(*samples)))
