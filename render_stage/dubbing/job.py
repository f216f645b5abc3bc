"""A surveyed video and new lips in, the dubbed video out: frames decoded, drawn, pasted and encoded block by block.

Shapes: t frames of a block, L = 68 landmarks, P pixels of a canvas's side, M of a mask's.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from headsync import media
from headsync.landmarks import crop_picture, to_canvas
from headsync.landmarks.detection import CANVAS_PX
from headsync.media.planes import PlanarFrames
from headsync.media.stored_writer import StoredWriter
from render_stage.alignment import Crop
from render_stage.contract import Drive, Renderer, checked_frames
from render_stage.driving import SOUND_PARTS, frame_poses, sound_parts
from render_stage.dubbing.mask import coloured_alike, lower_mask
from render_stage.dubbing.paste import paste
from render_stage.dubbing.plan import Longer, Shown, shown_frames_of
from render_stage.dubbing.shot_references import shot_references
from render_stage.dubbing.survey import Stretch, Survey, crop_at

BLOCK_BYTES = 1 << 26       # of frames that are drawn at once: 20 of 1080p, 5 of 4K
MOST_BLOCK = 20
SIZES = (256, 384, 512)     # of canvases; the smallest that is as fine as the video, else the largest
FINE = 1.5                  # a canvas may be so much coarser than the video


class Lips(Protocol):
    """Who says what the mouth does."""

    def on(self, points: np.ndarray, seconds: np.ndarray, shot: int) -> np.ndarray:
        """Landmarks (t, L, 3) of the video with the mouths of moments (t,) in them; `shot` is whose frames these are."""


class DubReport(NamedTuple):
    """What was written."""

    frames: int
    dubbed: int             # frames whose mouth was drawn anew
    wall_s: float


class _Block(NamedTuple):
    shown: list[Shown]
    stretch: Stretch | None             # None: passed through


class _Drawn(NamedTuple):
    shown: Shown
    stored: np.ndarray                  # (H, W, 3) uint8
    canvas: np.ndarray                  # (P, P, 3) float32
    mask: np.ndarray                    # (M, M) float32
    crop: Crop


def canvas_size(survey: Survey) -> int:
    """Side of the canvases, by the largest crop."""
    sides = [stretch.crops[0, 2] - stretch.crops[0, 0] for stretch in survey.stretches]
    return next((size for size in SIZES if FINE * size >= max(sides, default=0)), SIZES[-1])


def write_dub(survey: Survey, lips: Lips, out: str | Path, *, sound: media.Sound, soundtrack: str | Path, ticks: int,
              longer: Longer, renderer: Renderer, quality: str, count: int = 8, size: int | None = None) -> DubReport:
    """What was written to `out` (.mp4), `ticks` of the video's time base long, with the sound of the file `soundtrack`.

    Every frame of a stretch shows the mouth that `lips` say, drawn by `renderer` from `count` references of its shot; all
    others go through as they are. Memory grows neither with length nor, beyond a few frames, with size.
    """
    began, pixels = time.monotonic(), size or canvas_size(survey)
    artist = _Artist(survey, lips, renderer, pixels, count, sound)
    total, dubbed = round(ticks / survey.usual), 0
    with StoredWriter(out, survey.form, audio=soundtrack, quality=quality) as writer, \
            media.stage(f"dubbing {Path(out).name}", total=total, unit="frame") as step, \
            ThreadPoolExecutor(1) as drawing, ThreadPoolExecutor(1) as writing:

        def write(drawn: Future) -> int:
            done = drawn.result()
            for one in done:
                shown = one.shown if isinstance(one, _Drawn) else one
                if isinstance(one, _Drawn):
                    paste(shown.frame, one.stored, one.canvas, one.mask, survey.form, one.crop)
                writer.write(shown.frame, shown.pts, shown.duration)
            step(len(done))
            return sum(isinstance(one, _Drawn) for one in done)

        pending: list[Future] = []
        for block in _blocks(survey, shown_frames_of(survey, ticks, longer=longer)):
            pending.append(writing.submit(write, drawing.submit(artist.drawn, block)))
            if len(pending) > 2:
                dubbed += pending.pop(0).result()
        dubbed += sum(one.result() for one in pending)
        frames = writer.frames
    return DubReport(frames, dubbed, time.monotonic() - began)


def _blocks(survey: Survey, shown: Iterator[Shown]) -> Iterator[_Block]:
    """Runs of frames of one stretch, or of none, as many as may be held."""
    starts = np.array([one.start for one in survey.stretches], int)
    most, held, inside = None, [], None
    for one in shown:
        most = most or int(np.clip(BLOCK_BYTES // sum(part.buffer_size for part in one.frame.planes), 2, MOST_BLOCK))
        place = int(np.searchsorted(starts, one.number, side="right")) - 1
        stretch = survey.stretches[place] if place >= 0 and one.number < survey.stretches[place].stop else None
        if held and (stretch is not inside or len(held) == most):
            yield _Block(held, inside)
            held = []
        held.append(one)
        inside = stretch
    if held:
        yield _Block(held, inside)


class _Artist:
    """Draws blocks, in the order of the result; a shot's identity is prepared when its first frame comes."""

    def __init__(self, survey: Survey, lips: Lips, renderer: Renderer, pixels: int, count: int, sound: media.Sound):
        self._survey, self._lips, self._renderer, self._pixels, self._count = survey, lips, renderer, pixels, count
        self._planar, self._shot, self._identity = PlanarFrames(), None, None
        self._sound = {name: np.concatenate(list(pieces)) for name, pieces in sound_parts(sound, renderer.needs).items()}

    def drawn(self, block: _Block) -> list[_Drawn | Shown]:
        """Every frame with what is to be put into it, or as it is."""
        stretch, form = block.stretch, self._survey.form
        if stretch is None:
            return list(block.shown)
        self._prepare(stretch.shot)
        numbers = np.array([one.number for one in block.shown])
        old = stretch.points[numbers - stretch.start]                                       # (t, L, 3)
        seconds = np.array([float(one.pts * form.time_base) for one in block.shown])
        new = self._lips.on(old, seconds, stretch.shot)
        crops = [crop_at(stretch, number) for number in numbers]
        stored = [self._planar.rgb(one.frame) for one in block.shown]
        sources = [crop_picture(form.shown(one), crop, CANVAS_PX) for one, crop in zip(stored, crops)]
        places = [np.stack([to_canvas(one, crop, CANVAS_PX) for one, crop in zip(side, crops)]) for side in (old, new)]
        canvases = self._canvases(places[1], np.stack(sources), seconds)
        made = []
        for place, one in enumerate(block.shown):
            mask = lower_mask(places[0][place], places[1][place])
            canvas = coloured_alike(canvases[place], sources[place], mask)
            share = stretch.strength[numbers[place] - stretch.start]
            made.append(_Drawn(one, stored[place], canvas, mask * share, crops[place]))
        return made

    def _prepare(self, shot: int) -> None:
        if shot != self._shot:
            references = shot_references(self._survey, shot, count=self._count, pixels=self._pixels)
            self._shot, self._identity = shot, self._renderer.prepare(references)

    def _canvases(self, points: np.ndarray, sources: np.ndarray, seconds: np.ndarray) -> np.ndarray:
        """Canvases (t, P, P, 3) uint8 of landmarks (t, L, 3), what the renderer reads beside them made of the rest."""
        needs, margin = self._renderer.needs, self._renderer.margin_frames
        poses = frame_poses(points) if "pose" in needs else None
        if not margin and not self._sound:
            drives: Sequence[Drive] = [Drive(points, pose=poses, source=sources if "source" in needs else None)]
        else:       # sound and neighbours are told in steps of 1/25 s, whatever the video's rate is
            times = 2 * margin + 1
            drives = [Drive(points[[place] * times], pose=None if poses is None else poses[[place] * times],
                            source=sources[[place] * times] if "source" in needs else None,
                            **{name: self._sound_at(name, seconds[place], margin) for name in self._sound})
                      for place in range(len(points))]
        made = [self._renderer.frames(self._identity, drive) for drive in drives]
        return np.concatenate([checked_frames(one, count=len(drive.points) - 2 * margin, pixels=self._pixels,
                                              renderer=self._renderer) for one, drive in zip(made, drives)])

    def _sound_at(self, name: str, second: float, margin: int) -> np.ndarray:
        """Items (n (2 m + 1), ...) of a part of the sound round a moment; beyond the sound its silence, or its last item."""
        (per_frame, silence), items = SOUND_PARTS[name], self._sound[name]
        first = round(second * per_frame * media.FPS) - per_frame * margin
        wanted = np.arange(first, first + per_frame * (2 * margin + 1))
        found = items[np.clip(wanted, 0, len(items) - 1)]
        if silence is not None:
            found[(wanted < 0) | (wanted >= len(items))] = silence
        return found
