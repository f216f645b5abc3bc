"""A video or a picture in, one landmark sequence out.

Shapes: T frames, H W picture, L = 68 landmarks, V = 468 mesh vertices.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headsync import media
from headsync.landmarks.crop import crop_picture, fixed_crop, to_canvas
from headsync.landmarks.detection.choice import make_detector
from headsync.landmarks.detection.detectors import Detector, landmark_boxes
from headsync.landmarks.detection.shots import Scan, find_shots, scan_video
from headsync.landmarks.detection.tracking import Track, fill_gaps, follow_shots
from headsync.landmarks.layouts import IBUG68
from headsync.landmarks.sequence import LandmarkSequence, producer_json

CANVAS_PX = 256
SETTLING_FRAMES = 4             # a tracker sees a still picture this often before its landmarks are taken
PIECE_FRAMES = 750              # long shots are followed in pieces of 30 s, each with its own region


class Extraction(NamedTuple):
    """What `extract` found."""

    sequence: LandmarkSequence
    mesh: np.ndarray | None     # (T, V, 3) float32 in canvas pixels; None unless asked for and known to the detector


@media.checked
def extract(source: str | Path, *, detector: str | Detector = "mediapipe", face: str = "largest",
            canvas: int = CANVAS_PX, with_mesh: bool = False) -> Extraction:
    """The landmarks of one face over a whole video at 25 frames per second, or of a picture (one frame).

    All frames share one square canvas of `canvas` pixels round the face (`crop` says where it lies in the source).
    Frames without the face are interpolated and marked `visible=False`. `face` chooses among several: `largest`,
    `centre` or an index from the left. ValueError, one line, for a source that cannot be read or shows no face.

    >>> import headsync
    >>> found = headsync.extract("clip.mp4")
    >>> found.sequence.points.shape, found.sequence.fps
    ((83, 68, 3), 25.0)
    """
    held = make_detector(detector) if isinstance(detector, str) else detector
    try:
        if media.is_image(source):
            points, mesh, visible, size = _from_picture(media.read_image(source), held, face)
        else:
            points, mesh, visible, size = _from_video(source, held, face, with_mesh=with_mesh)
    finally:
        if held is not detector:
            held.close()
    if not visible.any():
        raise ValueError(f"no face found in {source} ({len(visible)} frames of {size[1]}x{size[0]}); "
                         "use a source whose face is at least 40 pixels high, or of a drawing or an animal mark it (--points)")
    points = fill_gaps(points, visible)
    crop = fixed_crop(landmark_boxes(points), size)
    producer = producer_json(program="extract", detector=held.name, face=face, source=Path(source).name)
    sequence = LandmarkSequence(points=to_canvas(points, crop, canvas), visible=visible, fps=float(media.FPS),
                                size=(canvas, canvas), crop=crop, layout=IBUG68, producer=producer)
    wanted = with_mesh and mesh is not None
    return Extraction(sequence, to_canvas(fill_gaps(mesh, visible), crop, canvas) if wanted else None)


class _Found(NamedTuple):
    points: np.ndarray          # (T, L, 3) source pixels, NaN where not visible
    mesh: np.ndarray | None     # (T, V, 3)
    visible: np.ndarray         # (T,)
    size: tuple[int, int]


def _from_picture(picture: np.ndarray, detector: Detector, face: str) -> _Found:
    """One frame, seen a few times so that a tracking detector settles."""
    scan = scan_video([picture], detector)
    shots = find_shots(scan, face=face)
    if not shots:
        return _Found(np.full((1, 68, 3), np.nan, np.float32), None, np.zeros(1, bool), scan.size)
    still = shots[0]._replace(stop=SETTLING_FRAMES)
    track = next(follow_shots([picture] * SETTLING_FRAMES, [still], detector))
    mesh = None if track.mesh is None else track.mesh[-1:]
    return _Found(track.points[-1:], mesh, track.visible[-1:], scan.size)


def _from_video(source: str | Path, detector: Detector, face: str, *, with_mesh: bool) -> _Found:
    """All frames of a video."""
    scan, tracks = track_video(source, detector, face=face, most_frames=PIECE_FRAMES)
    points = np.full((scan.frames, 68, 3), np.nan, np.float32)
    visible = np.zeros(scan.frames, bool)
    mesh = None
    with media.stage(f"landmarks of {Path(source).name}", total=scan.frames, unit="frame") as step:
        for track in tracks:
            here = slice(track.shot.start, track.shot.start + len(track.visible))
            points[here], visible[here] = track.points, track.visible
            if with_mesh and track.mesh is not None:
                mesh = np.full((scan.frames, *track.mesh.shape[1:]), np.nan, np.float32) if mesh is None else mesh
                mesh[here] = track.mesh
            step(len(track.visible))
    return _Found(points, mesh, visible, scan.size)


class TrackedVideo(NamedTuple):
    """What a video was found to hold; the tracks are computed as they are taken."""

    scan: Scan
    tracks: Iterator[Track]


def track_video(source: str | Path, detector: Detector, *, face: str, most_frames: int) -> TrackedVideo:
    """The chosen face's tracks, shot by shot, with one shot of at most `most_frames` in memory.

    The video is decoded twice: once for cuts and faces (before this returns), once for landmarks.
    """
    rate = Fraction(media.FPS)
    frames = media.tracked(media.read_frames(source, rate=rate), f"faces and cuts of {Path(source).name}", unit="frame")
    scan = scan_video(frames, detector)
    shots = find_shots(scan, face=face, most_frames=most_frames)
    return TrackedVideo(scan, follow_shots(media.read_frames(source, rate=rate), shots, detector))


def canvas_frames(source: str | Path, sequence: LandmarkSequence) -> Iterator[np.ndarray]:
    """The frames of a sequence's source as the sequence sees them: (size, size, 3) uint8, cropped once for all.

    A picture gives one frame. The source must be the one that the sequence was extracted from.
    """
    frames = iter([media.read_image(source)]) if media.is_image(source) else media.read_frames(source)
    for frame in frames:
        yield crop_picture(frame, sequence.crop, sequence.size[0])
