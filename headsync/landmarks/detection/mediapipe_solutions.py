"""MediaPipe up to 0.10.21 (Python up to 3.12): face detector and person mask by its interface `solutions`.

Shapes: H W picture, N faces, L = 68 landmarks, V = 468 mesh vertices.
"""

import warnings
from functools import partial

import numpy as np

from headsync.landmarks.detection.box_search import search_boxes
from headsync.landmarks.detection.detectors import Face
from headsync.landmarks.detection.mediapipe_detector import MESH_VERTICES, MIN_CONFIDENCE, MOST_FACES, quiet_native_log
from headsync.landmarks.layouts import MEDIAPIPE_TO_IBUG68


def run_graph(solution, picture: np.ndarray):
    """One run of a MediaPipe graph; its use of a deprecated protobuf call is not our caller's concern."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="SymbolDatabase.GetPrototype", category=UserWarning)
        return solution.process(np.ascontiguousarray(picture))


def _warm_up(*solutions) -> None:
    for solution in solutions:  # graphs load their networks, and print, at the first picture
        run_graph(solution, np.zeros((64, 64, 3), np.uint8))


class SolutionsDetector:
    """Face boxes by BlazeFace in its short and full range, landmarks by the face mesh."""

    name = "mediapipe"

    def __init__(self):
        from mediapipe.python.solutions.face_detection import FaceDetection
        from mediapipe.python.solutions.face_mesh import FaceMesh

        with quiet_native_log():
            self._near = FaceDetection(min_detection_confidence=MIN_CONFIDENCE, model_selection=0)
            self._far = FaceDetection(min_detection_confidence=MIN_CONFIDENCE, model_selection=1)
            self._mesh = FaceMesh(static_image_mode=False, max_num_faces=MOST_FACES, refine_landmarks=True)
            _warm_up(self._near, self._far, self._mesh)

    def boxes(self, picture: np.ndarray) -> np.ndarray:
        """Boxes (N, 4) of the faces found, in pixels; N = 0 when every attempt of `search_boxes` finds none."""
        return search_boxes(picture, partial(self._boxes_by, self._near), partial(self._boxes_by, self._far))

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
            _warm_up(self._mesh)

    def close(self) -> None:
        """Stop the three graphs."""
        for solution in (self._near, self._far, self._mesh):
            solution.close()


class SolutionsSegmenter:
    """MediaPipe's selfie segmentation, whose network these wheels carry; each picture is looked at alone."""

    def __init__(self):
        from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation

        with quiet_native_log():
            self._segmentation = SelfieSegmentation(model_selection=0)
            _warm_up(self._segmentation)

    def share(self, picture: np.ndarray) -> np.ndarray:
        """How sure each pixel of a picture (H, W, 3) uint8 RGB shows a person: (H, W) float32, 1 for sure."""
        return run_graph(self._segmentation, picture).segmentation_mask

    def close(self) -> None:
        """Release the graph."""
        with quiet_native_log():
            self._segmentation.close()
