"""Who is to be shown: faces found in pictures and clips, picked so that they cover head poses, and put on one canvas.

Shapes: K references, T frames, N candidates, L = 68 landmarks, V = 468 mesh vertices, P pixels of a canvas's side.
Points are pixels of the source, or, on a canvas, in units of 256 whatever P is.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from headsync import media
from headsync.landmarks import LandmarkSequence, fixed_crop, producer_json, to_canvas
from headsync.landmarks.detection import CANVAS_PX, Detector, extract, make_detector
from headsync.landmarks.detection.detectors import landmark_boxes
from headsync.landmarks.detection.extract import PIECE_FRAMES, track_video
from headsync.landmarks.detection.photo import faces_note, log_notes, mouth_note, picture_notes, start_note
from headsync.landmarks.detection.shots import scan_video
from render_stage.alignment import Crop, Placement, crop_placement, face_placement
from render_stage.geometry.mesh import fit_mesh
from render_stage.geometry.topology import load_topology
from render_stage.marked_points import read_marks
from render_stage.picking import check_index, pick_faces

MOST_REFERENCES = 32
LEAST_SIDE, MOST_SIDE = 64, 1024
MOST_CANDIDATES = 3000      # of a clip, evenly spaced: two minutes are looked at frame by frame
ROOM = 1.0                  # of the crop's side, kept beyond each of its borders: the canvas of a motion may be larger


class Reference(NamedTuple):
    """One reference on the canvas."""

    picture: np.ndarray     # (P, P, 3) uint8
    points: np.ndarray      # (L, 3) float32, canvas units of 256
    mesh: np.ndarray        # (V, 3) float32, canvas units of 256


class SeenFace(NamedTuple):
    """A face in a source picture, and as much of the picture round it as a canvas may need."""

    picture: np.ndarray     # (h, w, 3) uint8: a part of the source, reduced where it is far larger than the canvas
    corner: tuple[int, int]     # x, y of that part in the source
    scale: float            # its pixels over the source's
    points: np.ndarray      # (L, 3) float64, pixels of the source
    mesh: np.ndarray        # (V, 3) float64, pixels of the source


class SeenSource(NamedTuple):
    """A picture or a clip with the faces picked from it, the most frontal one first."""

    path: Path
    size: tuple[int, int]       # height, width
    frames: int                 # at 25 a second; 1 for a picture
    crop: Crop                  # the canvas that its own face asks for
    faces: tuple[SeenFace, ...]
    outline: np.ndarray         # (N, 2) float32: the hull of all places where its face's landmarks ever are
    background: media.Colour = media.WHITE      # on which what is transparent in it is laid


class ReferenceSet(NamedTuple):
    """All that is known of an identity; `on_canvas` gives what a renderer wants. The first source is where the head lives."""

    sources: tuple[SeenSource, ...]
    pixels: int                 # P, of the canvas to come

    def points(self) -> np.ndarray:
        """Landmarks (K, L, 3) of the first source's references, in its pixels."""
        return np.stack([face.points for face in self.sources[0].faces])  # (K, L, 3)

    def covers(self, crop: Crop) -> bool:
        """Whether a canvas `crop` of the first source shows nothing of its picture that was not kept."""
        height, width = self.sources[0].size
        inside = np.clip(crop, 0, (width, height, width, height))
        for face in self.sources[0].faces:
            far = np.array(face.corner) + np.array(face.picture.shape[1::-1]) / face.scale
            if (inside[:2] < np.array(face.corner) - 1).any() or (inside[2:] > far + 1).any():
                return False
        return True

    def on_canvas(self, crop: Crop | None = None) -> tuple[Reference, ...]:
        """The references on the canvas that is `crop` of the first source (its own crop when None).

        Other sources are laid so that their first face has place, size and tilt of the first source's first.
        """
        first, *others = self.sources
        placement = crop_placement(crop or first.crop)
        target = placement.apply(first.faces[0].points)
        placed = [_reference(face, placement, self.pixels) for face in first.faces]
        for source in others:
            placement = face_placement(source.faces[0].points, target)
            placed += [_reference(face, placement, self.pixels) for face in source.faces]
        return tuple(placed)

    def start(self) -> LandmarkSequence:
        """One frame to start a motion from: the first reference on the first source's own canvas of 256."""
        first = self.sources[0]
        points = to_canvas(first.faces[0].points, first.crop, CANVAS_PX)[None]                      # (1, L, 3)
        return LandmarkSequence(points=points, visible=np.ones(1, bool), fps=float(media.FPS), size=(CANVAS_PX, CANVAS_PX),
                                crop=first.crop, producer=producer_json(program="reference", source=first.path.name))


