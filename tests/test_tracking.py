"""The chosen face is followed through losses and beside rivals; gaps are filled."""

import numpy as np
import pytest

from headsync.landmarks.detection.detectors import Face
from headsync.landmarks.detection.shots import Shot
from headsync.landmarks.detection.tracking import Track, face_runs, fill_gaps, follow_shots


class ScriptedDetector:
    """Knows one face per centre written into the picture's first row; None where the value is 0."""

    name = "scripted"

    def __init__(self):
        self.restarts = 0

    def faces(self, picture):
        centres = [value for value in picture[0, :3, 0].tolist() if value]
        return [Face(self.points(value), None) for value in centres]

    def points(self, centre):
        offsets = np.random.default_rng(5).uniform(-10, 10, (68, 3))
        return (offsets + (centre, 50, 0)).astype(np.float32)

    def restart(self):
        self.restarts += 1


def frames_with(*centres):
    for entry in centres:
        picture = np.zeros((100, 200, 3), np.uint8)
        picture[0, : len(entry), 0] = entry
        yield picture


def shot(stop, *, start=0, centre=60):
    box = np.array([[start, centre - 10, 40, centre + 10, 60]], float)
    return Shot(start, stop, box, (0, 0, 200, 100), 0.0)


def test_the_expected_face_is_taken_whatever_the_order():
    track, = follow_shots(frames_with([60, 150], [150, 61], [150], [62]), [shot(4)], ScriptedDetector())
    assert track.visible.tolist() == [True, True, False, True]
    middles = track.points[[0, 1, 3], :, 0].mean(1)
    np.testing.assert_allclose(middles - middles[0], [0, 1, 2], atol=1e-4)


def test_every_shot_restarts_the_detector_and_takes_its_own_frames():
    detector = ScriptedDetector()
    frames = frames_with(*[[60]] * 3, *[[0]] * 2, *[[150]] * 5)
    one, two = follow_shots(frames, [shot(3), shot(10, start=5, centre=150)], detector)
    assert detector.restarts == 2 and len(one.visible) == 3 and len(two.visible) == 5 and two.visible.all()


def test_gaps_are_interpolated_and_ends_held():
    points = np.arange(7, dtype=np.float32)[:, None, None] * np.ones((1, 68, 3), np.float32)
    visible = np.array([False, True, False, False, True, True, False])
    holed = points.copy()
    holed[~visible] = np.nan
    filled = fill_gaps(holed, visible)
    np.testing.assert_allclose(filled[:, 0, 0], [1, 1, 2, 3, 4, 5, 5], atol=1e-6)
    with pytest.raises(ValueError, match="no face in any of 7"):
        fill_gaps(holed, np.zeros(7, bool))


def track_of(xs):
    xs = np.array(xs, float)
    base = np.random.default_rng(5).uniform(-20, 20, (68, 3))
    points = (base + np.stack([xs, np.full_like(xs, 50), np.zeros_like(xs)], 1)[:, None]).astype(np.float32)
    return Track(shot(len(xs)), points, None, ~np.isnan(xs))


def test_runs_end_at_long_losses_and_jumps():
    nan = np.nan
    assert face_runs(track_of([0] * 5 + [nan] * 4 + [0] * 5)) == [(0, 14)]
    assert face_runs(track_of([0] * 5 + [nan] * 5 + [0] * 5)) == [(0, 5), (10, 15)]
    assert face_runs(track_of([nan, 0, 0, 0, 60, 60, nan])) == [(1, 4), (4, 6)]
    assert face_runs(track_of([nan] * 5)) == []
