"""Training material of the renderer: references from the beginning of a clip, a target from the rest, and its guide.

Shapes: B samples, K references, S = 256 canvas pixels, G = 128 pixels of the guide's coarse maps, V = 468, L = 68. Pictures
are (3, S, S) float32 in [0, 1]. Source: Rhythmic Head section 5.1; method/rhythmic_head.md#references-and-matcher
(references, hard matches).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from headsync.corpus import Clip, Corpus
from headsync.corpus.frames import FrameStore, last_reference, pack_frames, store_path
from headsync.landmarks import MIRROR, lip_opening
from render_stage.geometry.motion_matcher import match_hard
from render_stage.geometry.topology import FaceTopology
from render_stage.rhythmic_head.guide import CANVAS, GuideSettings, guide_maker
from render_stage.rhythmic_head.inputs import Guides, as_picture, guide_tensors, looks, person_map

LEAST_FRAMES = 25           # of a clip that is trained on
ZOOM, SHIFT_PX = (0.85, 1.2), 20.0       # of the whole picture, all frames of a sample alike
FLIP = 0.5                  # share of samples seen in a mirror
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


class ClipFrames(NamedTuple):
    """One clip's kept frames."""

    store: FrameStore
    points: np.ndarray      # (N, L, 3), canvas pixels
    mesh: np.ndarray        # (N, V, 3)
    opening: np.ndarray     # (N,)
    share: float            # how often the clip is drawn


class FaceFrame(NamedTuple):
    """One frame, changed like the others of its sample."""

    picture: np.ndarray     # (S, S, 3) uint8
    points: np.ndarray      # (L, 3)
    mesh: np.ndarray        # (V, 3)
    person: np.ndarray      # (S, S) uint8


def read_frames(corpus: Corpus, split: str, settings: MaterialSettings, *, jobs: int = 1) -> list[ClipFrames]:
    """The split's clips, silent ones too, every person as often as another. ValueError when there is none."""
    clips = [clip for clip in corpus.select(split) if clip.frames >= LEAST_FRAMES and has_mesh(corpus, clip)]
    if not clips:
        raise ValueError(f"{corpus.folder} has no clip of {LEAST_FRAMES} frames with a mesh in its {split} split; "
                         "the renderer needs some")
    pack_frames(corpus, clips, stride=settings.stride, people=True, jobs=jobs)
    frames_of: dict[str, int] = {}
    for clip in clips:
        frames_of[clip.identity] = frames_of.get(clip.identity, 0) + clip.frames
    return [_clip_frames(corpus, clip, settings, of_person=frames_of[clip.identity]) for clip in clips]


def has_mesh(corpus: Corpus, clip: Clip) -> bool:
    """Whether the clip's detector gave a mesh."""
    return (corpus.folder / "mesh" / f"{clip.clip}.npy").is_file()


def _clip_frames(corpus: Corpus, clip: Clip, settings: MaterialSettings, *, of_person: int) -> ClipFrames:
    store = FrameStore(store_path(corpus, clip, settings.stride))
    points = corpus.landmarks(clip).points[store.numbers]
    mesh = np.asarray(corpus.mesh(clip)[store.numbers], np.float32)
    people = settings.pooled if clip.identity == settings.pool else 1
    return ClipFrames(store, points, mesh, lip_opening(points, dims=3), people * clip.frames / of_person)


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
    frames = _changed(clip, [*references, target], settings, topology.mirror, generator)
    points, meshes = (np.stack([getattr(frame, name) for frame in frames]) for name in ("points", "mesh"))
    maker = guide_maker([frame.picture for frame in frames[:-1]], points[:-1], meshes[:-1], topology=topology, settings=guide)
    match = int(match_hard(maker.poses(points[-1:]).h, maker.pose.h, generator)[0])
    shown = maker.guide(points[-1], match)
    seen = looks([frame.picture for frame in frames[:-1]], points[:-1], [frame.person for frame in frames[:-1]])
    return (torch.stack([one.picture for one in seen]), torch.stack([one.lines for one in seen]),
            *guide_tensors(shown, seen[match]), torch.from_numpy(shown.teacher)[None], as_picture(frames[-1].picture),
            torch.from_numpy(points[-1]), person_map(frames[-1].person))


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


def _changed(clip: ClipFrames, numbers: Sequence[int], settings: MaterialSettings, mirror: np.ndarray,
             generator: torch.Generator) -> list[FaceFrame]:
    """Frames zoomed, shifted, mirrored and coloured alike."""
    drawn = torch.rand(4, generator=generator).tolist()
    low, high = ZOOM
    scale = low + (high - low) * drawn[0]
    shift = [(1 - scale) * CANVAS / 2 + SHIFT_PX * (2 * one - 1) for one in drawn[1:3]]
    flipped = drawn[3] < FLIP
    gains = np.exp(settings.colour * torch.randn(4, generator=generator).numpy())
    ramp = np.linspace(0, 1, 256)[:, None] ** gains[3] * gains[:3]
    table = np.clip(255 * ramp, 0, 255).astype(np.uint8)[None]                      # (1, 256, 3)
    return [_changed_frame(clip, number, scale, shift, mirror if flipped else None, table) for number in numbers]


def _changed_frame(clip: ClipFrames, number: int, scale: float, shift: Sequence[float],
                   mirror: np.ndarray | None, table: np.ndarray) -> FaceFrame:
    offset = [scale * 0.5 - 0.5 + one for one in shift]                              # pixel centres lie at + 0.5
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    picture, person = (cv2.warpAffine(one, matrix, (CANVAS, CANVAS), borderMode=cv2.BORDER_REFLECT_101)
                       for one in (clip.store.picture(number), clip.store.person(number)))
    picture = cv2.LUT(picture, table)
    points, mesh = (scale * one[number] + (*shift, 0) for one in (clip.points, clip.mesh))
    if mirror is not None:
        picture, person = (np.ascontiguousarray(one[:, ::-1]) for one in (picture, person))
        points, mesh = points[MIRROR], mesh[mirror]
        points, mesh = ((CANVAS, 0, 0) - one * (1, -1, -1) for one in (points, mesh))
    return FaceFrame(picture, points.astype(np.float32), mesh.astype(np.float32), person)
