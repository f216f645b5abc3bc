"""Training material of the landmark generator: stretches of clips with the sound around them.

Shapes: B clips, T frames, L = 68 landmarks, D = 2 or 3 coordinates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from headsync.corpus import Corpus
from headsync.landmarks import AugmentationRanges, apply_augmentation, draw_augmentation
from headsync.media import ROWS_PER_FRAME
from headsync.media.kinds import FeatureName
from landmark_stage.ms_sync.audio_pyramid import MARGIN_FRAMES, SILENT_ROW, with_margins
from landmark_stage.ms_sync.generator import OBSERVED
from syncers.channels import LANDMARKS
from syncers.data import read_samples


@dataclass(frozen=True)
class MaterialSettings:
    """How stretches are drawn."""

    frames: int = 40                    # of a stretch, the start included: 40 short, 80 long
    still_start: float = 0.5            # share whose observed frames are copies of the start, as at test time
    silence: float = 0.1                # share of stretches whose sound is taken away: lips shall rest
    loudness: float = 0.5               # level jitter of a stretch's rows, standard deviation in log energy
    ranges: AugmentationRanges = field(default_factory=AugmentationRanges)


class Stretch(NamedTuple):
    """A batch of stretches."""

    real: Tensor        # (B, T + 2, D * L), frames -2 to T - 1 in canvas shares
    observed: Tensor    # (B, 3, D * L), what the generator is shown: the first three, or copies of the third
    rows: Tensor        # (B, 4 (T + 64), 26), frame 0's sound at row 128; as loud as drawn
    talking: Tensor     # (B,) bool, False where the sound was taken away and `real` is no example


class Track(NamedTuple):
    """One clip."""

    name: str
    flat: Tensor        # (T, 3 * L)
    rows: Tensor        # (4T, 26)
    features: Tensor | None = None     # (kT, F) what the validation syncers take as input; None: those are the rows


def read_tracks(corpus: Corpus, split: str, *, features: FeatureName = "fbank26") -> list[Track]:
    """The split's talking clips, in sync; those with doubtful sound are left out.

    `features` are the features of syncers that will evaluate them. ValueError when the split holds none.
    """
    sure = [clip for clip in corpus.select(split, talking=True) if clip.sync != "unsure"]
    if not sure:
        raise ValueError(f"{corpus.folder} has no talking clip in its {split} split; the generator needs some")
    tracks = [Track(one.name, one.sample.flat, one.sample.rows) for one in read_samples(corpus, sure)]
    if features == "fbank26":
        return tracks
    others = read_samples(corpus, sure, features=features)
    return [track._replace(features=one.sample.rows) for track, one in zip(tracks, others)]


def draw_stretches(tracks: Sequence[Track], count: int, *, dims: int, settings: MaterialSettings,
                   generator: torch.Generator) -> Stretch:
    """`count` random stretches, long clips more often, each face turned, sized, placed and mirrored anew.

    ValueError when no clip is long enough.
    """
    least = settings.frames + OBSERVED - 1
    fitting = [one for one in tracks if len(one.flat) >= least]
    if not fitting:
        raise ValueError(f"no clip has the {least} frames of a stretch; lower material.frames")
    room = torch.tensor([len(one.flat) - least + 1.0 for one in fitting])
    chosen = torch.multinomial(room, count, replacement=True, generator=generator)
    drawn = [_one(fitting[number], dims, settings, generator) for number in chosen.tolist()]
    real, observed, rows = (torch.stack(parts) for parts in zip(*drawn))
    talking = torch.arange(count) >= round(settings.silence * count)
    return Stretch(real, observed, torch.where(talking[:, None, None], rows, SILENT_ROW), talking)


def _one(track: Track, dims: int, settings: MaterialSettings, generator: torch.Generator) -> tuple[Tensor, ...]:
    """One stretch, begun at a random frame: real, observed, rows."""
    before = OBSERVED - 1
    start = before + int(torch.randint(0, len(track.flat) - settings.frames - before + 1, (), generator=generator))
    points = track.flat[start - before : start + settings.frames].unflatten(1, (LANDMARKS, 3)).numpy()  # (T + 2, L, 3)
    changed = apply_augmentation(points, draw_augmentation(generator, points, settings.ranges))
    real = torch.from_numpy(changed)[..., :dims].flatten(1)                             # (T + 2, D * L)
    still = bool(torch.rand((), generator=generator) < settings.still_start)
    observed = real[before].expand(OBSERVED, -1) if still else real[:OBSERVED]          # (3, D * L)
    rows = rows_around(track.rows, start, settings.frames, known_before=not still)
    rows = rows + settings.loudness * torch.randn((), generator=generator)
    return real, observed.clone(), rows


def rows_around(rows: Tensor, start: int, frames: int, *, known_before: bool) -> Tensor:
    """Rows (4 (frames + 64), 26) of frames `start` on, with the clip's own sound in the margins where there is any."""
    first, last = ROWS_PER_FRAME * start, ROWS_PER_FRAME * (start + frames)
    before = rows[None, max(0, first - ROWS_PER_FRAME * MARGIN_FRAMES) : first] if known_before else None
    return with_margins(rows[None, first:last], before=before, after=rows[None, last:])[0]
