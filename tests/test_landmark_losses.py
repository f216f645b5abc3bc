"""Terms of the generator's loss: each zero where it must be, and blind to what it must not see."""

import numpy as np
import pytest
import torch

from headsync.landmarks import GROUPS, rotation_matrix
from landmark_stage.ms_sync.losses import lip_loss, position_loss, rest_loss, rigid_loss, spread_loss, sync_loss
from syncers import SyncerPyramid, SyncerSettings
from tests.talking import made_up_sample


def motion(frames=53, seed=1):
    return made_up_sample(frames, seed=seed).flat[None]


def turned(flat, seed=1):
    """The clip under a head that turns, nods and drifts."""
    random = np.random.default_rng(seed)
    T = flat.shape[1]
    vectors = np.cumsum(0.01 * random.standard_normal((T, 3)), 0)
    vectors[0] = 0
    points = flat[0].unflatten(1, (68, 3)).numpy()
    middle = points[0].mean(0)
    moved = np.einsum("tij,tlj->tli", rotation_matrix(vectors), points - middle) + middle + 0.1 * vectors[:, None]
    return torch.from_numpy(moved.astype(np.float32)).flatten(1)[None]


SIZE = torch.tensor([[0.2]])


def test_positions_are_zero_for_the_real_motion_and_one_for_a_still_face():
    real = motion()
    assert position_loss(real, real).item() == 0
    assert position_loss(real[:, :1].expand_as(real), real).item() == pytest.approx(1)
    half = real[:, :1] + 0.5 * (real - real[:, :1])
    assert position_loss(half, real).item() == pytest.approx(0.25)


def test_lips_are_seen_wherever_the_head_is():
    real = motion()
    shifted = real + 0.3 * torch.linspace(0, 1, 53)[None, :, None]
    assert lip_loss(shifted, real, SIZE).item() < 1e-6
    assert 1 <= lip_loss(real[:, :1].expand_as(real), real, SIZE).item() < 3
    brows, lips = (real.unflatten(2, (68, 3)).clone() for _ in range(2))
    brows[:, 1:, list(GROUPS["left_brow"]), 1] += 0.02
    assert lip_loss(brows.flatten(2), real, SIZE).item() < 1e-6
    lips[:, ::2, [*range(55, 60), *range(64, 68)], 1] += 0.02       # the lower lip, every other frame
    assert lip_loss(lips.flatten(2), real, SIZE).item() > 0.3


def test_mouths_that_stay_open_cost_less_than_lips_that_move_wrongly():
    real = motion()
    open_mouth, wrong = (real.unflatten(2, (68, 3)).clone() for _ in range(2))
    open_mouth[..., [*range(55, 60), *range(64, 68)], 1] += 0.01
    wrong[:, ::2, [*range(55, 60), *range(64, 68)], 1] += 0.02
    cost, more = (lip_loss(one.flatten(2), real, SIZE).item() for one in (open_mouth, wrong))
    open_mouth[..., [*range(55, 60), *range(64, 68)], 1] += 0.01        # twice as far
    assert 0.15 < cost < more and 0.7 < lip_loss(open_mouth.flatten(2), real, SIZE).item() < 1.6   # 0.38 by motion alone


def test_silent_lips_shall_rest():
    real = motion()
    still = real[:, :1].expand_as(real)
    assert rest_loss(still, real, SIZE).item() < 1e-6
    assert rest_loss(turned(still), real, SIZE).item() < 0.2 < 0.5 < rest_loss(real, real, SIZE).item()


def test_rigid_faces_cost_nothing_and_stretched_ones_do():
    still = motion()[:, :1].repeat(1, 53, 1)
    assert rigid_loss(turned(still)).item() < 1e-5
    assert rigid_loss(torch.cat([still[:, :1], 1.1 * still[:, 1:]], 1)).item() == pytest.approx(0.1 * 52 / 53, rel=1e-3)


def test_spread_asks_for_as_much_motion_as_is_real():
    real = motion()
    assert spread_loss(real, real, SIZE).item() == 0
    half = real[:, :1] + 0.5 * (real - real[:, :1])
    assert spread_loss(half, real, SIZE).item() == pytest.approx(np.log(2) ** 2, rel=0.3)
    later = torch.cat([real[:, :1], real[:, 1:].flip(1)], 1)
    assert spread_loss(later, real, SIZE).item() < 0.1      # when it moves is not asked


@pytest.mark.parametrize("levels", [1, 4])
def test_synchrony_guides_every_landmark(levels):
    torch.manual_seed(1)
    pyramid = SyncerPyramid([SyncerSettings(embedding=7)] * 4).eval().requires_grad_(False)
    sample = made_up_sample(53, seed=1)
    flat = sample.flat[None].clone().requires_grad_()
    loss = sync_loss(pyramid, flat, sample.rows[None], levels=levels)
    loss.backward()
    assert -1 <= loss.item() <= 1
    assert flat.grad.unflatten(2, (68, 3))[..., :2].abs().sum((0, 1, 3)).gt(0).all()
    expected = pyramid.scores(sample.flat[None], sample.rows[None])[:levels].mean()
    torch.testing.assert_close(-loss.detach(), expected)


def test_short_clips_are_refused():
    pyramid = SyncerPyramid([SyncerSettings(embedding=7)] * 4).eval()
    sample = made_up_sample(13, seed=1)
    with pytest.raises(ValueError, match="13 frames are too few for 4 time scales"):
        sync_loss(pyramid, sample.flat[None], sample.rows[None], levels=4)
