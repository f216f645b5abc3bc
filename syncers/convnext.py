"""The 1-D ConvNeXt block of all networks over time.

Shapes: B items, C channels, T steps. Source: facts on MS-Sync's blocks (depthwise, norm, times four, GELU after the sum).
"""

import torch.nn.functional as F
from torch import Tensor, nn

EXPANSION = 4


class StepNorm(nn.GroupNorm):
    """Group normalisation of every step (B, C, T) by itself, so that what comes later changes nothing before."""

    def forward(self, x: Tensor) -> Tensor:
        """The same shape, each step's groups of channels at mean 0 and variance 1, then scaled and shifted."""
        B, C, T = x.shape
        flat = x.transpose(1, 2).reshape(B * T, C)                                              # (B * T, C)
        normed = F.group_norm(flat, self.num_groups, self.weight, self.bias, self.eps)          # (B * T, C)
        return normed.unflatten(0, (B, T)).transpose(1, 2)  # (B, C, T)


class ConvNextBlock(nn.Module):
    """x (B, C, T) -> (B, C', ceil(T / stride)): depthwise convolution, norm, two pointwise layers, GELU after the sum.

    With `groups`, channels are as many separate networks side by side, norm included. The norm is over all steps
    together, which suits windows, or over each by itself (`per_step`), which suits streams.
    """

    def __init__(self, channels: int, out_channels: int | None = None, *, kernel: int = 3, stride: int = 1,
                 groups: int = 1, expansion: int = EXPANSION, per_step: bool = False):
        super().__init__()
        out_channels = out_channels or channels
        self.depthwise = nn.Conv1d(channels, channels, kernel, stride, kernel // 2, groups=channels)
        norm = StepNorm if per_step else nn.GroupNorm
        self.norm = norm(groups, channels)
        self.widen = nn.Conv1d(channels, expansion * channels, 1, groups=groups)
        self.narrow = nn.Conv1d(expansion * channels, out_channels, 1, groups=groups)
        self.activate = nn.GELU()
        self.identity: nn.Module = nn.Identity()
        if stride != 1 or out_channels != channels:
            self.identity = nn.Sequential(nn.Conv1d(channels, out_channels, 1, stride, groups=groups),
                                          norm(groups, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """The block's answer (B, C', T')."""
        y = self.narrow(self.activate(self.widen(self.norm(self.depthwise(x)))))    # (B, C', T')
        return self.activate(self.identity(x) + y)