@media.checked
def read_references(sources: str | Path | Sequence[str | Path], *, count: int = 8, face: str = "largest", size: int = CANVAS_PX,
                    detector: str | Detector = "mediapipe", background: media.Colour = media.WHITE,
                    points: str | Path | None = None, progress: bool = False) -> ReferenceSet:
    """The references in pictures and clips of one person: a picture gives one, a clip up to `count`.

    `face` chooses where several are seen: `largest`, `centre` or an index from the left, counted from 0. `size` is the
    side, in pixels, of the canvas to come. What is transparent is laid on `background`. `points` is a file of
    marked points of the one picture, for faces that no detector sees (`marked_points.read_marks`). Memory does not grow
    with a clip's length. ValueError, one line, for a source that cannot be read, shows no face or none with that index, and
    for more than 32 references. What to expect of several faces, and of one that is small, blurred, turned, cut off, or has
    its mouth shut or wide open, is logged as warnings.

    >>> import headsync
    >>> references = headsync.read_references(["photo.jpg", "clip.mp4"], count=3)
    >>> [len(source.faces) for source in references.sources]
    [1, 3]
    """
    paths = [Path(sources)] if isinstance(sources, str | Path) else [Path(source) for source in sources]
    if not 0 < len(paths) <= MOST_REFERENCES:
        raise ValueError(f"{len(paths)} sources, at most {MOST_REFERENCES} and at least one reference are used; give pictures "
                         "or clips that show the face")
    if not 1 <= count <= MOST_REFERENCES:
        raise ValueError(f"--references must be 1 to {MOST_REFERENCES}, got {count}")
    if size % 2 or not LEAST_SIDE <= size <= MOST_SIDE:
        raise ValueError(f"--size must be even and {LEAST_SIDE} to {MOST_SIDE} pixels, got {size}")
    if points is not None:
        if len(paths) != 1 or not media.is_image(paths[0]):
            raise ValueError(f"--points {points} marks one picture's face; give one picture as reference")
        return ReferenceSet((_see_marked(paths[0], Path(points), size, background=background),), size)
    with media.shown_progress(progress):
        seen = _see_all(paths, detector, face, size, count=count, background=background)
    total = sum(len(source.faces) for source in seen)
    if total > MOST_REFERENCES:
        raise ValueError(f"{len(paths)} sources give {total} references, at most {MOST_REFERENCES} are used; ask for fewer")
    log_notes(seen[0].path, mouth_note(np.stack([face.points for source in seen for face in source.faces])),
              start_note(seen[0].faces[0].points))
    return ReferenceSet(tuple(seen), size)


def _see_all(paths: Sequence[Path], detector: str | Detector, face: str, pixels: int, *, count: int,
             background: media.Colour) -> list[SeenSource]:
    held = make_detector(detector) if isinstance(detector, str) else detector
    try:
        return [_see_picture(path, held, face, pixels, background=background) if media.is_image(path) else
                _see_clip(path, held, face, pixels, count=count, background=background) for path in paths]
    finally:
        if held is not detector:
            held.close()


def _see_picture(path: Path, detector: Detector, face: str, pixels: int, *, background: media.Colour) -> SeenSource:
    picture = media.read_image(path, background=background)
    boxes = scan_video([picture], detector).probes[0].boxes
    check_index(path, face, len(boxes))
    found = extract(path, detector=detector, face=face, with_mesh=True)
    crop, on_canvas = found.sequence.crop, found.sequence.points[0]
    points = _in_source(on_canvas, crop)
    mesh = _in_source(found.mesh[0], crop) if found.mesh is not None else None
    seen = _seen_face(picture, points, mesh, crop, pixels)
    log_notes(path, faces_note(boxes, points, face), *picture_notes(picture, points, crop, pixels=pixels))
    return SeenSource(path, picture.shape[:2], 1, crop, (seen,), _outline(points[None]), background)


def _see_marked(path: Path, marks: Path, pixels: int, *, background: media.Colour) -> SeenSource:
    """A picture whose face somebody marked."""
    picture = media.read_image(path, background=background)
    points = read_marks(marks, picture.shape[:2])
    crop = fixed_crop(landmark_boxes(points[None]), picture.shape[:2])
    log_notes(path, "its face is where its points are marked; the renderer knows people, and draws what is no face like one")
    return SeenSource(path, picture.shape[:2], 1, crop, (_seen_face(picture, points, None, crop, pixels),),
                      _outline(points[None]), background)


