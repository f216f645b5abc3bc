"""Centred filters: no delay, no change where nothing moves, ends reflected."""

import numpy as np
import pytest

from headsync.landmarks.smoothing import smooth

WINDOWS = ("box", "hanning")


def motion(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("window", WINDOWS)
def test_a_constant_stays(window):
    still = np.full((13, 5, 3), 7.25, np.float32)
    assert np.array_equal(smooth(still, 11, window=window), still)


@pytest.mark.parametrize("window", WINDOWS)
def test_one_tap_changes_nothing(window):
    points = motion(13, 5)
    assert np.array_equal(smooth(points, 1, window=window), points)


@pytest.mark.parametrize("window", WINDOWS)
def test_a_straight_movement_is_not_delayed(window):
    ramp = np.arange(23, dtype=np.float64)[:, None] * [1.0, -3.0]
    assert np.allclose(smooth(ramp, 7, window=window)[3:-3], ramp[3:-3])


@pytest.mark.parametrize("window", WINDOWS)
def test_time_backwards_is_the_result_backwards(window):
    points = motion(19, 5, 3)
    assert np.allclose(smooth(points[::-1], 5, window=window), smooth(points, 5, window=window)[::-1], atol=1e-6)


def test_a_spike_shows_the_window():
    spike = np.zeros(17)
    spike[8] = 1
    assert np.allclose(smooth(spike, 5)[6:11], 0.2) and smooth(spike, 5)[[5, 11]].tolist() == [0, 0]
    hanning = smooth(spike, 5, window="hanning")[6:11]
    assert np.allclose(hanning, np.array([0.25, 0.75, 1, 0.75, 0.25]) / 3)


def test_ends_are_reflected():
    signal = np.array([1.0, 10, 100, 0, 0, 0, 0])
    assert np.allclose(smooth(signal, 3)[:2], [(10 + 1 + 10) / 3, 111 / 3])


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_shorter_than_the_window_still_works(frames):
    points = motion(frames, 5, 3)
    smoothed = smooth(points, 11)
    assert smoothed.shape == points.shape and smoothed.dtype == points.dtype
    assert points.min() <= smoothed.min() and smoothed.max() <= points.max()


def test_the_input_is_left_alone():
    points = motion(13, 5)
    before = points.copy()
    smooth(points, 3)
    assert np.array_equal(points, before)


@pytest.mark.parametrize("taps", [0, 2, -3])
def test_uncentred_filters_are_refused(taps):
    with pytest.raises(ValueError, match=f"odd number of taps, got {taps}"):
        smooth(motion(13, 5), taps)


def test_unknown_windows_are_refused():
    with pytest.raises(ValueError, match="got 'gauss'"):
        smooth(motion(13, 5), 3, window="gauss")
