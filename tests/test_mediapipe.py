"""MediaPipe's two interfaces behind one detector: whichever is installed for real, and both as stand-ins of their calls.

The stand-ins see a bright square as a face; what the real ones find is in test_extract.py and test_backdrop.py.
"""

import hashlib
import os
import re
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from headsync.landmarks.detection import PersonFinder, make_detector
from headsync.landmarks.detection.mediapipe_detector import has_solutions, mesh_edges
from headsync.landmarks.layouts import MEDIAPIPE_TO_IBUG68
from render_stage.geometry.make_face_mesh import closed_triangles
from render_stage.geometry.topology import load_topology
from tests.face_files import portrait

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "headsync/landmarks/detection/models"
NETWORK_POINTS = 478
SHARES = np.random.default_rng(11).uniform(0, 1, (NETWORK_POINTS, 3))   # where a face's points lie in its square


def square(picture: np.ndarray) -> tuple[int, int, int] | None:
    """Left, top and side of the bright square, None where there is none."""
    rows, columns = np.nonzero(picture[..., 0] > 200)
    return (int(columns.min()), int(rows.min()), int(columns.max() - columns.min() + 1)) if len(rows) else None


def scene(left: int, top: int, side: int) -> np.ndarray:
    picture = np.zeros((211, 307, 3), np.uint8)
    picture[top : top + side, left : left + side] = 255
    return picture


def wanted_mesh(left: int, top: int, side: int) -> np.ndarray:
    """What a detector must say of a scene, in its pixels (468, 3)."""
    return (SHARES[:468] * side + [left, top, 0]).astype(np.float32)


def relative_points(picture: np.ndarray, smallest: float) -> list[list]:
    """The points of the one face as MediaPipe gives them: shares of width and height, depth in shares of the width."""
    found = square(picture)
    if found is None or found[2] < smallest * min(picture.shape[:2]):
        return []
    places = (SHARES * found[2] + [*found[:2], 0]) / [picture.shape[1], picture.shape[0], picture.shape[1]]
    return [[SimpleNamespace(x=x, y=y, z=z) for x, y, z in places]]


class Task:
    """A stand-in of one task; a landmarker that wants to be sure finds no face under a tenth of the picture."""

    def __init__(self, kind: str, options: SimpleNamespace):
        self.kind, self.options, self.closed = kind, options, 0

    def detect(self, picture: np.ndarray) -> SimpleNamespace:
        assert picture.dtype == np.uint8 and picture.flags.c_contiguous
        if self.kind == "FaceLandmarker":
            sure = self.options.min_face_presence_confidence >= 0.5
            return SimpleNamespace(face_landmarks=relative_points(picture, 0.1 if sure else 0))
        found = square(picture)
        box = found and SimpleNamespace(origin_x=found[0], origin_y=found[1], width=found[2], height=found[2])
        return SimpleNamespace(detections=[SimpleNamespace(bounding_box=box)] if box else [])

    def segment(self, picture: np.ndarray) -> SimpleNamespace:
        mask = SimpleNamespace(numpy_view=lambda: (picture[..., :1] / 255).astype(np.float32))
        return SimpleNamespace(confidence_masks=[mask])

    def close(self) -> None:
        self.closed += 1


def stand_in(monkeypatch, names: dict[str, dict]) -> None:
    """Only these modules of MediaPipe are installed."""
    for name in [name for name in sys.modules if name.split(".")[0] == "mediapipe"]:
        monkeypatch.delitem(sys.modules, name)
    for name, attributes in names.items():
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def tasks(monkeypatch) -> list[Task]:
    """An installed MediaPipe that has only tasks; the tasks that were made."""
    made: list[Task] = []

    def maker(kind):
        def make(options):
            made.append(Task(kind, options))
            return made[-1]
        return SimpleNamespace(create_from_options=make)

    kinds = ("FaceDetector", "FaceLandmarker", "ImageSegmenter")
    vision = SimpleNamespace(**{kind: maker(kind) for kind in kinds},
                             **{f"{kind}Options": lambda **options: SimpleNamespace(**options) for kind in kinds})
    stand_in(monkeypatch, {
        "mediapipe": {"Image": lambda image_format, data: data, "ImageFormat": SimpleNamespace(SRGB=1)},
        "mediapipe.tasks": {},
        "mediapipe.tasks.python": {"BaseOptions": lambda **options: SimpleNamespace(**options), "vision": vision}})
    return made


def test_tasks_find_a_face_and_give_it_in_pixels(tasks):
    assert not has_solutions()
    detector = make_detector("mediapipe")
    [face] = detector.faces(scene(41, 29, 101))
    np.testing.assert_allclose(face.mesh, wanted_mesh(41, 29, 101), atol=1e-3)
    np.testing.assert_array_equal(face.points, face.mesh[list(MEDIAPIPE_TO_IBUG68)])
    np.testing.assert_array_equal(detector.boxes(scene(41, 29, 101)), [[41, 29, 142, 130]])
    detector.close()
    detector.close()
    assert len(tasks) == 4 and all(one.closed == 1 for one in tasks)


