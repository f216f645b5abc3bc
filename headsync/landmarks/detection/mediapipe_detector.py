"""The embedded face detector: MediaPipe's 468-vertex face mesh, refined round eyes and lips, and its 68 landmarks.

Shapes: H W picture, N faces, L = 68 landmarks, V = 468 mesh vertices.
"""

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from headsync.landmarks.detection.detectors import Face
from headsync.landmarks.layouts import MEDIAPIPE_TO_IBUG68

MESH_VERTICES = 468          # the refined network adds ten iris points, which are not part of the mesh
MOST_FACES = 2               # per region: the wanted face and one rival that its region cannot shut out
BORDER = 0.35                # of the longer side, added when a face fills the picture and is not found
TILE = 0.6                   # side of a tile over the picture's short side
MIN_CONFIDENCE = 0.5
_STDERR_LOCK = threading.Lock()


@contextmanager
def quiet_native_log() -> Iterator[None]:
    """Hide what MediaPipe's C++ start-up prints on file descriptor 2; what Python has said is flushed before."""
    with _STDERR_LOCK:
        sys.stderr.flush()
        kept = os.dup(2)
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(null)


def run_graph(solution, picture: np.ndarray):
    """One run of a MediaPipe graph; its use of a deprecated protobuf call is not our caller's concern."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="SymbolDatabase.GetPrototype", category=UserWarning)
        return solution.process(np.ascontiguousarray(picture))


def _merged(found: np.ndarray, more: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) and those of (M, 4) whose centre lies in none of them."""
    for box in more:
        middle = (box[:2] + box[2:]) / 2
        inside = (found[:, :2] <= middle).all(1) & (middle <= found[:, 2:]).all(1)
        if not inside.any():
            found = np.concatenate([found, box[None]])
    return found


def _tile_starts(length: int, side: int) -> list[int]:
    """Where tiles begin that overlap by half of their side and cover the length."""
    count = max(1, -(-2 * (length - side) // side) + 1)
    return np.linspace(0, length - side, count).astype(int).tolist()


class MediapipeDetector:
    """Face boxes by BlazeFace in its short and full range, landmarks by the face mesh."""

    name = "mediapipe"

    def __init__(self):
        from mediapipe.python.solutions.face_detection import FaceDetection
        from mediapipe.python.solutions.face_mesh import FaceMesh

        with quiet_native_log():
            self._near = FaceDetection(min_detection_confidence=MIN_CONFIDENCE, model_selection=0)
            self._far = FaceDetection(min_detection_confidence=MIN_CONFIDENCE, model_selection=1)
            self._mesh = FaceMesh(static_image_mode=False, max_num_faces=MOST_FACES, refine_landmarks=True)
            self._warm_up(self._near, self._far, self._mesh)

    @staticmethod
    def _warm_up(*solutions) -> None:
        for solution in solutions:  # graphs load their networks, and print, at the first picture
            run_graph(solution, np.zeros((64, 64, 3), np.uint8))

    def boxes(self, picture: np.ndarray) -> np.ndarray:
        """Boxes (N, 4) of the faces found, in pixels; N = 0 when every attempt finds none.

        Both ranges together; a picture in which they see nothing is tried with a border, for faces that fill it, and
        in overlapping tiles, for small ones.
        """
        found = _merged(self._boxes_by(self._near, picture), self._boxes_by(self._far, picture))
        if len(found):
            return found
        border = round(BORDER * max(picture.shape[:2]))
        wide = cv2.copyMakeBorder(picture, border, border, border, border, cv2.BORDER_REPLICATE)
        found = self._boxes_by(self._near, wide) - border
        return found if len(found) else self._boxes_in_tiles(picture)

    def _boxes_in_tiles(self, picture: np.ndarray) -> np.ndarray:
        side = round(TILE * min(picture.shape[:2]))
        starts = [_tile_starts(length, side) for length in picture.shape[:2]]
        found = np.zeros((0, 4))
        for y in starts[0]:
            for x in starts[1]:
                tile = picture[y : y + side, x : x + side]
                found = _merged(found, self._boxes_by(self._far, tile) + (x, y, x, y))
        return found

    @staticmethod
    def _boxes_by(solution, picture: np.ndarray) -> np.ndarray:
        height, width = picture.shape[:2]
        detections = run_graph(solution, picture).detections or ()
        relative = [detection.location_data.relative_bounding_box for detection in detections]
        boxes = [(b.xmin, b.ymin, b.xmin + b.width, b.ymin + b.height) for b in relative]
        return np.array(boxes, np.float64).reshape(-1, 4) * (width, height, width, height)  # (N, 4)

    def faces(self, picture: np.ndarray) -> list[Face]:
        """The meshes and their 68 landmarks; tracks from call to call until `restart`."""
        height, width = picture.shape[:2]
        found = run_graph(self._mesh, picture).multi_face_landmarks or ()
        return [self._face(one.landmark, width, height) for one in found]

    @staticmethod
    def _face(landmark, width: int, height: int) -> Face:
        relative = np.array([(p.x, p.y, p.z) for p in landmark[:MESH_VERTICES]])  # (V, 3)
        mesh = (relative * (width, height, width)).astype(np.float32)             # z is in the unit of x
        return Face(mesh[list(MEDIAPIPE_TO_IBUG68)], mesh)

    def restart(self) -> None:
        """Forget the tracked face."""
        with quiet_native_log():
            self._mesh.reset()
            self._warm_up(self._mesh)

    def close(self) -> None:
        """Stop the three graphs."""
        for solution in (self._near, self._far, self._mesh):
            solution.close()