def _see_clip(path: Path, detector: Detector, face: str, pixels: int, *, count: int,
              background: media.Colour) -> SeenSource:
    """Three passes over a clip: faces and cuts, landmarks, and the pictures of the picked frames."""
    scan, tracks = track_video(path, detector, face=face, most_frames=PIECE_FRAMES)
    check_index(path, face, max((len(probe.boxes) for probe in scan.probes), default=0))
    stride = -(-scan.frames // MOST_CANDIDATES)
    numbers, points, meshes = [], [], []
    with media.stage(f"landmarks of {path.name}", total=scan.frames, unit="frame") as step:
        for track in tracks:
            kept = np.flatnonzero(track.visible)
            kept = kept[(kept + track.shot.start) % stride == 0]
            numbers.append(kept + track.shot.start)
            points.append(track.points[kept])
            meshes.append(None if track.mesh is None else track.mesh[kept])
            step(len(track.visible))
    if not sum(map(len, numbers)):
        raise ValueError(f"no face found in {path} ({scan.frames} frames of {scan.size[1]}x{scan.size[0]}); "
                         "use a source whose face is at least 40 pixels high")
    numbers, points = np.concatenate(numbers), np.concatenate(points)                   # (N,), (N, L, 3)
    crop = fixed_crop(landmark_boxes(points), scan.size)
    picks = pick_faces(to_canvas(points, crop, CANVAS_PX), count)
    crowd = max(scan.probes, key=lambda probe: len(probe.boxes))
    log_notes(path, faces_note(crowd.boxes, points[np.abs(numbers - crowd.frame).argmin()], face))
    mesh = None if any(piece is None for piece in meshes) else np.concatenate(meshes)   # (N, V, 3)
    wanted, faces = {int(numbers[pick]): pick for pick in picks}, {}
    for number, frame in enumerate(media.read_frames(path, background=background)):
        if number in wanted:
            pick = wanted[number]
            faces[pick] = _seen_face(frame, points[pick], None if mesh is None else mesh[pick], crop, pixels)
        if len(faces) == len(picks):
            break
    return SeenSource(path, scan.size, scan.frames, crop, tuple(faces[pick] for pick in picks), _outline(points), background)


def _in_source(points: np.ndarray, crop: Crop) -> np.ndarray:
    """Points (..., 3) of a canvas of 256 in the source's pixels; the inverse of `to_canvas`."""
    scale = (crop[2] - crop[0]) / CANVAS_PX
    return points.astype(np.float64) * scale + (crop[0], crop[1], 0)  # (..., 3)


def _outline(points: np.ndarray) -> np.ndarray:
    """The hull (N, 2) of landmarks (T, L, 3)."""
    return cv2.convexHull(np.ascontiguousarray(points[..., :2].reshape(-1, 2), np.float32))[:, 0]  # (N, 2)


def _seen_face(frame: np.ndarray, points: np.ndarray, mesh: np.ndarray | None, crop: Crop, pixels: int) -> SeenFace:
    """The face with the part of its frame (H, W, 3) round it, at most twice as fine as a canvas of `pixels`."""
    height, width = frame.shape[:2]
    side = crop[2] - crop[0]
    left, top = (int(np.clip(np.floor(start - ROOM * side), 0, limit - 1)) for start, limit in zip(crop[:2], (width, height)))
    right, bottom = (int(np.clip(np.ceil(stop + ROOM * side), 1, limit)) for stop, limit in zip(crop[2:], (width, height)))
    part, scale = frame[top:bottom, left:right], min(1.0, 2 * pixels / side)
    part = part.copy() if scale == 1 else cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    mesh = fit_mesh(points, load_topology()) if mesh is None else mesh
    return SeenFace(part, (left, top), scale, points.astype(np.float64), mesh.astype(np.float64))


def _reference(face: SeenFace, placement: Placement, pixels: int) -> Reference:
    """A seen face on the canvas; what lies beyond its picture repeats the border."""
    turned = pixels / CANVAS_PX / face.scale * placement.matrix[:, :2]                              # (2, 2)
    shift = pixels / CANVAS_PX * placement.matrix @ (*face.corner, 1)                               # (2,)
    picture, scale = face.picture, float(np.sqrt(np.linalg.det(turned)))
    if scale < 0.5:     # area-average first: a plain affine warp would skip pixels
        picture = cv2.resize(picture, None, fx=2 * scale, fy=2 * scale, interpolation=cv2.INTER_AREA)
        turned = turned / (2 * scale)
    shift = shift + turned @ (0.5, 0.5) - 0.5                                                       # pixels' centres
    matrix = np.concatenate([turned, shift[:, None]], axis=1)
    picture = cv2.warpAffine(picture, matrix, (pixels, pixels), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return Reference(picture, placement.apply(face.points), placement.apply(face.mesh))
