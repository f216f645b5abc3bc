"""Landmarks as a person sees them: drawn on frames, as a video, on a sheet.

Shapes: T frames, H W picture, L = 68 landmarks.
"""

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np

from headsync.landmarks.layouts import CONTOURS
from headsync.landmarks.sequence import LandmarkSequence

LINE_COLOUR, POINT_COLOUR, LOST_COLOUR = (80, 220, 120), (255, 240, 90), (255, 70, 60)
SUBPIXEL_BITS = 4           # OpenCV draws at sixteenths of a pixel
LABEL_PX = 18


def draw_landmarks(frame: np.ndarray, points: np.ndarray, *, lost: bool = False) -> np.ndarray:
    """A copy of the frame (H, W, 3) uint8 with landmarks (L, 2 or 3), in its pixels, and their lines; red when lost."""
    drawn = np.ascontiguousarray(frame).copy()
    radius = max(1, round(max(frame.shape[:2]) / 256))
    fixed = np.rint((points[:, :2] - 0.5) * (1 << SUBPIXEL_BITS)).astype(np.int32)     # pixel centres lie at + 0.5
    for indices, closed in CONTOURS:
        cv2.polylines(drawn, [fixed[list(indices)]], closed, LOST_COLOUR if lost else LINE_COLOUR, radius, cv2.LINE_AA,
                      SUBPIXEL_BITS)
    for x, y in fixed.tolist():
        cv2.circle(drawn, (x, y), radius << SUBPIXEL_BITS, LOST_COLOUR if lost else POINT_COLOUR, -1, cv2.LINE_AA,
                   SUBPIXEL_BITS)
    return drawn


def overlay_frames(frames: Iterable[np.ndarray], sequence: LandmarkSequence) -> Iterator[np.ndarray]:
    """Each canvas frame with the sequence's landmarks drawn on it; ends with the shorter of the two."""
    for frame, points, visible in zip(frames, sequence.points, sequence.visible, strict=False):
        yield draw_landmarks(frame, points, lost=not visible)


def plain_frames(sequence: LandmarkSequence, *, level: int = 24) -> Iterator[np.ndarray]:
    """The sequence's landmarks on an even background, (H, W, 3) uint8: how motion looks before there is a face."""
    return overlay_frames((np.full((*sequence.size, 3), level, np.uint8) for _ in range(len(sequence))), sequence)


def contact_sheet(tiles: Sequence[np.ndarray], *, columns: int, labels: Sequence[str] | None = None) -> np.ndarray:
    """One picture (H, W, 3) uint8 of equally large tiles in rows, each with its label under it.

    ValueError when there is no tile, sizes differ, or labels and tiles differ in number.
    """
    if not tiles or any(tile.shape != tiles[0].shape for tile in tiles):
        raise ValueError(f"a sheet needs tiles of one shape, got {[tile.shape for tile in tiles][:5]}")
    if labels is not None and len(labels) != len(tiles):
        raise ValueError(f"{len(labels)} labels for {len(tiles)} tiles; give one each")
    labelled = list(tiles) if labels is None else [_labelled(*pair) for pair in zip(tiles, labels, strict=True)]
    labelled += [np.zeros_like(labelled[0])] * (-len(labelled) % columns)
    rows = [np.concatenate(labelled[start : start + columns], axis=1) for start in range(0, len(labelled), columns)]
    return np.concatenate(rows)  # (H, W, 3)


def _labelled(tile: np.ndarray, label: str) -> np.ndarray:
    strip = np.zeros((LABEL_PX, tile.shape[1], 3), np.uint8)
    text = label.encode("ascii", "replace").decode()       # OpenCV's font knows no other letters
    cv2.putText(strip, text, (3, LABEL_PX - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return np.concatenate([tile, strip])