def test_tasks_look_at_every_picture_alone_with_the_shipped_networks(tasks):
    make_detector("mediapipe").close()
    assert not any(hasattr(one.options, "running_mode") for one in tasks)       # IMAGE is what MediaPipe does if not told
    given = {hashlib.sha256(one.options.base_options.model_asset_buffer).hexdigest() for one in tasks}
    assert len(given) == 3 and given > {hashlib.sha256((MODELS / name).read_bytes()).hexdigest()
                                        for name in ("face_landmarker.task", "face_detection_full_range.tflite")}


def test_tasks_look_again_where_the_face_was_until_another_shot(tasks):
    detector = make_detector("mediapipe")
    for left, top in ((101, 83), (3, 5)):           # the second look reaches over the picture's edge there
        doubtful = scene(left, top, 17)             # too small to be sure of
        assert detector.faces(doubtful) == []
        detector.faces(scene(left, top, 29))
        [face] = detector.faces(doubtful)
        np.testing.assert_allclose(face.mesh, wanted_mesh(left, top, 17), atol=1e-3)
        assert detector.faces(scene(270, 190, 17)) == []            # elsewhere it would be somebody else
        detector.restart()
    assert detector.faces(scene(0, 0, 0)) == []
    detector.close()


def test_a_person_mask_by_tasks(tasks):
    finder = PersonFinder()
    person = finder.person(scene(41, 29, 101))
    assert person.dtype == np.uint8 and person.shape == (211, 307) and (person > 127).sum() == 101 * 101
    finder.close()
    assert [one.closed for one in tasks] == [1]


class Solution:
    """A stand-in of one of the older interface's graphs."""

    def __init__(self, **options):
        self.resets = 0

    def process(self, picture: np.ndarray) -> SimpleNamespace:
        found = square(picture)
        height, width = picture.shape[:2]
        box = found and SimpleNamespace(xmin=found[0] / width, ymin=found[1] / height, width=found[2] / width,
                                        height=found[2] / height)
        detection = SimpleNamespace(location_data=SimpleNamespace(relative_bounding_box=box))
        return SimpleNamespace(
            detections=[detection] if box else None, segmentation_mask=picture[..., 0] / np.float32(255),
            multi_face_landmarks=[SimpleNamespace(landmark=points) for points in relative_points(picture, 0)] or None)

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        pass


def test_solutions_are_taken_where_they_are_installed(monkeypatch):
    parts = {"face_detection": "FaceDetection", "face_mesh": "FaceMesh", "selfie_segmentation": "SelfieSegmentation"}
    stand_in(monkeypatch, {"mediapipe": {}, "mediapipe.python": {}, "mediapipe.python.solutions": {}} | {
        f"mediapipe.python.solutions.{module}": {name: Solution} for module, name in parts.items()})
    assert has_solutions()
    detector = make_detector("mediapipe")
    [face] = detector.faces(scene(41, 29, 101))
    np.testing.assert_allclose(face.mesh, wanted_mesh(41, 29, 101), atol=1e-3)
    np.testing.assert_allclose(detector.boxes(scene(41, 29, 101)), [[41, 29, 142, 130]])
    detector.restart()
    assert detector.faces(scene(0, 0, 0)) == []
    detector.close()
    finder = PersonFinder()
    assert (finder.person(scene(41, 29, 101)) > 127).sum() == 101 * 101
    finder.close()


def test_without_mediapipe_its_absence_is_said(monkeypatch):
    stand_in(monkeypatch, {})
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(ModuleNotFoundError, match="mediapipe"):
        make_detector("mediapipe")


def test_the_installed_one_keeps_quiet_to_the_end(tmp_path):
    """Nothing on stderr at start, at work or at exit, also where nobody closed it: users read that stream."""
    np.save(tmp_path / "picture.npy", portrait())
    program = ("import numpy; from headsync.landmarks.detection import PersonFinder, make_detector\n"
               "picture = numpy.load('picture.npy', allow_pickle=False)\n"
               "detector, finder = make_detector(), PersonFinder()\n"
               "print(len(detector.faces(picture)), len(detector.boxes(picture)), finder.person(picture).shape)")
    variables = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=variables, capture_output=True, text=True,
                          timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 1 (330, 330)\n", "")


def test_the_shipped_topology_can_be_made_from_the_installed_one():
    triangles, parts = closed_triangles(mesh_edges())
    topology = load_topology()
    assert np.array_equal(triangles, topology.triangles) and np.array_equal(parts, topology.parts)


@pytest.mark.parametrize("notice", [ROOT / "NOTICE", MODELS / "NOTICE"])
def test_the_notice_names_every_shipped_network_by_its_content(notice):
    words = notice.read_text(encoding="utf-8")
    told = dict(re.findall(r"^([\w.]+\.(?:task|tflite))\n(?: .*\n)*?    SHA-256 (\w{64})$", words, re.M))
    shipped = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in MODELS.iterdir()
               if path.suffix in (".task", ".tflite")}
    assert told == shipped and "Apache License" in words
    assert (MODELS / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
