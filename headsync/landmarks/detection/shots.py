"""Where a video is cut, which face each shot is about, and where in the picture to look for it.

Shapes: T frames, N faces, P probed frames. Boxes are x0, y0, x1, y1 in pixels of the source picture.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from headsync.landmarks.detection.detectors import Detector

PROBE_FRAMES = 5            # faces are looked for in every fifth frame, and in the first of every shot
THUMBNAIL_PX = 16
CUT_LEVEL = 28.0            # mean grey-level change of a thumbnail that a cut exceeds,
CUT_RATIO = 4.0             # and by how much it stands above the changes round it
CUT_CONTEXT_FRAMES = 6
SCAN_SIDE_PX = 640          # frames are reduced to this side before faces are looked for
SAME_FACE = 0.8             # two probes show one face when their centres are nearer than this share of its size
REGION_MARGIN = 0.9         # the region reaches this share of the face's size beyond every box of its face
WHOLE_PICTURE = 0.7         # a region this large (share of the picture's area) becomes the whole picture


class Probe(NamedTuple):
    """The faces in one frame."""

    frame: int
    boxes: np.ndarray       # (N, 4)


class Scan(NamedTuple):
    """What the first, cheap pass over a video found."""

    frames: int
    size: tuple[int, int]   # height, width
    changes: np.ndarray     # (T,) mean change of a thumbnail against the frame before; 0 for the first
    probes: tuple[Probe, ...]


class Shot(NamedTuple):
    """A stretch of frames without a cut that shows one chosen face."""

    start: int
    stop: int
    boxes: np.ndarray       # (P, 5): frame, x0, y0, x1, y1 of the chosen face where it was probed
    region: tuple[int, int, int, int]   # where to look for it, whole pixels inside the picture
    rival: float            # largest area of any other face over the chosen one's, median over the probes


def scan_video(frames: Iterable[np.ndarray], detector: Detector) -> Scan:
    """One pass over (H, W, 3) uint8 pictures: thumbnails for the cuts, boxes in every fifth frame; constant memory."""
    changes, probes, last, size = [], [], None, (0, 0)
    for index, frame in enumerate(frames):
        size = frame.shape[:2]
        thumbnail = cv2.resize(frame, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
        changes.append(0.0 if last is None else float(np.abs(thumbnail - last).mean()))
        last = thumbnail
        if index % PROBE_FRAMES == 0 or changes[-1] > CUT_LEVEL:
            probes.append(Probe(index, _boxes(frame, detector)))
    return Scan(len(changes), size, np.array(changes), tuple(probes))


class _Blind:
    """Finds no face, where only cuts are wanted."""

    def boxes(self, picture: np.ndarray) -> np.ndarray:
        return np.zeros((0, 4))


def cuts_in(frames: Iterable[np.ndarray]) -> list[int]:
    """The frames of a video's pictures (H, W, 3) uint8 at which a new shot begins, 0 not among them; constant memory."""
    return find_cuts(scan_video(frames, _Blind()).changes)


def _boxes(frame: np.ndarray, detector: Detector) -> np.ndarray:
    scale = min(1.0, SCAN_SIDE_PX / max(frame.shape[:2]))
    if min(frame.shape[:2]) * scale < 1:    # a line has no face, and cannot be reduced
        return np.zeros((0, 4))
    if scale < 1:
        frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return detector.boxes(frame) / scale  # (N, 4)


def find_cuts(changes: np.ndarray) -> list[int]:
    """The frames at which a new shot begins, 0 not among them.

    A cut is a thumbnail change (T,) above a fixed level that also stands out of its neighbourhood, so that a shaking
    camera or a flickering lamp is not cut to pieces.
    """
    cuts = []
    for frame in np.flatnonzero(changes > CUT_LEVEL):
        low, high = max(frame - CUT_CONTEXT_FRAMES, 0), frame + CUT_CONTEXT_FRAMES + 1
        around = np.delete(changes[low:high], frame - low)
        if changes[frame] > CUT_RATIO * np.median(around):
            cuts.append(int(frame))
    return cuts


