"""Training material of close-ups: mouths as a renderer draws them, beside the real ones, packed once.

Shapes: M samples, S = 256 canvas pixels, P = N + 2 MARGIN_PX pixels a side of a packed close-up. A renderer is asked for real
landmarks of the same clip, from a reference that is often shut, so that it must invent what the target shows.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from headsync import media
from headsync.landmarks.detection import CANVAS_PX
from render_stage.clip_frames import ClipFrames, changed_frames
from render_stage.close_up.view import View, corner, face_view, moved_reference
from render_stage.contract import Drive, Renderer
from render_stage.geometry.topology import load_topology
from render_stage.references import Reference

SIDE, MARGIN_PX = 96, 8         # of close-ups in training, on the canvas of 256
PACKED_PX = SIDE + 2 * MARGIN_PX
TARGETS = (8, 6, 4, 3, 2, 1, 1, 1)      # targets of a reference: each the widest open of so many drawn frames
REFERENCE_DRAWN = 4             # frames of which a reference is the most shut or the widest open
SHUT, WIDE = 0.5, 0.2           # shares of references that are so
CHANNELS = 10                   # renderer's picture, real picture, reference, inside of the reference's mouth


@dataclass(frozen=True)
class CloseUpMaterialSettings:
    """What is packed."""

    renderer: str       # whose pictures are mended: a shipped one or a weight file
    samples: int        # packed for training
    val_samples: int
    stride: int         # every so many frames of a clip are kept
    pool: str           # an identity that stands for several people who are not distinguished; "": there is none
    pooled: int         # people that it counts for
    colour: float       # deviation of each channel's gain and of the gamma


class Packed(NamedTuple):
    """Packed samples, in files that are read where they are asked for."""

    pictures: np.ndarray    # (M, P, P, CHANNELS) uint8
    views: np.ndarray       # (M, 49) float64: a `View` in the packed close-up


class Sample(NamedTuple):
    """One close-up before it is drawn again."""

    pictures: np.ndarray    # (P, P, CHANNELS) uint8
    view: View


def packed(clips: Sequence[ClipFrames], count: int, folder: Path, renderer: Renderer, told: dict, *, seed: int) -> Packed:
    """`count` samples of clips, made once in `folder`; made anew where `told`, what they depend on, has changed."""
    note = json.dumps(told, sort_keys=True)
    if not (folder / "told.json").is_file() or (folder / "told.json").read_text(encoding="utf-8") != note:
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        pictures = np.lib.format.open_memmap(part / "pictures.npy", "w+", np.uint8, (count, PACKED_PX, PACKED_PX, CHANNELS))
        views = np.zeros((count, view_numbers()))
        drawn = samples(clips, count, renderer, told["material"]["colour"], seed=seed)
        for number, sample in enumerate(media.tracked(drawn, "drawing close-ups", total=count, unit="sample")):
            pictures[number], views[number] = sample.pictures, flat(sample.view)
        pictures.flush()
        np.save(part / "views.npy", views)
        (part / "told.json").write_text(note, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    return Packed(np.load(folder / "pictures.npy", mmap_mode="r", allow_pickle=False),
                  np.load(folder / "views.npy", allow_pickle=False))


def told_of(settings: CloseUpMaterialSettings, clips: Sequence[ClipFrames], fingerprint: str) -> dict:
    """What packed samples depend on."""
    return {"material": asdict(settings), "clips": len(clips), "frames": sum(len(clip.store) for clip in clips),
            "renderer": fingerprint, "packed_px": PACKED_PX}


def samples(clips: Sequence[ClipFrames], count: int, renderer: Renderer, colour: float, *, seed: int) -> Iterator[Sample]:
    """`count` samples; every person as often as another."""
    generator = torch.Generator().manual_seed(seed)
    shares = torch.tensor([clip.share for clip in clips], dtype=torch.float64)
    mirror, made = load_topology().mirror, 0
    while made < count:
        clip = clips[int(torch.multinomial(shares, 1, generator=generator))]
        for sample in _of_reference(clip, renderer, mirror, colour, generator):
            if made < count:
                yield sample
                made += 1


def _of_reference(clip: ClipFrames, renderer: Renderer, mirror: np.ndarray, colour: float,
                  generator: torch.Generator) -> Iterator[Sample]:
    """Samples of one reference, its targets changed alike."""
    numbers = drawn_numbers(clip, generator)
    reference, *targets = changed_frames(clip, numbers, colour, mirror, generator)
    identity = renderer.prepare([Reference(reference.picture, reference.points, reference.mesh)])
    pictures = renderer.frames(identity, Drive(np.stack([one.points for one in targets])))
    for picture, target in zip(pictures, targets):
        yield sample_of(picture, target.picture, target.points, reference.picture, face_view(reference.points))


def drawn_numbers(clip: ClipFrames, generator: torch.Generator) -> list[int]:
    """Numbers of a reference and of its targets among the kept frames."""
    N = len(clip.store)
    kind = float(torch.rand((), generator=generator))
    some = torch.randint(N, (REFERENCE_DRAWN,), generator=generator).tolist()
    if kind < SHUT:
        reference = min(some, key=lambda number: clip.opening[number])
    else:
        reference = max(some, key=lambda number: clip.opening[number]) if kind < SHUT + WIDE else some[0]
    targets = [max(torch.randint(N, (drawn,), generator=generator).tolist(), key=lambda number: clip.opening[number])
               for drawn in TARGETS]
    return [reference, *targets]


def sample_of(made: np.ndarray, real: np.ndarray, points: np.ndarray, reference: np.ndarray, source: View) -> Sample:
    """A renderer's picture and the real one, cut round the mouth of landmarks (68, 3), beside the reference moved there."""
    view = face_view(points)
    left, top = corner(view, PACKED_PX, CANVAS_PX)
    part = (slice(top, top + PACKED_PX), slice(left, left + PACKED_PX))
    view = view.shifted(np.array([left, top]))
    return Sample(np.concatenate([made[part], real[part], moved_reference(reference, source, view, PACKED_PX)], axis=-1), view)


def flat(view: View) -> np.ndarray:
    """A view as numbers (49,)."""
    return np.concatenate([np.ravel(part) for part in view])


def view_numbers() -> int:
    """How many numbers a view has."""
    return 2 + 4 + 2 + 1 + 16 + 24


def view_of(numbers: np.ndarray) -> View:
    """The view of numbers (49,)."""
    origin, axes, facing, chin, inner, outer = np.split(numbers, np.cumsum([2, 4, 2, 1, 16]))
    return View(origin, axes.reshape(2, 2), facing, float(chin[0]), inner.reshape(8, 2), outer.reshape(12, 2))


def mirrored(view: View, side: int) -> View:
    """The view of a close-up of `side` pixels seen in a mirror."""
    flip = np.array([-1.0, 1.0])
    inner, outer = (np.array([side, 0]) + one * flip for one in (view.inner, view.outer))
    return View(np.array([side, 0]) + view.origin * flip, view.axes * np.outer(flip, flip), view.facing * flip, view.chin,
                inner[[4, 3, 2, 1, 0, 7, 6, 5]], outer[[6, 5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7]])
