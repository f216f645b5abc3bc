"""Planted offsets are found exactly in both modes; unrelated streams have no confidence; SyncNet's rules hold."""

import numpy as np
import pytest
import torch

from syncers import SyncerPyramid, SyncerSettings, SyncSample, offsets_over_time, over_time
from syncers.measure import PROFILES
from syncers.offset import LagProfile, syncnet_profile, valid_profile


def noise(n, E=13, *, seed=0):
    return torch.randn(n, E, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("mode", ["syncnet", "valid"])
@pytest.mark.parametrize("planted", [-12, -5, -1, 0, 2, 7, 15])
def test_a_planted_offset_is_found(mode, planted):
    stream = noise(151)
    motion, audio = stream[20:117], stream[20 - planted : 117 - planted] + 0.3 * noise(97, seed=1)
    found = PROFILES[mode](motion, audio)
    assert found.offset == planted and found.confidence > 1


@pytest.mark.parametrize("mode", ["syncnet", "valid"])
def test_unrelated_streams_have_no_confidence(mode):
    related = PROFILES[mode](noise(97), noise(97) + 0.3 * noise(97, seed=1))
    assert PROFILES[mode](noise(97), noise(97, seed=2)).confidence < 0.2 * related.confidence


def test_syncnet_mode_is_syncnet_step_by_step():
    motion, audio = noise(23), noise(23, seed=5)
    n, padded = 22, torch.cat([torch.zeros(15, 13), audio[:22], torch.zeros(15, 13)])
    expected = [np.mean([torch.nn.functional.pairwise_distance(motion[i][None], padded[i + s][None]).item()
                         for i in range(n)]) for s in range(31)]
    found = syncnet_profile(motion, audio)
    np.testing.assert_allclose(found.distances, expected, rtol=1e-5)
    assert found.confidence == pytest.approx(float(np.median(expected)) - min(expected), abs=1e-5)


def test_valid_mode_never_touches_padding():
    one = torch.ones(7, 5)
    assert valid_profile(one, one).distances.max() < 1e-4       # every overlap is equal, so nothing stands out
    assert valid_profile(one, one).confidence < 1e-6
    assert syncnet_profile(one, one).confidence > 0.5           # here the zero padding makes the difference
    assert len(valid_profile(noise(5), noise(5)).lags) == 5 and len(valid_profile(noise(97), noise(97)).lags) == 31


def test_the_median_of_an_even_number_is_the_lower_one():
    assert LagProfile(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.arange(4)).confidence == 1


def test_too_few_windows_are_refused():
    for profile in (syncnet_profile, valid_profile):
        with pytest.raises(ValueError, match="too few"):
            profile(noise(1), noise(1))
        with pytest.raises(ValueError, match="alike"):
            profile(noise(5), noise(7))


def smooth_streams(shift, *, steps=211, every=16, seed=3):
    """Two sides of one band-limited stream (n, 13), the second late by `shift` steps, a multiple of 1 / 16."""
    fine = torch.nn.functional.avg_pool1d(noise(every * (steps + 40), seed=seed).T[None], 3 * every, 1)[0].T
    fine = torch.nn.functional.avg_pool1d(fine.T[None], 2 * every, 1)[0].T * every
    start, late = 20 * every, round(shift * every)
    return fine[start :: every][:steps], fine[start - late :: every][:steps]


@pytest.mark.parametrize("mode", ["syncnet", "valid"])
@pytest.mark.parametrize("planted", [-6.75, -2.5, -0.25, 0.0, 0.125, 0.375, 3.3125, 7.5])
def test_an_offset_below_a_step_is_found(mode, planted):
    found = PROFILES[mode](*smooth_streams(planted))
    assert abs(found.fine_offset - planted) < 0.15 and abs(found.fine_offset - found.offset) <= 0.5


def test_a_parabola_needs_both_neighbours_and_a_bend():
    lags = torch.arange(-2, 3)
    assert LagProfile(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]), lags).fine_offset == -2
    assert LagProfile(torch.ones(5), lags).fine_offset == -2
    assert LagProfile(torch.tensor([9.0, 4.0, 1.0, 2.0, 5.0]), lags).fine_offset == pytest.approx(0.25)
    assert LagProfile(torch.tensor([4.0, 3.0, 2.0, 1.0, 5.0]), lags).margin == 3        # lag -2, three steps away
    assert LagProfile(torch.tensor([1.0, 2.0]), torch.arange(2)).margin == 0


def test_stretches_tell_a_jump_and_a_clip_that_is_short_is_one_stretch(monkeypatch):
    """The sound is 3.25 steps late in the first half and 2.5 early in the second."""
    first, second = smooth_streams(3.25), smooth_streams(-2.5, seed=4)
    streams = tuple(torch.cat(pair) for pair in zip(first, second))         # (422, 13)
    pyramid = SyncerPyramid([SyncerSettings(), SyncerSettings()])
    sample = SyncSample(torch.zeros(426, 136), torch.zeros(4 * 426, 26))
    monkeypatch.setattr(over_time, "level_embeddings", lambda *_: [streams, tuple(one[::2] for one in streams)])
    found = offsets_over_time(pyramid, sample, frames=100, step=25)
    assert [one.start for one in found] == [*range(0, 326, 25), 326] and {one.frames for one in found} == {100}
    whole = [one for one in found if one.start + 100 <= 211 or one.start >= 211]
    for one in whole:
        planted = 3.25 if one.start < 200 else -2.5
        assert abs(one.offset - planted) < 0.2 and one.ms == pytest.approx(40 * one.offset) and one.margin > 0.1
    coarse = offsets_over_time(pyramid, sample, frames=200, step=226, level=2)
    assert [one.start for one in coarse] == [0, 226]
    assert abs(coarse[0].offset - 3.25) < 0.4 and abs(coarse[1].offset + 2.5) < 0.4
    assert [(one.start, one.frames) for one in offsets_over_time(pyramid, sample, frames=1000)] == [(0, 426)]
    for wrong in ({"frames": 6}, {"step": 0}, {"frames": 13, "level": 2}):
        with pytest.raises(ValueError, match="cannot be measured"):
            offsets_over_time(pyramid, sample, **wrong)
