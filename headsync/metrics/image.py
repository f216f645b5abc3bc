"""How near generated frames are to the real ones, pixel by pixel: SSIM, PSNR and mean squared error.

Shapes: H W pixels; frames are (H, W, 3) uint8 RGB.
Source: Wang et al. 2004 (SSIM, 11x11 Gaussian of sigma 1.5); settings of method/measures.md#pictures.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

DATA_RANGE = 255.0
SIGMA = 1.5             # scikit-image cuts the Gaussian at 3.5 sigma, which makes the window 11x11
LEAST_SIDE_PX = 11


class ImageScores(NamedTuple):
    """Means over the frame pairs of a video."""

    frames: int
    ssim: float             # mean of R, G and B
    psnr_db: float          # mean of the frames' PSNR; infinite as soon as one pair is identical
    pooled_psnr_db: float   # PSNR of the mean squared error of all frames; infinite only when all pairs are identical
    mse: float              # of values in [0, 1]


class ImageComparison:
    """Scores of frame pairs that arrive one by one; keeps sums only, so memory does not grow with the video."""

    def __init__(self):
        self._frames = 0
        self._ssim = self._psnr_db = self._squared_error = 0.0

    def add(self, generated: np.ndarray, reference: np.ndarray) -> None:
        """Take in one pair of frames (H, W, 3) uint8. ValueError as `ssim` and `squared_error`."""
        self._ssim += ssim(generated, reference)
        error = squared_error(generated, reference)
        self._squared_error += error
        self._psnr_db += psnr_db(error)
        self._frames += 1

    def scores(self) -> ImageScores:
        """The means so far. ValueError before the first pair."""
        if not self._frames:
            raise ValueError("there are no frames to score; give at least one pair")
        error = self._squared_error / self._frames
        return ImageScores(self._frames, self._ssim / self._frames, self._psnr_db / self._frames, psnr_db(error),
                           error / DATA_RANGE**2)


def compare_videos(generated: Iterable[np.ndarray], reference: Iterable[np.ndarray]) -> ImageScores:
    """The scores of two videos, frame by frame in constant memory. ValueError when one ends before the other."""
    comparison = ImageComparison()
    ours, theirs = iter(generated), iter(reference)
    for count, frame in enumerate(ours):
        partner = next(theirs, None)
        if partner is None:
            raise ValueError(f"the reference ends after {count} frames, the generated video does not; give equal lengths")
        comparison.add(frame, partner)
    scores = comparison.scores()
    if next(theirs, None) is not None:
        raise ValueError(f"the generated video ends after {scores.frames} frames, the reference does not; give equal lengths")
    return scores


def ssim(generated: np.ndarray, reference: np.ndarray) -> float:
    """Structural similarity of two frames (H, W, 3) uint8: 1 when identical, about 0 when unrelated.

    Gaussian window 11x11 of sigma 1.5, data range 255, K1 = 0.01, K2 = 0.03, population variances, borders of 5 pixels
    left out, mean over R, G and B (not luma). ValueError for other shapes or types, for sides under 11 pixels, and
    when scikit-image is missing.
    """
    _check(generated, reference)
    if min(generated.shape[:2]) < LEAST_SIDE_PX:
        raise ValueError(f"SSIM needs frames of at least {LEAST_SIDE_PX}x{LEAST_SIDE_PX} pixels, got {generated.shape[:2]}")
    try:
        from skimage.metrics import structural_similarity  # of the extra [eval], so not at the top
    except ImportError as error:
        raise ValueError("SSIM needs scikit-image, which is missing; run: pip install headsync[eval]") from error
    return float(structural_similarity(generated, reference, channel_axis=2, gaussian_weights=True, sigma=SIGMA,
                                       use_sample_covariance=False, data_range=DATA_RANGE))


def squared_error(generated: np.ndarray, reference: np.ndarray) -> float:
    """Mean squared error of two frames (H, W, 3) uint8, in squared steps of 1/255. ValueError for other frames."""
    _check(generated, reference)
    return float(np.square(generated.astype(np.float64) - reference).mean())


def psnr_db(error: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error over all pixels and channels; infinite for 0."""
    return 10 * math.log10(DATA_RANGE**2 / error) if error > 0 else math.inf


def _check(generated: np.ndarray, reference: np.ndarray) -> None:
    for frame in (generated, reference):
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ValueError(f"frames must be (H, W, 3) uint8, got {frame.shape} {frame.dtype}")
    if generated.shape != reference.shape:
        raise ValueError(f"frames differ in size, {generated.shape[:2]} and {reference.shape[:2]}; resize one first")
