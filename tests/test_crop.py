"""One square crop per clip that holds the moving head; points and pictures land in the same place."""

import cv2
import numpy as np
import pytest

from headsync.landmarks.crop import crop_picture, fixed_crop, to_canvas


@pytest.mark.parametrize("size", [(720, 1280), (1280, 720), (300, 300)])
def test_the_crop_is_square_inside_and_holds_the_motion(size):
    steps = np.linspace(0, 60, 41)[:, None]
    boxes = np.array([[100, 90, 180, 190]], float) + steps * [1, 0.5, 1, 0.5]
    x0, y0, x1, y1 = fixed_crop(boxes, size)
    assert x1 - x0 == pytest.approx(y1 - y0)
    assert x0 >= 0 and y0 >= 0 and x1 <= size[1] and y1 <= size[0]
    assert x0 < 100 and y0 < 90 and x1 > 240 and y1 > 220


def test_a_face_larger_than_the_short_side_may_leave_the_picture():
    x0, y0, x1, y1 = fixed_crop(np.array([[20.0, 100, 180, 300]]), (400, 200))
    assert x0 < 0 and x1 > 200 and (x0 + x1) / 2 == pytest.approx(100)


def test_a_square_picture_that_is_nearly_filled_is_kept_whole():
    assert fixed_crop(np.array([[60.0, 70, 170, 190]]), (256, 256)) == (0, 0, 256, 256)
    picture = np.random.default_rng(3).integers(0, 255, (256, 256, 3), np.uint8)
    assert crop_picture(picture, (0, 0, 256, 256), 256) is picture


@pytest.mark.parametrize("crop", [(40.0, 30.0, 140.0, 130.0), (-20.0, -10.0, 380.0, 390.0), (11.3, 7.7, 211.3, 207.7)])
def test_points_and_pictures_agree(crop):
    picture = np.zeros((400, 400, 3), np.uint8)
    spot = np.array([100.5, 80.5, 8.0])
    cv2.rectangle(picture, (96, 76), (104, 84), (255, 255, 255), -1)      # centred on pixel (100, 80)
    canvas = crop_picture(picture, crop, 128).astype(float)[..., 0]
    ys, xs = np.mgrid[:128, :128] + 0.5
    seen = np.array([(xs * canvas).sum(), (ys * canvas).sum()]) / canvas.sum()
    expected = to_canvas(spot[None], crop, 128)[0]
    np.testing.assert_allclose(seen, expected[:2], atol=0.15)
    assert expected[2] == pytest.approx(8 * 128 / (crop[2] - crop[0]))
