"""MediaPipe 1.2 and later (Python 3.13 and later): face detector and person mask by its interface `tasks`.

Its wheels carry no networks; headsync ships them in `models/`, see the NOTICE there. Every picture is looked at alone
(IMAGE mode): the smoothing of VIDEO mode washes out lip closures, of 15 % of frames with closed lips it leaves 2 %.

Shapes: H W picture, N faces, L = 68 landmarks, V = 468 mesh vertices.
"""

import io
import weakref
import zipfile
from functools import partial
from importlib import resources

import numpy as np

from headsync.landmarks.detection.box_search import search_boxes, with_border
from headsync.landmarks.detection.detectors import Face, landmark_boxes
from headsync.landmarks.detection.mediapipe_detector import MESH_VERTICES, MIN_CONFIDENCE, MOST_FACES, quiet_native_log
from headsync.landmarks.layouts import MEDIAPIPE_TO_IBUG68

LANDMARKER = "face_landmarker.task"
NEAR_FINDER = "face_detector.tflite"            # inside the landmarker's bundle: BlazeFace in its short range
FAR_FINDER = "face_detection_full_range.tflite"
SEGMENTER = "selfie_segmentation.tflite"
AROUND = 1.0                # of the last face's size, on each side: where it is looked for again once it is not found,
STILL_A_FACE = 0.2          # and how sure the network must then be; half profiles often fall below the 0.5 of a first look


def model(name: str) -> bytes:
    """The content of a shipped network."""
    return (resources.files("headsync.landmarks.detection") / "models" / name).read_bytes()


def _as_image(picture: np.ndarray):
    from mediapipe import Image, ImageFormat

    return Image(image_format=ImageFormat.SRGB, data=np.ascontiguousarray(picture))


def _close(tasks: tuple) -> None:
    with quiet_native_log():
        for task in tasks:
            task.close()


class TasksDetector:
    """Face boxes by BlazeFace in its short and full range, landmarks by the face landmarker."""

    name = "mediapipe"

    def __init__(self):
        from mediapipe.tasks.python import BaseOptions, vision

        bundle = model(LANDMARKER)
        near = zipfile.ZipFile(io.BytesIO(bundle)).read(NEAR_FINDER)
        with quiet_native_log():
            self._near, self._far = (
                vision.FaceDetector.create_from_options(vision.FaceDetectorOptions(
                    base_options=BaseOptions(model_asset_buffer=content), min_detection_confidence=MIN_CONFIDENCE))
                for content in (near, model(FAR_FINDER)))
            self._first, self._again = (
                vision.FaceLandmarker.create_from_options(vision.FaceLandmarkerOptions(
                    base_options=BaseOptions(model_asset_buffer=bundle), num_faces=most, min_face_presence_confidence=sure))
                for most, sure in ((MOST_FACES, MIN_CONFIDENCE), (1, STILL_A_FACE)))
            tasks = (self._near, self._far, self._first, self._again)
            blank = np.zeros((64, 64, 3), np.uint8)
            for task in tasks:                      # the first picture prints too
                task.detect(_as_image(blank))
        self._last: np.ndarray | None = None        # (4,) box of the face last found
        self._free = weakref.finalize(self, _close, tasks)      # at exit at the latest

    def boxes(self, picture: np.ndarray) -> np.ndarray:
        """Boxes (N, 4) of the faces found, in pixels; N = 0 when every attempt of `search_boxes` finds none."""
        return search_boxes(picture, partial(self._boxes_by, self._near), partial(self._boxes_by, self._far))

    @staticmethod
    def _boxes_by(finder, picture: np.ndarray) -> np.ndarray:
        found = [one.bounding_box for one in finder.detect(_as_image(picture)).detections]
        boxes = [(b.origin_x, b.origin_y, b.origin_x + b.width, b.origin_y + b.height) for b in found]
        return np.array(boxes, np.float64).reshape(-1, 4)       # (N, 4)

    def faces(self, picture: np.ndarray) -> list[Face]:
        """The meshes and their 68 landmarks; a face that is not found is looked for where it was last, until `restart`."""
        meshes = self._meshes(self._first, picture) or self._meshes_near_last(picture)
        if meshes:
            self._last = landmark_boxes(meshes[0])
        return [Face(mesh[list(MEDIAPIPE_TO_IBUG68)], mesh) for mesh in meshes]

    @staticmethod
    def _meshes(landmarker, picture: np.ndarray) -> list[np.ndarray]:
        height, width = picture.shape[:2]
        found = landmarker.detect(_as_image(picture)).face_landmarks
        scale = (width, height, width)                                            # z is in the unit of x
        return [(np.array([(p.x, p.y, p.z) for p in points[:MESH_VERTICES]]) * scale).astype(np.float32)   # (V, 3)
                for points in found]

    def _meshes_near_last(self, picture: np.ndarray) -> list[np.ndarray]:
        """The meshes in the surroundings of the face last found, which may reach over the picture's edge."""
        if self._last is None:
            return []
        wide, border = with_border(picture)
        size = max(self._last[2:] - self._last[:2])
        x0, y0 = np.maximum(self._last[:2] - AROUND * size + border, 0).astype(int)
        x1, y1 = np.minimum(self._last[2:] + AROUND * size + border, wide.shape[1::-1]).astype(int)
        shift = np.array([x0 - border, y0 - border, 0], np.float32)
        return [mesh + shift for mesh in self._meshes(self._again, wide[y0:y1, x0:x1])]

    def restart(self) -> None:
        """Forget the last face."""
        self._last = None

    def close(self) -> None:
        """Stop the networks."""
        self._free()


class TasksSegmenter:
    """The selfie segmentation network in the image segmenter; each picture is looked at alone."""

    def __init__(self):
        from mediapipe.tasks.python import BaseOptions, vision

        with quiet_native_log():
            self._segmenter = vision.ImageSegmenter.create_from_options(vision.ImageSegmenterOptions(
                base_options=BaseOptions(model_asset_buffer=model(SEGMENTER)), output_confidence_masks=True))
            self._segmenter.segment(_as_image(np.zeros((64, 64, 3), np.uint8)))
        self._free = weakref.finalize(self, _close, (self._segmenter,))

    def share(self, picture: np.ndarray) -> np.ndarray:
        """How sure each pixel of a picture (H, W, 3) uint8 RGB shows a person: (H, W) float32, 1 for sure."""
        mask, = self._segmenter.segment(_as_image(picture)).confidence_masks
        return mask.numpy_view()[..., 0].copy()     # (H, W)

    def close(self) -> None:
        """Release the network."""
        self._free()
