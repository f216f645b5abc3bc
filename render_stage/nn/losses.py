"""What a rendered picture is told, each term a named, unweighted scalar; weights are applied once, in training.

Shapes: B pictures, H W pixels, L = 68 landmarks, R regions of the face. Pictures are (B, 3, H, W) in [0, 1], maps (B, 1, H,
W), flows (B, 2, H, W) in pixels. Terms are computed in float32 whatever the pictures are.
Source: Rhythmic Head section 4.3, method/rhythmic_head.md#losses-and-optimisation,
method/decisions.md#mesh-and-flow-teacher, method/decisions.md#networks-of-others; SSIM is Wang et al. 2004.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from headsync.experiment import process_mean
from headsync.experiment.precision import in_float32
from headsync.landmarks import GROUPS
from headsync.landmarks.detection import CANVAS_PX

WINDOW, SIGMA, K1, K2 = 11, 1.5, 0.01, 0.03     # of SSIM, as in `headsync/metrics/image.py`
GOOD_WARP = 0.005       # squared colour distance that is half trusted: published as 0.02 for pictures in [-1, 1]
LUMA = (0.299, 0.587, 0.114)
# Landmarks of a box that counts more than the rest, how much more, and its margin as a share of the box's width
REGIONS = (("mouth", 5.0, 0.15), ("right_eye", 2.5, 0.3), ("left_eye", 2.5, 0.3))
EDGE_SHARE = 0.04       # of the canvas: over which a box fades out
NOTHING = 1e-6


def reconstruction_loss(made: Tensor, real: Tensor, weight: Tensor) -> Tensor:
    """sum w |made - real| / sum w, over colours too: an L1 in which `weight` (B, 1, H, W) counts some pixels more."""
    return _masked(made - real, weight)


def warp_loss(warped: Tensor, real: Tensor, mask: Tensor) -> Tensor:
    """sum m |warped - real| / sum m where the mask (B, 1, H, W) says that a warped picture can be right; 0 for no pixel."""
    return _masked(warped - real, mask)


def flow_loss(flow: Tensor, teacher: Tensor, visible: Tensor) -> Tensor:
    """sum v |flow - teacher| / sum v in pixels, both coordinates, where `visible` (B, 1, H, W) is 1; 0 for no pixel.

    The teacher is the face mesh's correspondence: exact where both frames show the skin, unknown elsewhere.
    """
    return _masked(flow - teacher, visible)


def _masked(difference: Tensor, mask: Tensor) -> Tensor:
    """sum m |d| / (channels * sum m); 0 where the mask is empty. Where m is 0, d may be anything, NaN too.

    Of several processes sum m is the mean of all: the mean of their results is then that of the whole batch.
    """
    mask = mask.float()
    apart = torch.where(mask > 0, difference.float(), 0.0).abs()                    # (B, C, H, W)
    return (mask * apart).sum() / (difference.shape[1] * process_mean(mask.sum())).clamp(min=NOTHING)


def mask_loss(mask: Tensor, warped: Tensor, real: Tensor) -> Tensor:
    """mean |mask - target|, target = 1 - 2^(-d / 0.005), d the squared colour distance of warped and real picture.

    The mask (B, 1, H, W), 0 to 1, says where the warped picture is not to be used: it goes to 0 where that is good and to 1
    elsewhere. Published with a step at 0.005 (0.02 in [-1, 1]); here the target passes 1/2 there. Gradients reach the mask.
    """
    distance = (warped.float() - real.float()).square().sum(1, keepdim=True).detach()   # (B, 1, H, W)
    return (mask.float() - (1 - torch.exp2(-distance / GOOD_WARP))).abs().mean()


def gradient_loss(made: Tensor, real: Tensor) -> Tensor:
    """mean |d/dx (made - real)| + mean |d/dy (made - real)| of neighbouring pixels: 0 also for a wrong brightness."""
    apart = made.float() - real.float()
    return apart.diff(dim=-1).abs().mean() + apart.diff(dim=-2).abs().mean()


@in_float32
def ssim_loss(made: Tensor, real: Tensor, *, luma: bool = False, halved: bool = False) -> Tensor:
    """1 - SSIM, a scalar from 0 (equal) to 2: Gaussian window 11 x 11 of sigma 1.5, its borders left out.

    SSIM = (2 m_x m_y + c1)(2 s_xy + c2) / ((m_x^2 + m_y^2 + c1)(s_x^2 + s_y^2 + c2)), the mean of R, G and B, or of `luma`
    alone at a third of the price; `halved` compares pictures at half their size, a quarter of the price. ValueError for sides
    under 11 pixels then.
    """
    pair = torch.stack([made, real]).float()                                        # (2, B, 3, H, W)
    if luma:
        pair = (pair * pair.new_tensor(LUMA)[:, None, None]).sum(2, keepdim=True)   # (2, B, 1, H, W)
    if halved:
        pair = F.avg_pool2d(pair.flatten(0, 1), 2).unflatten(0, pair.shape[:2])     # (2, B, C, H / 2, W / 2)
    if min(pair.shape[-2:]) < WINDOW:
        raise ValueError(f"SSIM needs sides of {WINDOW} pixels or more, got {[*pair.shape[-2:]]}; give larger pictures")
    x, y = pair
    means = _blurred(torch.cat([x, y, x * x + y * y, x * y], dim=1))
    mean_x, mean_y, squares, product = means.chunk(4, dim=1)                        # (B, C, H - 10, W - 10) each
    common, power = mean_x * mean_y, mean_x.square() + mean_y.square()
    alike = (2 * common + K1**2) * (2 * (product - common) + K2**2)
    return 1 - (alike / ((power + K1**2) * (squares - power + K2**2))).mean()


def _blurred(maps: Tensor) -> Tensor:
    """Gaussian means (B, C, H - 10, W - 10) of maps (B, C, H, W): down, then across."""
    place = torch.arange(WINDOW, device=maps.device, dtype=maps.dtype) - WINDOW // 2
    gauss = torch.exp(-place.square() / (2 * SIGMA**2))
    kernel = (gauss / gauss.sum()).expand(maps.shape[1], 1, 1, WINDOW)
    across = F.conv2d(maps, kernel, groups=maps.shape[1])
    return F.conv2d(across, kernel.transpose(2, 3), groups=maps.shape[1])


def mouth_weight(points: Tensor, size: int) -> Tensor:
    """How much each pixel counts (B, 1, size, size), from landmarks (B, 68, D) in canvas units of 256.

    5 in the mouth's box, 2.5 in the eyes', falling to 1 within a twenty-fifth of the canvas; the mean is not 1. ValueError
    for other points.
    """
    if points.ndim != 3 or points.shape[1] != 68 or points.shape[2] < 2:
        raise ValueError(f"landmarks must be (B, 68, 2 or 3), got {[*points.shape]}")
    flat = points[..., :2].detach().float() / CANVAS_PX                             # (B, L, 2) canvas shares
    low = torch.stack([flat[:, list(GROUPS[name])].amin(1) for name, _, _ in REGIONS], dim=1)       # (B, R, 2)
    high = torch.stack([flat[:, list(GROUPS[name])].amax(1) for name, _, _ in REGIONS], dim=1)
    margin = flat.new_tensor([share for _, _, share in REGIONS])[:, None] * (high - low)[..., :1]   # (B, R, 1)
    centre = (torch.arange(size, device=points.device) + 0.5) / size                # (size,) canvas shares
    outside = torch.maximum((low - margin)[..., None] - centre, centre - (high + margin)[..., None])    # (B, R, 2, size)
    across, down = (1 - outside / EDGE_SHARE).clamp(0, 1).unbind(2)                 # (B, R, size) each
    more = flat.new_tensor([weight - 1 for _, weight, _ in REGIONS])[:, None, None]
    return 1 + (more * down[..., :, None] * across[..., None, :]).amax(1, keepdim=True)     # (B, 1, size, size)
