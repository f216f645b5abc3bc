"""SSIM and PSNR: hand values, torchmetrics as the golden one."""

import sys

import numpy as np
import pytest

from headsync.metrics.image import psnr_db, squared_error, ssim


def picture(*, seed: int = 0, size: tuple[int, int] = (41, 53)) -> np.ndarray:
    """Soft coloured blobs, so that there is structure to lose."""
    coarse = np.random.default_rng(seed).integers(0, 256, (size[0] // 5 + 2, size[1] // 5 + 2, 3))
    fine = coarse.repeat(5, 0).repeat(5, 1)[: size[0] + 4, : size[1] + 4].astype(float)
    soft = sum(fine[dy : dy + size[0], dx : dx + size[1]] for dy in range(5) for dx in range(5)) / 25
    return soft.astype(np.uint8)


def disturbed(frame: np.ndarray, deviation: float, *, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, deviation, frame.shape)
    return np.clip(frame + noise, 0, 255).astype(np.uint8)


def test_identical_frames_are_perfect():
    frame = picture()
    assert ssim(frame, frame) == pytest.approx(1) and squared_error(frame, frame) == 0 and psnr_db(0) == float("inf")


def test_psnr_by_hand():
    dark, light = np.zeros((11, 13, 3), np.uint8), np.full((11, 13, 3), 255, np.uint8)
    assert psnr_db(squared_error(dark, light)) == pytest.approx(0)
    grey = np.full((11, 13, 3), 51, np.uint8)       # a fifth of the range: 20 log10(5)
    assert psnr_db(squared_error(grey, dark)) == psnr_db(squared_error(dark, grey)) == pytest.approx(13.9794, abs=1e-4)
    red = dark.copy()
    red[..., 0] = 51                                # a third of the values differ
    assert squared_error(red, dark) == pytest.approx(51**2 / 3)


def test_ssim_of_even_pictures_by_hand():
    """Without structure only the luminance term is left: (2 a b + C1) / (a^2 + b^2 + C1)."""
    a, b, c1 = 100, 150, (0.01 * 255) ** 2
    frames = np.full((17, 19, 3), a, np.uint8), np.full((17, 19, 3), b, np.uint8)
    assert ssim(*frames) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-6)
    frames[0][..., :2] = b                          # two of three channels alike: the mean over R, G and B
    assert ssim(*frames) == pytest.approx((2 + (2 * a * b + c1) / (a * a + b * b + c1)) / 3, abs=1e-6)


@pytest.mark.parametrize("deviation", [3, 17, 71])
def test_torchmetrics_agrees(deviation):
    torch = pytest.importorskip("torch")
    golden = pytest.importorskip("torchmetrics.functional.image")
    real = picture()
    made = disturbed(real, deviation)
    ours, theirs = (torch.from_numpy(frame).permute(2, 0, 1)[None].double() for frame in (made, real))
    _, full = golden.structural_similarity_index_measure(ours, theirs, sigma=1.5, kernel_size=11, data_range=255.0,
                                                         return_full_image=True)
    inside = full[..., 5:-5, 5:-5]      # torchmetrics counts the borders too, which see mirrored pixels
    assert ssim(made, real) == pytest.approx(float(inside.mean()), abs=1e-9)
    expected = golden.peak_signal_noise_ratio(ours, theirs, data_range=255.0)
    assert psnr_db(squared_error(made, real)) == pytest.approx(float(expected), abs=1e-4)


def test_more_noise_scores_less():
    real = picture()
    scores = [ssim(disturbed(real, deviation), real) for deviation in (1, 5, 23, 97)]
    assert scores == sorted(scores, reverse=True) and scores[0] > 0.95 and scores[-1] < 0.4


@pytest.mark.parametrize(("one", "other", "told"), [
    (np.zeros((11, 13, 3)), np.zeros((11, 13, 3)), "uint8, got \\(11, 13, 3\\) float64"),
    (np.zeros((11, 13), np.uint8), np.zeros((11, 13), np.uint8), "must be \\(H, W, 3\\)"),
    (np.zeros((11, 13, 3), np.uint8), np.zeros((13, 11, 3), np.uint8), "differ in size"),
    (np.zeros((7, 13, 3), np.uint8), np.zeros((7, 13, 3), np.uint8), "at least 11x11"),
])
def test_other_frames_are_refused(one, other, told):
    with pytest.raises(ValueError, match=told):
        ssim(one, other)


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(ValueError, match=r"pip install headsync\[eval\]"):
        ssim(picture(), picture())
