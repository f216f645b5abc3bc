"""The clips that came out worst, kept with pictures of them while all clips go by.

Shapes: H W pixels, L = 68 landmarks.
"""

import bisect
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from headsync import media
from headsync.evaluation.catalogue import FIGURES, badness
from headsync.evaluation.sides import Side
from headsync.landmarks import contact_sheet, crop_picture, draw_landmarks
from headsync.landmarks.detection import CANVAS_PX

RANKED = ("ssim", "lmd_mouth_frontal", "av_conf_200_valid", "jitter_px")
SHOWN_FRAMES = 5
TILE_PX = 160
QUALITY = 82            # of the JPEGs
BACKGROUND = 24


class WorstClip(NamedTuple):
    """One of the worst."""

    clip: str
    figure: str
    value: float
    jpeg: bytes         # rows: real, generated, difference (or landmarks of both); columns: moments of the clip


class WorstClips:
    """Each method's worst clips by one figure, the worst first."""

    def __init__(self, count: int, rank_by: str = ""):
        self._count, self._rank_by = count, rank_by
        self._kept: dict[str, list[tuple[float, WorstClip]]] = {}

    def of(self, method: str) -> list[WorstClip]:
        """The method's worst clips."""
        return [clip for _, clip in self._kept.get(method, [])]

    def consider(self, method: str, clip: str, figures: dict[str, float], ours: Side, theirs: Side, *,
                 crop: tuple[float, float, float, float]) -> None:
        """Keep the clip, with a sheet of it, if it is among the worst so far."""
        name = self._rank_by if self._rank_by in figures else ranking_figure(set(figures))
        bad = None if name is None else badness(name, figures[name], None)
        kept = self._kept.setdefault(method, [])
        if bad is None or self._count == 0 or (len(kept) == self._count and -kept[-1][0] >= bad):
            return
        found = WorstClip(clip, name, figures[name], clip_sheet(ours, theirs, crop=crop))
        bisect.insort(kept, (-bad, found), key=lambda pair: pair[0])
        del kept[self._count :]


def ranking_figure(names: set[str]) -> str | None:
    """What clips are ranked by when nobody says: the first of SSIM, mouth LMD, AV-Conf that there is."""
    return next((name for name in RANKED if name in names), None)


def clip_sheet(ours: Side, theirs: Side, *, crop: tuple[float, float, float, float]) -> bytes:
    """A JPEG of five moments: real, generated and twice their difference; without pictures both sides' landmarks."""
    moments = np.unique(np.linspace(0, len(theirs.points) - 1, SHOWN_FRAMES + 2).round().astype(int)[1:-1])
    if ours.frames is None or theirs.frames is None:
        rows = [[draw_landmarks(np.full((CANVAS_PX, CANVAS_PX, 3), BACKGROUND, np.uint8), side.points[t]) for t in moments]
                for side in (theirs, ours)]
    else:
        real, made = ([crop_picture(frame, crop, CANVAS_PX) for frame in _picked(side, moments)] for side in (theirs, ours))
        rows = [real, made, [cv2.convertScaleAbs(cv2.absdiff(*pair), alpha=2) for pair in zip(real, made)]]
    tiles = [cv2.resize(tile, (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA) for row in rows for tile in row]
    return media.encode_jpeg(contact_sheet(tiles, columns=len(rows[0])), QUALITY)


def _picked(side: Side, moments: np.ndarray) -> Iterator[np.ndarray]:
    wanted = set(moments.tolist())
    for t, frame in enumerate(side.frames()):
        if t in wanted:
            yield frame
        if t >= moments[-1]:
            return


def title(name: str) -> str:
    """A figure's title with its unit."""
    figure = FIGURES[name]
    return f"{figure.title}, {figure.unit}" if figure.unit else figure.title
