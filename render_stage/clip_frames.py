"""Frames of clips as renderers' training takes them: in any order, zoomed, shifted, mirrored and coloured alike.

Shapes: N kept frames of a clip, S = 256 canvas pixels a side, V = 468 mesh vertices, L = 68 landmarks.
Source: Rhythmic Head section 5.1.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch

from headsync.corpus import Clip, Corpus
from headsync.corpus.frames import FrameStore, pack_frames, store_path
from headsync.landmarks import MIRROR, lip_opening
from headsync.landmarks.detection import CANVAS_PX

LEAST_FRAMES = 25           # of a clip that is trained on
ZOOM, SHIFT_PX = (0.85, 1.2), 20.0       # of the whole picture, all frames of a sample alike
FLIP = 0.5                  # share of samples seen in a mirror


class ClipFrames(NamedTuple):
    """One clip's kept frames."""

    store: FrameStore
    points: np.ndarray      # (N, L, 3), canvas pixels
    mesh: np.ndarray        # (N, V, 3)
    opening: np.ndarray     # (N,)
    share: float            # how often the clip is drawn
    clip: Clip


class FaceFrame(NamedTuple):
    """One frame, changed like the others of its sample."""

    picture: np.ndarray     # (S, S, 3) uint8
    points: np.ndarray      # (L, 3)
    mesh: np.ndarray        # (V, 3)
    person: np.ndarray      # (S, S) uint8


def read_clip_frames(corpus: Corpus, split: str, *, stride: int, pool: str, pooled: int, jobs: int = 1) -> list[ClipFrames]:
    """The split's clips, silent ones too, every person as often as another: every `stride`-th frame, packed once.

    The identity `pool` stands for `pooled` people who are not distinguished; "" for none. ValueError when there is no clip.
    """
    clips = [clip for clip in corpus.select(split) if clip.frames >= LEAST_FRAMES and has_mesh(corpus, clip)]
    if not clips:
        raise ValueError(f"{corpus.folder} has no clip of {LEAST_FRAMES} frames with a mesh in its {split} split; "
                         "the renderer needs some")
    pack_frames(corpus, clips, stride=stride, people=True, jobs=jobs)
    frames_of: dict[str, int] = {}
    for clip in clips:
        frames_of[clip.identity] = frames_of.get(clip.identity, 0) + clip.frames
    return [_clip_frames(corpus, clip, stride, share=(pooled if clip.identity == pool else 1) * clip.frames
                         / frames_of[clip.identity]) for clip in clips]


def has_mesh(corpus: Corpus, clip: Clip) -> bool:
    """Whether the clip's detector gave a mesh."""
    return (corpus.folder / "mesh" / f"{clip.clip}.npy").is_file()


def _clip_frames(corpus: Corpus, clip: Clip, stride: int, *, share: float) -> ClipFrames:
    store = FrameStore(store_path(corpus, clip, stride))
    points = corpus.landmarks(clip).points[store.numbers]
    mesh = np.asarray(corpus.mesh(clip)[store.numbers], np.float32)
    return ClipFrames(store, points, mesh, lip_opening(points), share, clip)


def changed_frames(clip: ClipFrames, numbers: Sequence[int], colour: float, mirror: np.ndarray,
                   generator: torch.Generator) -> list[FaceFrame]:
    """Frames zoomed, shifted, mirrored and coloured alike."""
    drawn = torch.rand(4, generator=generator).tolist()
    low, high = ZOOM
    scale = low + (high - low) * drawn[0]
    shift = [(1 - scale) * CANVAS_PX / 2 + SHIFT_PX * (2 * one - 1) for one in drawn[1:3]]
    flipped = drawn[3] < FLIP
    gains = np.exp(colour * torch.randn(4, generator=generator).numpy())
    table = colour_table(gains)
    return [_changed_frame(clip, number, scale, shift, mirror if flipped else None, table) for number in numbers]


def colour_table(gains: np.ndarray) -> np.ndarray:
    """What three gains and a gamma (4,) make of each value of each colour, (1, 256, 3) uint8, for cv2.LUT."""
    ramp = np.linspace(0, 1, 256)[:, None] ** gains[3] * gains[:3]
    return np.clip(255 * ramp, 0, 255).astype(np.uint8)[None]


def _changed_frame(clip: ClipFrames, number: int, scale: float, shift: Sequence[float],
                   mirror: np.ndarray | None, table: np.ndarray) -> FaceFrame:
    offset = [scale * 0.5 - 0.5 + one for one in shift]                              # pixel centres lie at + 0.5
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    picture, person = (cv2.warpAffine(one, matrix, (CANVAS_PX, CANVAS_PX), borderMode=cv2.BORDER_REFLECT_101)
                       for one in (clip.store.picture(number), clip.store.person(number)))
    picture = cv2.LUT(picture, table)
    points, mesh = (scale * one[number] + (*shift, 0) for one in (clip.points, clip.mesh))
    if mirror is not None:
        picture, person = (np.ascontiguousarray(one[:, ::-1]) for one in (picture, person))
        points, mesh = points[MIRROR], mesh[mirror]
        points, mesh = ((CANVAS_PX, 0, 0) - one * (1, -1, -1) for one in (points, mesh))
    return FaceFrame(picture, points.astype(np.float32), mesh.astype(np.float32), person)
