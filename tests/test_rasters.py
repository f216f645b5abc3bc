"""Rasters: the right pixel in the right channel, curves through their landmarks, mirror images alike."""

import cv2
import numpy as np
import pytest

from headsync.landmarks.augment import flip
from headsync.landmarks.canonical import canonical_face
from headsync.landmarks.geometry import rotation_matrix
from headsync.landmarks.rasters import dot_raster, landmark_image, upper_face

CHANNEL = np.repeat([0, 1, 2], [17, 31, 20])


def unit_face(*, size: int, seed: int = 0) -> np.ndarray:
    """A face in unit coordinates whose landmarks lie in the middles of pixels of a raster of `size`."""
    face = canonical_face()[:, :2] / 256 + 0.01 * np.random.default_rng(seed).standard_normal((68, 2))
    return (np.floor(face * size) + 0.5) / size


def near(raster: np.ndarray, reach: int = 1) -> np.ndarray:
    """The raster with every line `reach` pixels wider on each side."""
    return cv2.dilate(raster, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))


@pytest.mark.parametrize("size", [224, 97])
def test_each_landmark_is_one_dot_in_its_channel(size):
    points = unit_face(size=size)
    raster = dot_raster(points, size=size)
    assert raster.shape == (3, size, size) and raster.dtype == np.float32
    expected = {(int(channel), int(y * size), int(x * size)) for channel, (x, y) in zip(CHANNEL, points)}
    assert set(zip(*(axis.tolist() for axis in np.nonzero(raster)))) == expected and set(np.unique(raster)) == {0, 1}


def test_dots_outside_are_held_at_the_border():
    points = np.full((68, 3), 0.5)
    points[0], points[20], points[60] = (-3, 0.25, 9), (0.25, 7, 9), (1, 1, 9)
    raster = dot_raster(points)
    assert raster[0, 56, 0] == raster[1, 221, 56] == raster[2, 221, 221] == 1      # 0.99 of 224 is 221.76
    assert raster.sum() == 6


def test_flipped_dots_are_the_flipped_raster():
    points = np.concatenate([unit_face(size=224), np.zeros((68, 1))], axis=1)
    assert np.array_equal(dot_raster(flip(points)), dot_raster(points)[..., ::-1])


def test_the_landmark_image_is_thin_lines_of_ones():
    image = landmark_image(canonical_face())
    assert image.shape == (256, 256) and image.dtype == np.uint8 and set(np.unique(image)) == {0, 1}
    eroded = cv2.erode(image, np.ones((3, 3), np.uint8))
    assert 500 < image.sum() < 2500 and not eroded.any()


def test_every_curve_passes_its_landmarks_but_the_nose_begins_at_28():
    points = canonical_face() * [1, 1, 0] + [3, -5, 0]
    image = near(landmark_image(points))
    missed = [index for index, (x, y, _) in enumerate(points) if not image[int(y), int(x)]]
    assert missed == [27]


def test_curves_are_bent_not_broken():
    points = canonical_face()[:, :2].copy()
    points[17:22] = [[40, 30], [50, 20], [60, 30], [70, 20], [80, 30]]
    image = near(landmark_image(points), 0)
    assert image[22:25, 45].any() and not image[25, 45]        # a straight line from 17 to 18 would pass (45, 25)


def test_a_flipped_face_has_the_flipped_image():
    points = canonical_face() @ rotation_matrix([0.1, 0.4, 0.1]).T + [-30, 40, 0]
    image = landmark_image(points)
    flipped = landmark_image(flip(points / 256) * 256)
    assert not (flipped & ~near(image[:, ::-1])).any() and not (image[:, ::-1] & ~near(flipped)).any()


def test_a_larger_raster_holds_the_larger_face():
    points = canonical_face()
    small, large = landmark_image(points), landmark_image(2 * points, size=512)
    assert not (cv2.resize(near(large), (256, 256), interpolation=cv2.INTER_NEAREST) & ~near(small)).any()


def test_points_outside_are_cut_off():
    assert not landmark_image(canonical_face() + [999, 0, 0]).any()
    assert landmark_image(canonical_face() + [90, 0, 0]).any()


def test_the_upper_face_is_the_jaw_over_the_line_from_ear_to_ear():
    points = canonical_face()[:, :2].astype(np.float64)
    arc = upper_face(points)
    ears = points[0, 1]
    assert arc.shape == (17, 2) and np.allclose(arc[[0, 16]], points[[0, 16]])
    assert np.allclose(arc[1:16, 0], points[1:16, 0], atol=1e-3)
    assert np.allclose(ears - arc[1:16, 1], 2 / 3 * (points[1:16, 1] - ears), atol=1e-3)


def test_the_upper_face_moves_with_the_face():
    points = canonical_face()[:, :2].astype(np.float64)
    turn = rotation_matrix([0, 0, 0.7])[:2, :2]
    assert np.allclose(upper_face(1.7 * points @ turn.T + [3, 5]), 1.7 * upper_face(points) @ turn.T + [3, 5])
