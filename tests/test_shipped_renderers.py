"""The shipped renderers: a photo redraws itself, moved faces stand where they are told, mouths open."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.mouth_figures import asked_points
from headsync.landmarks import frontalise, head_pose, lip_shapes, rotation_matrix
from headsync.landmarks.detection import CANVAS_PX, extract
from render_stage import Drive, load_renderer, read_references
from render_stage.rhythmic_head.renderer import MODELS

PORTRAIT = Path(__file__).parents[1] / "examples/astronaut.jpg"
TURN_DEGREES = 15.0
BOTH = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(scope="module")
def face():
    return read_references(PORTRAIT)


@pytest.fixture(scope="module")
def motion(face):
    """Landmarks (4, 68, 3): the photo's own, shifted, turned to both sides."""
    start = face.start().points[0].astype(np.float64)
    centre = start.mean(0)
    turns = rotation_matrix(np.radians([[0, -TURN_DEGREES, 0], [0, TURN_DEGREES, 0]]))
    return np.stack([start, start + (9, 4, 0), *((start - centre) @ turn.T + centre for turn in turns)])


@pytest.fixture(scope="module")
def frames(face, motion):
    made = {}
    for model in MODELS:
        renderer = load_renderer(model)
        made[model] = renderer.frames(renderer.prepare(face.on_canvas()), Drive(motion))
    return made


@BOTH
def test_a_photo_redraws_itself(face, frames, model):
    photo = face.on_canvas()[0].picture.astype(float)
    assert np.abs(frames[model][0] - photo).mean() < 4
    assert np.abs(frames[model][2] - photo).mean() > 8      # and moves when it is told to


@BOTH
def test_faces_stand_where_they_are_told(frames, motion, model, tmp_path):
    for frame, told in zip(frames[model], motion):
        cv2.imwrite(str(tmp_path / "frame.png"), frame[..., ::-1])
        found = extract(tmp_path / "frame.png").sequence
        left, top, right, _ = found.crop
        points = (left, top) + found.points[0, :, :2] * ((right - left) / CANVAS_PX)
        apart = np.linalg.norm(points - told[:, :2], axis=1)
        assert apart.mean() < 3 and apart[48:].mean() < 3


@BOTH
def test_mouths_open_as_far_as_they_are_told(face, model, tmp_path):
    reference, renderer = face.on_canvas()[0], load_renderer(model)
    told = asked_points(reference.points.astype(np.float64), (0.0, 0.05, 0.1, 0.2))
    seen = []
    for frame in renderer.frames(renderer.prepare([reference]), Drive(told)):
        cv2.imwrite(str(tmp_path / "frame.png"), frame[..., ::-1])
        points = extract(tmp_path / "frame.png").sequence.points
        seen.append(float(lip_shapes(frontalise(points, head_pose(points))).opening[0]))
    assert np.abs(np.array(seen) - (0.0, 0.05, 0.1, 0.2)).max() < 0.05, seen