def find_shots(scan: Scan, *, face: str = "largest", most_frames: int | None = None) -> list[Shot]:
    """The shots in which the chosen face was seen, in order.

    `face` is `largest`, `centre` (nearest to the picture's centre), a place `x,y` in pixels (the face there, or nearest to
    it) or an index from left to right, counted from 0 (one beyond the last face means the last).
    Shots longer than `most_frames` are cut into equal pieces. ValueError when `face` is none of these.
    """
    choice = _checked_choice(face)
    edges = [0, *find_cuts(scan.changes), scan.frames]
    shots = []
    for start, stop in pairwise(edges):
        probes = [probe for probe in scan.probes if start <= probe.frame < stop and len(probe.boxes)]
        if not probes:
            continue
        boxes, rival = _choose(probes, choice, scan.size)
        for low, high in _pieces(start, stop, most_frames):
            inside = boxes[(boxes[:, 0] >= low) & (boxes[:, 0] < high)]
            if len(inside):
                shots.append(Shot(low, high, inside, _region(inside[:, 1:], scan.size), rival))
    return shots


def _checked_choice(face: str) -> "str | int | tuple[float, float]":
    if face in ("largest", "centre"):
        return face
    if str(face).isdecimal():
        return int(face)
    place = re.fullmatch(r"(\d+(?:\.\d*)?),(\d+(?:\.\d*)?)", str(face))
    if place:
        return float(place[1]), float(place[2])
    raise ValueError(f"face must be 'largest', 'centre', an index counted from 0 at the left or a place x,y, got {face!r}")


def _pieces(start: int, stop: int, most_frames: int | None) -> list[tuple[int, int]]:
    count = 1 if most_frames is None else -(-(stop - start) // most_frames)
    edges = np.linspace(start, stop, count + 1).round().astype(int).tolist()
    return list(pairwise(edges))


def _choose(probes: list[Probe], choice: str | int | tuple[float, float], size: tuple[int, int]) -> tuple[np.ndarray, float]:
    """The chosen face's (P, 5) boxes over the probes, and how large its largest rival is beside it."""
    tracks = _link(probes)
    chosen = _pick(tracks, choice, size)
    own = {int(row[0]): _area(row[1:]) for row in chosen}
    rivals = [max((_area(box) for box in probe.boxes if _area(box) != own[probe.frame]), default=0) / own[probe.frame]
              for probe in probes if probe.frame in own]
    return chosen, float(np.median(rivals))


def _link(probes: list[Probe]) -> list[np.ndarray]:
    """One (P, 5) array per face: a box joins the track whose last box is nearest, if that is near enough."""
    tracks: list[list[np.ndarray]] = []
    for frame, boxes in probes:
        taken: set[int] = set()
        for box in sorted(boxes, key=_area, reverse=True):
            nearest = min((i for i in range(len(tracks)) if i not in taken),
                          key=lambda i, box=box: _distance(tracks[i][-1][1:], box), default=None)
            if nearest is None or _distance(tracks[nearest][-1][1:], box) > SAME_FACE:
                tracks.append([])
                nearest = len(tracks) - 1
            tracks[nearest].append(np.concatenate([[frame], box]))  # (5,)
            taken.add(nearest)
    return [np.array(track) for track in tracks]


def _pick(tracks: list[np.ndarray], choice: str | int | tuple[float, float], size: tuple[int, int]) -> np.ndarray:
    if choice == "largest":
        return max(tracks, key=lambda track: sum(_area(row[1:]) for row in track))
    if choice == "centre" or isinstance(choice, tuple):
        middle = np.array([size[1], size[0]]) / 2 if choice == "centre" else np.array(choice)
        kept = [track for track in tracks if len(track) >= max(map(len, tracks)) / 2]
        return min(kept, key=lambda track: np.linalg.norm(_centre(track[:, 1:].mean(0)) - middle))
    kept = sorted((track for track in tracks if len(track) >= max(map(len, tracks)) / 2),
                  key=lambda track: track[:, 1].mean())
    return kept[min(choice, len(kept) - 1)]


def _region(boxes: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of the picture that holds all boxes (P, 4) of a face with room to move."""
    height, width = size
    margin = REGION_MARGIN * np.median(np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]))
    x0, y0 = np.floor(np.maximum(boxes[:, :2].min(0) - margin, 0)).astype(int)
    x1, y1 = np.ceil(np.minimum(boxes[:, 2:].max(0) + margin, (width, height))).astype(int)
    if (x1 - x0) * (y1 - y0) >= WHOLE_PICTURE * width * height:
        return 0, 0, width, height
    return int(x0), int(y0), int(x1), int(y1)


def _area(box: np.ndarray) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _centre(box: np.ndarray) -> np.ndarray:
    return (box[:2] + box[2:]) / 2  # (2,)


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """Distance of two boxes' centres as a share of the larger one's size."""
    return float(np.linalg.norm(_centre(one) - _centre(other)) / np.sqrt(max(_area(one), _area(other), 1.0)))
