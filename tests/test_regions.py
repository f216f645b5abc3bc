"""SSIM pixel by pixel against scikit-image, and masks of points."""

import numpy as np
import pytest

from headsync.metrics import ssim
from headsync.metrics.regions import REACH_PX, hull_mask, mean_inside, ssim_map

HEIGHT, WIDTH = 67, 83


def pictures() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    one = random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    other = np.clip(one.astype(int) // 2 + random.integers(0, 128, one.shape), 0, 255).astype(np.uint8)
    return one, other


def test_the_map_is_scikit_images():
    from skimage.metrics import structural_similarity

    one, other = pictures()
    whole = structural_similarity(one, other, channel_axis=2, gaussian_weights=True, sigma=1.5, full=True,
                                  use_sample_covariance=False, data_range=255)[1].mean(2)
    found = ssim_map(one, other)
    inner = np.s_[REACH_PX:-REACH_PX, REACH_PX:-REACH_PX]
    assert np.abs(found[inner] - whole[inner]).max() < 2e-5
    assert np.isnan(found).sum() == HEIGHT * WIDTH - (HEIGHT - 10) * (WIDTH - 10)
    assert mean_inside(found, np.ones(found.shape, bool)) == pytest.approx(ssim(one, other), abs=1e-6)


def test_a_bright_flat_picture_is_like_itself_and_unlike_a_dark_one():
    bright, dark = (np.full((HEIGHT, WIDTH, 3), level, np.uint8) for level in (251, 7))
    assert np.nanmin(ssim_map(bright, bright)) > 0.9999
    luminance = (2 * 251 * 7 + 2.55**2) / (251**2 + 7**2 + 2.55**2)
    assert np.nanmean(ssim_map(bright, dark)) == pytest.approx(luminance, abs=1e-5)


def test_what_changed_outside_of_a_mask_is_not_seen_inside():
    one, _ = pictures()
    other = one.copy()
    other[:, 53:] = 0
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[:, :43] = True
    similarity = ssim_map(one, other)
    assert mean_inside(similarity, mask) == pytest.approx(1, abs=1e-4)
    assert mean_inside(similarity, ~mask) < 0.7
    assert np.isnan(mean_inside(similarity, np.zeros_like(mask)))


def test_a_square_fills_its_own_pixels():
    square = np.array([[11, 13, 0], [31, 13, 5], [31, 37, 0], [11, 37, 0], [20, 20, 0]], np.float64)
    mask = hull_mask(square, (HEIGHT, WIDTH))
    wanted = np.zeros_like(mask)
    wanted[13:37, 11:31] = True
    assert (mask != wanted).sum() <= 2 * (20 + 24) and mask[14:36, 12:30].all()
    assert hull_mask(square, (HEIGHT, WIDTH), grow_px=5)[25, 7] and not mask[25, 7]


def test_points_far_outside_are_no_error():
    assert not hull_mask(np.array([[500, 500], [600, 500], [550, 700]]), (HEIGHT, WIDTH)).any()


@pytest.mark.parametrize(("one", "other"), [((10, 83, 3), (10, 83, 3)), ((67, 83), (67, 83)), ((67, 83, 3), (67, 81, 3))])
def test_other_frames_are_refused(one, other):
    with pytest.raises(ValueError, match="frames"):
        ssim_map(np.zeros(one, np.uint8), np.zeros(other, np.uint8))
