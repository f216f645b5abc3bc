"""Shows that samples, rows and video frames convert without drift, for any length and any frame rate."""

from fractions import Fraction

import numpy as np
import pytest

from headsync.media import (
    FPS,
    ROWS_PER_FRAME,
    SAMPLE_RATE_HZ,
    SAMPLES_PER_FRAME,
    FrameResampler,
    frames_for_samples,
    frames_for_seconds,
    in_step,
    pad_waveform,
    rows_for_frames,
    samples_for_frames,
    shown_frames,
)

TEN_MINUTES = 600
RATES = [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(50),
         Fraction(60000, 1001), Fraction(60), Fraction(120)]


def nearest_errors(times, shown, rate):
    """Distance in seconds from each output frame to the source frame on screen, and to the nearest one there is."""
    times, moments = np.array([float(time - times[0]) for time in times]), np.arange(len(shown)) / float(rate)
    chosen = np.abs(times[np.array(shown)] - moments)
    after = np.clip(np.searchsorted(times, moments), 1, len(times) - 1)
    best = np.minimum(np.abs(times[after] - moments), np.abs(times[after - 1] - moments))
    return chosen, best


def test_one_second_is_the_same_everywhere():
    assert (samples_for_frames(FPS), rows_for_frames(FPS)) == (SAMPLE_RATE_HZ, 100)
    assert (SAMPLES_PER_FRAME, ROWS_PER_FRAME) == (640, 4)


@pytest.mark.parametrize("samples, frames", [(0, 0), (1, 1), (624, 1), (640, 1), (641, 2), (656, 2), (7919, 13)])
def test_every_started_frame_counts(samples, frames):
    assert frames_for_samples(samples) == frames
    assert frames_for_seconds(Fraction(samples, SAMPLE_RATE_HZ)) == frames
    assert frames_for_seconds(samples / SAMPLE_RATE_HZ) == frames


def test_seconds_as_floats_do_not_gain_a_frame():
    assert all(frames_for_seconds(frames / 25) == frames for frames in range(100_003))
    assert frames_for_seconds(Fraction(0.04)) == 2   # the float is a hair above one frame, and a Fraction is exact
    assert frames_for_seconds(0.04 + 1 / 192_000) == 2


@pytest.mark.parametrize("seconds", [-0.1, float("nan"), float("inf")])
def test_impossible_durations_are_refused(seconds):
    with pytest.raises(ValueError, match="finite and not negative"):
        frames_for_seconds(seconds)


def test_negative_counts_are_refused():
    for convert in (frames_for_samples, samples_for_frames, rows_for_frames):
        with pytest.raises(ValueError, match="-3"):
            convert(-3)


@pytest.mark.parametrize("samples", [1, 239, 640, 880, 881, 7919])
def test_padding_keeps_the_sound_and_adds_silence(samples):
    waveform = np.arange(1, samples + 1, dtype=np.float32)
    padded = pad_waveform(waveform, 2)
    assert padded.shape == (2 * 640 + 240,) and padded.dtype == np.float32
    assert -(-(len(padded) - 400) // 160) + 1 == 8
    kept = min(samples, len(padded))
    np.testing.assert_array_equal(padded[:kept], waveform[:kept])
    assert not padded[kept:].any()


def test_padding_wants_one_channel_and_one_frame():
    with pytest.raises(ValueError, match="one channel"):
        pad_waveform(np.zeros((2, 7)), 1)
    with pytest.raises(ValueError, match="at least 1"):
        pad_waveform(np.zeros(7), 0)


@pytest.mark.parametrize("source", RATES)
def test_ten_minutes_do_not_drift(source):
    frames = round(TEN_MINUTES * source)
    times = [number / source for number in range(frames)]
    shown = shown_frames(times, rate=FPS, last=1 / source)
    assert abs(len(shown) / FPS - frames / float(source)) <= 0.02
    chosen, best = nearest_errors(times, shown, FPS)
    assert chosen.max() <= max(0.02, 0.5 / float(source)) + 1e-9
    if source <= 60:
        np.testing.assert_allclose(chosen, best, atol=1e-9)


@pytest.mark.parametrize("source", [Fraction(7), Fraction(30000, 1001), Fraction(60), Fraction(120), Fraction(240)])
def test_any_number_of_frames_lasts_as_long_as_before(source):
    for frames in range(10, 401):
        shown = shown_frames([number / source for number in range(frames)], rate=FPS, last=1 / source)
        assert abs(Fraction(len(shown), FPS) - frames / source) <= Fraction(1, 50)


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60)])
def test_variable_rate_does_not_drift(rate):
    random = np.random.default_rng(5)
    steps = [Fraction(int(ms), 1000) for ms in random.integers(7, 61, 17_011)]
    times = [Fraction(-3, 7)]
    for step in steps:
        times.append(times[-1] + step)
    shown = shown_frames(times, rate=rate, last=Fraction(1, 25))
    total = times[-1] - times[0] + Fraction(1, 25)
    assert abs(len(shown) / rate - total) <= Fraction(1, 2) / rate
    chosen, best = nearest_errors(times, shown[:-2], rate)
    np.testing.assert_allclose(chosen, best, atol=1e-9)


def test_the_same_rate_changes_nothing():
    for rate in RATES:
        times = [Fraction(17, 3) + number / rate for number in range(101)]
        assert shown_frames(times, rate=rate, last=1 / rate) == list(range(101))


def test_millisecond_time_stamps_do_not_drop_or_repeat():
    for rate in RATES[:8]:
        times = [Fraction(round(1000 * number / rate), 1000) for number in range(997)]
        assert shown_frames(times, rate=rate, last=1 / rate) == list(range(997))


@pytest.mark.parametrize("last", [Fraction(1, 60), Fraction(1, 25), Fraction(1)])
def test_a_single_frame_is_shown_at_least_once(last):
    assert shown_frames([Fraction(9)], rate=FPS, last=last) == [0] * max(1, round(25 * last))


def test_no_frames_give_none():
    assert shown_frames([], rate=FPS, last=Fraction(1)) == []


def test_a_pause_holds_the_nearer_frame():
    shown = shown_frames([Fraction(0), Fraction(1)], rate=FPS, last=Fraction(1, 25))
    assert shown == [0] * 13 + [1] * 13


def test_frames_of_one_instant_take_one_place():
    times = [Fraction(0), Fraction(1, 25), Fraction(1, 25), Fraction(2, 25)]
    assert shown_frames(times, rate=FPS, last=Fraction(1, 25)) == [0, 2, 3]


def test_a_damaged_time_stamp_does_not_freeze_the_picture():
    times = [Fraction(0), Fraction(1, 25), Fraction(95_443), Fraction(95_443) + Fraction(1, 25)]
    assert shown_frames(times, rate=FPS, last=Fraction(1, 25)) == [0, 1, 2, 3]


def test_an_impossible_rate_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        FrameResampler(0)


@pytest.mark.parametrize(("picture", "sound", "late", "expected"), [
    (10, 10, 0, (range(10), range(10))), (10, 11, 3, (range(8), range(3, 11))), (10, 10, -2, (range(2, 10), range(8))),
    (3, 9, -5, (range(0), range(0)))])
def test_picture_and_sound_that_belong_together(picture, sound, late, expected):
    """A late sound: its frame 3 belongs to picture 0."""
    shown, spoken = in_step(picture, sound, late)
    assert ([*range(picture)[shown]], [*range(sound)[spoken]]) == tuple(map(list, expected))
