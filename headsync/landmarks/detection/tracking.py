"""One chosen face followed through its shots: landmarks, mesh and where it was not found.

Shapes: T frames, L = 68 landmarks, V = 468 mesh vertices. Everything is in pixels of the source picture.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np

from headsync.landmarks.detection.detectors import Detector, Face, landmark_boxes
from headsync.landmarks.detection.shots import Shot

TRACK_SIDE_PX = 512     # regions larger than this are reduced before the detector sees them
NEAR_ENOUGH = 0.8       # a face farther from its expected place than this share of its size is somebody else's


class Track(NamedTuple):
    """A shot's chosen face; frames in which it was not found hold NaN until `fill_gaps`."""

    shot: Shot
    points: np.ndarray          # (T, L, 3) float32
    mesh: np.ndarray | None     # (T, V, 3) float32
    visible: np.ndarray         # (T,) bool

    @property
    def boxes(self) -> np.ndarray:
        """Boxes (T, 4) round the landmarks."""
        return landmark_boxes(self.points)  # (T, 4)


def follow_shots(frames: Iterable[np.ndarray], shots: list[Shot], detector: Detector, *,
                 look: Callable[[int, np.ndarray, Face | None], None] | None = None) -> Iterator[Track]:
    """A track per shot, in order, from the same frames that were scanned; holds one shot at a time.

    `look` is shown each frame of a shot, with its number and what was found in it.
    """
    numbered = enumerate(frames)
    for shot in shots:
        detector.restart()
        found: list[Face | None] = []
        for index, frame in numbered:
            if index >= shot.start:
                found.append(_follow(frame, index, shot, detector))
                if look is not None:
                    look(index, frame, found[-1])
            if index + 1 >= shot.stop:
                break
        if found:
            yield _track(shot, found)


def _follow(frame: np.ndarray, index: int, shot: Shot, detector: Detector) -> Face | None:
    """The chosen face in one frame, in source pixels."""
    x0, y0, x1, y1 = shot.region
    picture = frame[y0:y1, x0:x1]
    scale = min(1.0, TRACK_SIDE_PX / max(picture.shape[:2]))
    if scale < 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    faces = [_placed(face, scale, x0, y0) for face in detector.faces(picture)]
    if not faces:
        return None
    expected = np.array([np.interp(index, shot.boxes[:, 0], shot.boxes[:, side]) for side in range(1, 5)])  # (4,)
    size = max(expected[2] - expected[0], expected[3] - expected[1])
    distances = [np.linalg.norm(_centre(face.box) - _centre(expected)) / size for face in faces]
    nearest = int(np.argmin(distances))
    return faces[nearest] if distances[nearest] < NEAR_ENOUGH else None


def _placed(face: Face, scale: float, x0: int, y0: int) -> Face:
    shift = np.array([x0, y0, 0], np.float32)
    mesh = None if face.mesh is None else face.mesh / np.float32(scale) + shift
    return Face(face.points / np.float32(scale) + shift, mesh)


def _centre(box: np.ndarray) -> np.ndarray:
    return (box[:2] + box[2:]) / 2  # (2,)


def _track(shot: Shot, found: list[Face | None]) -> Track:
    visible = np.array([face is not None for face in found])
    first = next((face for face in found if face is not None), None)
    if first is None:
        return Track(shot, np.full((len(found), 68, 3), np.nan, np.float32), None, visible)
    points = np.stack([_or_nan(face and face.points, first.points) for face in found])  # (T, L, 3)
    mesh = None
    if first.mesh is not None:
        mesh = np.stack([_or_nan(face and face.mesh, first.mesh) for face in found])    # (T, V, 3)
    return Track(shot, points, mesh, visible)


def _or_nan(array: np.ndarray | None, like: np.ndarray) -> np.ndarray:
    return np.full_like(like, np.nan) if array is None else array


def fill_gaps(points: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Points (T, ..., 3) with the frames that are not visible (T,) interpolated linearly, held at both ends.

    ValueError when no frame is visible.
    """
    if not visible.any():
        raise ValueError(f"no face in any of {len(visible)} frames; nothing to interpolate from")
    if visible.all():
        return points
    known = np.flatnonzero(visible)
    frames = np.arange(len(visible))
    after = np.clip(np.searchsorted(known, frames), 0, len(known) - 1)
    before = np.clip(np.searchsorted(known, frames, side="right") - 1, 0, len(known) - 1)
    low, high = known[before], known[after]
    share = np.where(high > low, (frames - low) / np.maximum(high - low, 1), 0.0)
    share = share.reshape(-1, *[1] * (points.ndim - 1)).astype(points.dtype)
    return points[low] * (1 - share) + points[high] * share  # (T, ..., 3)


def face_runs(track: Track, *, lost_frames: int = 4, jump: float = 0.5) -> list[tuple[int, int]]:
    """Stretches (start, stop) of a track, in its own frames, that show one steady face.

    A stretch ends when the face is lost for more than `lost_frames` or jumps by more than `jump` of its size from one
    frame to the next; it begins and ends with a frame in which the face was found.
    """
    known = np.flatnonzero(track.visible)
    if not len(known):
        return []
    boxes = track.boxes[known]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2                           # (known, 2)
    sizes = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))         # (known,)
    moved = np.linalg.norm(np.diff(centres, axis=0), axis=1) / sizes[:-1]
    gaps = np.diff(known)
    breaks = np.flatnonzero((gaps > lost_frames + 1) | (moved > jump * gaps))
    starts = known[np.concatenate([[0], breaks + 1])]
    stops = known[np.concatenate([breaks, [len(known) - 1]])] + 1
    return [(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]
