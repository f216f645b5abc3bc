"""Training material of the renderer: references from the beginning of a clip, a target from the rest, and its guide.

Shapes: B samples, K references, S = 256 canvas pixels, G = 128 pixels of the guide's coarse maps, V = 468, L = 68. Pictures
are (3, S, S) float32 in [0, 1]. Source: Rhythmic Head section 5.1; method/rhythmic_head.md#references-and-matcher
(references, hard matches).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from headsync.corpus.frames import last_reference
from render_stage.clip_frames import ClipFrames, changed_frames
from render_stage.geometry.motion_matcher import match_hard
from render_stage.geometry.topology import FaceTopology
from render_stage.rhythmic_head.guide import GuideSettings, guide_maker
from render_stage.rhythmic_head.inputs import Guides, as_picture, guide_tensors, looks, person_map

TURNED_ROUND = 0.5          # share of samples for which a clip runs backwards: its end gives the references


@dataclass(frozen=True)
class MaterialSettings:
    """How samples are drawn."""

    references: tuple[int, ...] = (1, 1, 2, 4, 8)   # K of a batch is one of these
    stride: int = 3             # every so many frames of a clip are kept
    pool: str = ""              # an identity that stands for several people who are not distinguished; "": there is none
    pooled: int = 24            # people that it counts for
    colour: float = 0.15        # deviation of each channel's gain and of the gamma
    open_mouths: float = 0.5    # share of targets that are the wider open mouth of two

    def __post_init__(self):
        if not self.references or min(self.references) < 1 or self.stride < 1 or self.pooled < 1:
            raise ValueError(f"references, stride and pooled must be 1 or more, got {self.references}, {self.stride}, "
                             f"{self.pooled}")


class Batch(NamedTuple):
    """Samples with as many references each."""

    references: Tensor          # (B, K, 3, S, S)
    reference_lines: Tensor     # (B, K, 1, G, G)
    guides: Guides
    teacher: Tensor             # (B, 1, G, G): where the guide's flow is the truth
    target: Tensor              # (B, 3, S, S)
    points: Tensor              # (B, L, 3), of the target, canvas pixels
    person: Tensor              # (B, 1, S, S): where the target shows a person, with its soft rim


def draw_batch(clips: Sequence[ClipFrames], count: int, *, settings: MaterialSettings, guide: GuideSettings,
               topology: FaceTopology, generator: torch.Generator, rows: slice = slice(None)) -> Batch:
    """`count` random samples, or the `rows` of them; each clip's share decides how often it is drawn.

    Each sample is drawn from a generator of its own: which others are made changes nothing.
    """
    K = settings.references[int(torch.randint(len(settings.references), (), generator=generator))]
    shares = torch.tensor([clip.share for clip in clips], dtype=torch.float64)
    chosen = torch.multinomial(shares, count, replacement=True, generator=generator)
    seeds = torch.randint(2**62, (count,), generator=generator)
    samples = [_sample(clips[number], K, settings, guide, topology, torch.Generator().manual_seed(seed))
               for number, seed in zip(chosen[rows].tolist(), seeds[rows].tolist())]
    parts = [torch.stack(part) for part in zip(*samples)]
    shown = 2 + len(Guides._fields)
    return Batch(parts[0], parts[1], Guides(*parts[2:shown]), *parts[shown:])


def _sample(clip: ClipFrames, K: int, settings: MaterialSettings, guide: GuideSettings, topology: FaceTopology,
            generator: torch.Generator) -> tuple[Tensor, ...]:
    """One sample: references, their lines, the guides, teacher, target, points, person."""
    references, target = _drawn_frames(clip, K, settings, generator)
    *known, asked = changed_frames(clip, [*references, target], settings.colour, topology.mirror, generator)
    points, meshes = (np.stack([getattr(one, name) for one in (*known, asked)]) for name in ("points", "mesh"))
    maker = guide_maker([one.picture for one in known], points[:-1], meshes[:-1], topology=topology, settings=guide)
    match = int(match_hard(maker.poses(points[-1:]).h, maker.pose.h, generator)[0])
    shown = maker.guide(points[-1], match)
    seen = looks([one.picture for one in known], points[:-1], [one.person for one in known])
    return (torch.stack([one.picture for one in seen]), torch.stack([one.lines for one in seen]),
            *guide_tensors(shown, seen[match]), torch.from_numpy(shown.teacher)[None], as_picture(asked.picture),
            torch.from_numpy(points[-1]), person_map(asked.person))


def _drawn_frames(clip: ClipFrames, K: int, settings: MaterialSettings, generator: torch.Generator) -> tuple[list[int], int]:
    """Numbers of K references and of the target among the kept frames."""
    N = len(clip.store)
    border = max(1, int(np.searchsorted(clip.store.numbers, last_reference(int(clip.store.numbers[-1]) + 1))))
    references = torch.randint(border, (K,), generator=generator).tolist()
    targets = (border + torch.randint(max(N - border, 1), (2,), generator=generator)).clamp(max=N - 1).tolist()
    chances = torch.rand(2, generator=generator)
    if chances[1] < TURNED_ROUND:
        references, targets = ([N - 1 - number for number in one] for one in (references, targets))
    wider = chances[0] < settings.open_mouths
    return references, max(targets, key=lambda number: clip.opening[number]) if wider else targets[0]
