"""Clip figures: a planted lag is found, silence and stillness give no agreement."""

import numpy as np
import pytest

from headsync.landmarks.quality import level_dbfs, lip_audio_agreement, lip_opening


def talking(frames, *, seed=7):
    """A face whose lips follow a smooth random curve, and the sound that goes with it."""
    curve = np.convolve(np.random.default_rng(seed).standard_normal(frames + 8), np.ones(5) / 5, mode="same")[4:-4]
    opening = np.clip(3 + 4 * curve, 0.2, None)
    points = np.zeros((frames, 68, 3), np.float32)
    points[:, 36, 0], points[:, 45, 0] = 0, 60
    points[:, 66, 1] = opening
    tone = np.sin(np.arange(frames * 640) * 0.3)
    return points, (tone * np.repeat(opening / opening.max(), 640)).astype(np.float32)


@pytest.mark.parametrize("late", [-5, 0, 3])
def test_a_planted_lag_is_found(late):
    points, sound = talking(211)
    found = lip_audio_agreement(points, np.roll(sound, late * 640))
    assert found.lag_frames == late and found.correlation > 0.7


def test_silence_and_stillness_do_not_agree():
    points, sound = talking(211)
    assert lip_audio_agreement(points, np.zeros_like(sound)).correlation == 0
    assert lip_audio_agreement(points[:1].repeat(211, 0), sound).correlation == 0
    assert lip_audio_agreement(points[:1], sound).lag_frames == 0


def test_opening_is_relative_to_the_face():
    points, _ = talking(31)
    np.testing.assert_allclose(lip_opening(points * 2.5), lip_opening(points), rtol=1e-5)


def test_levels():
    assert level_dbfs(np.zeros(100, np.float32)) == -120 and level_dbfs(np.zeros(0)) == -120
    assert level_dbfs(np.full(100, 0.1, np.float32)) == pytest.approx(-20)
