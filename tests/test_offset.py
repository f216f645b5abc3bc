"""Planted offsets are found exactly in both modes; unrelated streams have no confidence; SyncNet's rules hold."""

import numpy as np
import pytest
import torch

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
