"""Flicker of pictures: none where nothing flickers, the planted amount where it does."""

import numpy as np
import pytest

from headsync.metrics.flicker import flicker

FRAMES, HEIGHT, WIDTH = 7, 23, 29


def grey(levels) -> np.ndarray:
    """Frames (T, H, W, 3) of one grey level each."""
    return np.repeat(np.asarray(levels, np.uint8), HEIGHT * WIDTH * 3).reshape(-1, HEIGHT, WIDTH, 3)


def test_even_change_is_no_flicker():
    found = flicker(grey(range(10, 10 + 7 * FRAMES, 7)), grey([40] * FRAMES))
    assert found.generated == found.real == found.error == 0 and np.isnan(found.share) and found.frames == FRAMES


def test_alternating_frames_have_twice_their_step():
    one, other = grey([100, 110, 100, 110, 100, 110, 100]), grey([100, 105, 100, 105, 100, 105, 100])
    found = flicker(one, other)
    assert found.generated == pytest.approx(20) and found.real == pytest.approx(10) and found.share == pytest.approx(2)
    assert found.error == pytest.approx(10)


def test_the_same_video_has_no_error_and_a_held_one_the_real_ones_flicker():
    real = np.random.default_rng(3).integers(0, 256, (FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    assert flicker(real, real).error == 0 and flicker(real, real).share == 1
    held = flicker(np.repeat(real[:1], FRAMES, 0), real)
    assert held.generated == 0 and held.error == pytest.approx(held.real) and held.real > 1


def test_only_the_mask_counts():
    one = grey([100] * FRAMES)
    one[::2, :, 17:] += 50
    mask = np.zeros((FRAMES, HEIGHT, WIDTH), bool)
    mask[:, :, :16] = True
    assert flicker(one, grey([100] * FRAMES), masks=mask).generated == 0
    assert flicker(one, grey([100] * FRAMES), masks=~mask).generated > 80


def test_unequal_and_short_videos_are_refused():
    with pytest.raises(ValueError, match="ends before"):
        flicker(grey([1] * 5), grey([1] * 7))
    with pytest.raises(ValueError, match="at least 3"):
        flicker(grey([1] * 2), grey([1] * 2))
    with pytest.raises(ValueError, match="masks"):
        flicker(grey([1] * 3), grey([1] * 3), masks=np.ones((3, HEIGHT, 5), bool))
