"""The time pyramid: the same motion, or the same sound, at half the rate again and again.

Shapes: B clips, T time steps, D features. Source: MS-Sync section 3.1; method/ms_sync.md#pyramids: 7 taps, factor 2,
reflected ends.
"""

import torch.nn.functional as F
from torch import Tensor

PYRAMID_TAPS = 7
PYRAMID_FACTOR = 2
LEVELS = 4


def halve_rate(x: Tensor) -> Tensor:
    """x (B, T, D) after a centred box of 7 taps with reflected ends, every second step kept: (B, ceil(T / 2), D).

    ValueError under 4 steps, which cannot be reflected three deep.
    """
    reach = PYRAMID_TAPS // 2
    if x.ndim != 3 or x.shape[1] <= reach:
        raise ValueError(f"a pyramid level needs (B, T, D) with at least {reach + 1} steps, got {tuple(x.shape)}")
    padded = F.pad(x.transpose(1, 2), (reach, reach), mode="reflect")           # (B, D, T + 6)
    return F.avg_pool1d(padded, PYRAMID_TAPS, PYRAMID_FACTOR).transpose(1, 2)   # (B, ceil(T / 2), D)


def time_pyramid(x: Tensor, *, levels: int = LEVELS) -> list[Tensor]:
    """x (B, T, D) and its halvings: `levels` tensors of T, ceil(T / 2), ... steps; gradients flow through all.

    Landmarks and feature rows go through the same filter, so rows stay four per landmark step (exactly so where T is a
    multiple of 2 ** (levels - 1)). ValueError when there are too few steps for the last level.
    """
    needed = PYRAMID_TAPS // 2 * PYRAMID_FACTOR ** (levels - 2) + 1     # by the last halving: 13 for 4 levels
    if levels > 1 and x.shape[1] < needed:
        raise ValueError(f"{levels} pyramid levels need at least {needed} steps, got {x.shape[1]}; use a longer clip")
    pyramid = [x]
    for _ in range(levels - 1):
        pyramid.append(halve_rate(pyramid[-1]))
    return pyramid
