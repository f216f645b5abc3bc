"""Landmarks found again: the wanted face, in the frame's own pixels, with a tracker treated as trackers need it."""

import numpy as np
import pytest

from headsync.evaluation.redetect import detect_again
from headsync.landmarks import canonical_face
from headsync.landmarks.detection import Face

SHIFTS = [0.0, 30.0, 90.0]


class Scripted:
    """A detector that sees the faces whose shifts are written in a frame's first row of pixels; it needs two looks."""

    name = "scripted"

    def __init__(self):
        self.looks, self.last, self.restarts = 0, None, 0

    def restart(self) -> None:
        self.restarts += 1
        self.last = None

    def close(self) -> None:
        pass

    def faces(self, picture: np.ndarray) -> list[Face]:
        self.looks += 1
        lag = 0.0 if self.last is not None and np.array_equal(picture, self.last) else 5.0
        self.last = picture
        return [face(shift + lag) for shift in picture[0, :, 0] if shift > 0]


def face(shift: float, size: float = 0.3) -> Face:
    return Face((size * (canonical_face() - 128) + 60 + np.array([shift, 0, 0])).astype(np.float32), None)


def frame(*shifts: int) -> np.ndarray:
    picture = np.zeros((13, 17, 3), np.uint8)
    picture[0, : len(shifts), 0] = shifts
    return picture


def test_the_face_nearest_to_the_expected_one_is_taken_after_two_looks():
    detector = Scripted()
    expected = np.stack([face(31).points, face(92).points])
    found = detect_again([frame(30, 90), frame(30, 90)], detector, expected=expected)
    assert np.allclose(found.points[0], face(30).points) and np.allclose(found.points[1], face(90).points)
    assert found.visible.all() and detector.restarts == 1 and detector.looks == 4 + 2


def test_single_looks_are_for_consecutive_frames():
    detector = Scripted()
    found = detect_again([frame(30), frame(33), frame(36)], detector, looks=1)
    assert detector.looks == 4 + 1 + 1
    assert np.allclose(found.points[0], face(30).points) and np.allclose(found.points[1], face(38).points)


def test_nobody_and_somebody_else_are_marked():
    found = detect_again([frame(), frame(90), frame(30)], Scripted(), expected=np.stack([face(30).points] * 3))
    assert found.visible.tolist() == [False, False, True] and np.isnan(found.points[:2]).all()


def test_no_frames_are_refused():
    with pytest.raises(ValueError, match="no frames"):
        detect_again([], Scripted())
