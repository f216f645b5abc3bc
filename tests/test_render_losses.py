"""The renderer's losses: zero where they must be, known values by hand, gradients where they belong."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from headsync.landmarks import canonical_face
from headsync.metrics.image import ssim
from render_stage.nn.losses import flow_loss, gradient_loss, mask_loss, mouth_weight, reconstruction_loss, ssim_loss, warp_loss

HIGH, WIDE = 31, 23


def noise(*shape, seed=1):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def picture(B=2, seed=1):
    return noise(B, 3, HIGH, WIDE, seed=seed)


@pytest.mark.parametrize("loss", [
    lambda x: reconstruction_loss(x, x, noise(2, 1, HIGH, WIDE)), lambda x: warp_loss(x, x, torch.ones(2, 1, HIGH, WIDE)),
    lambda x: flow_loss(x[:, :2], x[:, :2], torch.ones(2, 1, HIGH, WIDE)), lambda x: gradient_loss(x, x),
    lambda x: mask_loss(torch.zeros(2, 1, HIGH, WIDE), x, x)])
def test_a_perfect_picture_costs_nothing(loss):
    assert loss(picture()).item() == 0


def test_a_perfect_picture_has_full_structural_similarity():
    for options in ({}, {"luma": True}, {"halved": True}):
        assert abs(ssim_loss(picture(), picture(), **options).item()) < 1e-5


def test_weighted_reconstruction_by_hand():
    made, real, weight = torch.zeros(1, 3, 1, 2), torch.zeros(1, 3, 1, 2), torch.tensor([[[[5.0, 1.0]]]])
    made[..., 0], made[:, 0, :, 1] = 0.25, -0.5
    assert reconstruction_loss(made, real, weight).item() == pytest.approx((5 * 0.75 + 0.5) / 18)
    assert reconstruction_loss(made, real, 3 * weight).item() == pytest.approx((5 * 0.75 + 0.5) / 18)


@pytest.mark.parametrize("loss", [warp_loss, flow_loss])
def test_masked_terms_look_only_where_the_mask_says(loss):
    one, other = picture()[:, :2], picture(seed=2)[:, :2]
    mask = torch.zeros(2, 1, HIGH, WIDE)
    assert loss(one, other, mask).item() == 0       # an empty mask
    mask[0, 0, 3:5, 7] = 1
    assert loss(one, other, mask).item() == pytest.approx((one - other)[0, :, 3:5, 7].abs().mean().item())
    assert loss(one, other.masked_fill(mask == 0, torch.nan), mask) == loss(one, other, mask)
    made = one.clone().requires_grad_(True)
    loss(made, other.masked_fill(mask == 0, torch.nan), mask).backward()
    assert torch.equal(made.grad != 0, mask.expand_as(one) > 0)


def test_flow_is_measured_in_pixels():
    flow, mask = torch.zeros(1, 2, HIGH, WIDE), torch.ones(1, 1, HIGH, WIDE, dtype=torch.bool)
    teacher = flow.clone()
    teacher[:, 0] = 6
    assert flow_loss(flow, teacher, mask).item() == 3       # the mean of both coordinates


def test_a_mask_is_pulled_to_0_where_the_warp_is_good_and_to_1_elsewhere():
    real = picture(1)
    warped = real.clone()
    warped[..., :WIDE // 2] += 0.8
    ideal = torch.zeros(1, 1, HIGH, WIDE)
    ideal[..., :WIDE // 2] = 1
    assert mask_loss(ideal, warped, real).item() < 1e-6 and mask_loss(1 - ideal, warped, real).item() > 0.999
    mask = torch.full_like(ideal, 0.5).requires_grad_(True)
    warped.requires_grad_(True)
    mask_loss(mask, warped, real).backward()
    assert (mask.grad[..., :WIDE // 2] < 0).all() and (mask.grad[..., WIDE // 2 :] > 0).all() and warped.grad is None


def test_the_published_distance_is_half_trusted():
    real = torch.full((1, 3, 5, 7), 0.5)
    apart = (0.02 / 3) ** 0.5 / 2       # in [-1, 1] the squared distance would be 0.02
    assert mask_loss(torch.zeros(1, 1, 5, 7), real + apart, real).item() == pytest.approx(0.5, abs=1e-4)


def test_gradients_by_hand_and_brightness_is_free():
    real = picture()
    assert gradient_loss(real + 0.3, real).item() < 1e-6
    ramp = torch.arange(WIDE) * 0.25
    assert gradient_loss(real + ramp, real).item() == pytest.approx(0.25, abs=1e-6)
    assert gradient_loss(real + torch.arange(HIGH)[:, None] * 0.5, real).item() == pytest.approx(0.5, abs=1e-6)


def test_ssim_is_the_evaluation_s():
    rng = np.random.default_rng(3)
    real = np.kron(rng.integers(0, 256, (7, 5, 3)), np.ones((7, 7, 1))).astype(np.uint8)
    made = np.clip(real + rng.normal(0, 20, real.shape), 0, 255).astype(np.uint8)
    one, other = (torch.from_numpy(frame).permute(2, 0, 1)[None] / 255 for frame in (made, real))
    assert 1 - ssim_loss(one, other).item() == pytest.approx(ssim(made, real), abs=1e-4)


def test_ssim_of_halved_pictures_and_of_their_luma():
    one, other = picture(), picture(seed=2)
    assert ssim_loss(one, other, halved=True) == ssim_loss(F.avg_pool2d(one, 2), F.avg_pool2d(other, 2))
    grey = [(x * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True) for x in (one, other)]
    assert ssim_loss(one, other, luma=True).item() == pytest.approx(ssim_loss(*grey).item(), abs=1e-6)


def test_ssim_falls_when_a_picture_is_followed_by_its_gradient():
    real, made = picture(), picture(seed=2).requires_grad_(True)
    before = ssim_loss(made, real)
    before.backward()
    after = ssim_loss(made.detach() - 0.05 * made.grad / made.grad.abs().max(), real)
    assert made.grad.isfinite().all() and after < before


def test_ssim_needs_a_window():
    with pytest.raises(ValueError, match="11 pixels or more, got .11, 10"):
        ssim_loss(torch.zeros(1, 3, 23, 21), torch.zeros(1, 3, 23, 21), halved=True)


def test_terms_are_in_full_precision():
    half, mask = picture().bfloat16(), torch.ones(2, 1, HIGH, WIDE).bfloat16()
    for term in (reconstruction_loss(half, half, mask), flow_loss(half[:, :2], half[:, :2], mask), ssim_loss(half, half),
                 gradient_loss(half, half), mask_loss(mask, half, half), warp_loss(half, half, mask)):
        assert term.dtype == torch.float32


def test_similarity_is_in_full_precision_under_an_autocast():
    """Variances are differences of nearly equal means: of 16-bit ones little is left."""
    real = 0.9 + 0.05 * picture()
    made = (real + 0.002 * picture(seed=2)).requires_grad_(True)
    told = []
    for bf16 in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = ssim_loss(made, real, luma=True)
        told.append((loss.detach(), *torch.autograd.grad(loss, made)))
    assert all(torch.equal(*pair) for pair in zip(*told))


def face(shift=(0.0, 0.0)):
    return torch.from_numpy(canonical_face()[:, :2].copy()).float()[None] + torch.tensor(shift)


def test_the_mouth_counts_five_times_the_eyes_two_and_a_half():
    points, size = face(), 128
    weight = mouth_weight(points, size)
    assert weight.shape == (1, 1, size, size) and weight.min() == 1 and weight.max() == 5

    def at(place):
        x, y = (place / 256 * size).long().tolist()
        return weight[0, 0, y, x].item()

    assert at(points[0, 60:68].mean(0)) == 5 and at(points[0, 36:42].mean(0)) == 2.5 and at(points[0, 42:48].mean(0)) == 2.5
    assert all(at(place) == 5 for place in points[0, 48:68]) and at(points[0, 27]) < 2.5
    assert weight[0, 0, 0, 0] == 1 and 1 < weight.mean() < 1.8


def test_weights_have_soft_edges_and_follow_the_face():
    points, size = face(), 256
    weight = mouth_weight(points, size)
    assert weight.diff(dim=-1).abs().max() < 0.5 and weight.diff(dim=-2).abs().max() < 0.5      # 4 in 10 pixels
    moved = mouth_weight(face((16.0, -8.0)), size)
    assert torch.allclose(moved[..., :-8, 16:], weight[..., 8:, :-16], atol=1e-4)
    both = mouth_weight(torch.cat([face(), face((16.0, -8.0))]), size)
    assert torch.equal(both, torch.cat([weight, moved]))
    assert torch.allclose(F.avg_pool2d(weight, 2), mouth_weight(points, 128), atol=0.15)


def test_weights_need_the_68_landmarks():
    with pytest.raises(ValueError, match=r"\(B, 68, 2 or 3\), got \[1, 67, 2\]"):
        mouth_weight(torch.zeros(1, 67, 2), 32)
