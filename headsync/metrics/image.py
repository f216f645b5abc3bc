"""How near generated frames are to the real ones, pixel by pixel: SSIM, PSNR and mean squared error.

Shapes: H W pixels; frames are (H, W, 3) uint8 RGB.
Source: Wang et al. 2004 (SSIM, 11x11 Gaussian of sigma 1.5); settings of method/measures.md#pictures.
"""

import math

import numpy as np

DATA_RANGE = 255.0
SIGMA = 1.5             # scikit-image cuts the Gaussian at 3.5 sigma, which makes the window 11x11
LEAST_SIDE_PX = 11


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
