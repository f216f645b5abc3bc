"""The time pyramid: halved rates, nothing added, gradients everywhere."""

import math

import pytest
import torch

from headsync.landmarks.pyramid import LEVELS, halve_rate, time_pyramid


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("steps", [13, 16, 23, 80, 101])
def test_lengths_are_halves_rounded_up(steps):
    lengths = [level.shape[1] for level in time_pyramid(noise(2, steps, 5))]
    expected = [steps]
    while len(expected) < LEVELS:
        expected.append(math.ceil(expected[-1] / 2))
    assert lengths == expected


def test_a_constant_stays_constant():
    for level in time_pyramid(torch.full((2, 41, 3), 0.375)):
        assert torch.allclose(level, torch.tensor(0.375))


def test_the_first_level_is_the_input_itself():
    x = noise(2, 17, 5)
    assert torch.equal(time_pyramid(x)[0], x) and len(time_pyramid(x, levels=1)) == 1


def test_a_straight_movement_is_only_sampled():
    ramp = torch.arange(29.0)[None, :, None]
    assert torch.allclose(halve_rate(ramp)[0, 2:-2, 0], ramp[0, 4:-4:2, 0])


def test_a_step_is_the_mean_of_seven_with_reflected_ends():
    x = noise(1, 11, 1)
    rows = x[0, :, 0]
    halved = halve_rate(x)[0, :, 0]
    assert torch.allclose(halved[2], rows[1:8].mean())
    assert torch.allclose(halved[0], (rows[0] + 2 * rows[1:4].sum()) / 7)
    assert torch.allclose(halved[-1], (rows[10] + 2 * rows[7:10].sum()) / 7)


def test_clips_and_features_do_not_mix():
    x = noise(3, 31, 7)
    alone = time_pyramid(x[1:2, :, 4:5])
    assert all(torch.allclose(whole[1:2, :, 4:5], part) for whole, part in zip(time_pyramid(x), alone))


def test_rows_stay_four_per_landmark_step():
    landmarks, rows = time_pyramid(noise(1, 80, 3)), time_pyramid(noise(1, 320, 5))
    assert [level.shape[1] * 4 for level in landmarks] == [level.shape[1] for level in rows]


def test_gradients_flow_from_every_level_to_every_step():
    for level in range(LEVELS):
        x = noise(2, 37, 5).requires_grad_()
        time_pyramid(x)[level].sum().backward()
        assert (x.grad > 0).all()


def test_gradients_are_right():
    x = noise(1, 13, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda value: tuple(time_pyramid(value)), (x,))


@pytest.mark.parametrize(("levels", "needed"), [(2, 4), (3, 7), (4, 13)])
def test_too_short_clips_say_what_is_needed(levels, needed):
    assert len(time_pyramid(noise(1, needed, 3), levels=levels)) == levels
    with pytest.raises(ValueError, match=f"at least {needed} steps, got {needed - 1}"):
        time_pyramid(noise(1, needed - 1, 3), levels=levels)


def test_a_single_halving_says_what_is_needed():
    with pytest.raises(ValueError, match="at least 4 steps"):
        halve_rate(noise(1, 3, 5))
