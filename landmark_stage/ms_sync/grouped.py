"""Several small networks of one form run as one: the generator's branches, side by side in batched matrix products.

Shapes: G groups (networks), B clips, C features. Source: method/ms_sync.md#generator (a trunk of ConvNeXt blocks with kernel
1, groups = 4).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GroupedLinear(nn.Module):
    """G separate linear layers: (G, B, C) -> (G, B, C')."""

    def __init__(self, groups: int, inputs: int, outputs: int):
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(groups, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(groups, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Each group's layer on its own slice (G, B, C')."""
        return torch.baddbmm(self.bias, x, self.weight)  # (G, B, C')


class GroupedNorm(nn.Module):
    """G separate layer norms over the features of (G, B, C)."""

    def __init__(self, groups: int, size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(groups, 1, size))
        self.bias = nn.Parameter(torch.zeros(groups, 1, size))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape, each vector at mean 0 and variance 1, scaled and shifted by its group."""
        return torch.addcmul(self.bias, F.layer_norm(x, x.shape[-1:]), self.weight)


class GroupedBlock(nn.Module):
    """G separate ConvNeXt blocks of kernel 1: (G, B, C) -> (G, B, C'); a kernel of one step is a scale per feature."""

    def __init__(self, groups: int, inputs: int, outputs: int, *, expansion: int):
        super().__init__()
        self.depthwise_scale = nn.Parameter(torch.ones(groups, 1, inputs))
        self.depthwise_bias = nn.Parameter(torch.zeros(groups, 1, inputs))
        self.norm = GroupedNorm(groups, inputs)
        self.widen = GroupedLinear(groups, inputs, expansion * inputs)
        self.narrow = GroupedLinear(groups, expansion * inputs, outputs)
        self.identity: nn.Module = nn.Identity()
        if inputs != outputs:
            self.identity = nn.Sequential(GroupedLinear(groups, inputs, outputs), GroupedNorm(groups, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """GELU of the block's answer added to its input, (G, B, C')."""
        y = self.norm(torch.addcmul(self.depthwise_bias, x, self.depthwise_scale))
        return F.gelu(self.identity(x) + self.narrow(F.gelu(self.widen(y))))
