"""The 1-D ConvNeXt block of all networks over time.

Shapes: B items, C channels, T steps. Source: method/ms_sync.md#syncers (depthwise, norm, times four, GELU after the sum).
"""

import torch
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


class ConvNextStream:
    """A block over one sequence that arrives in pieces: each step comes out once, as soon as all that its kernel sees is in.

    Together the pieces equal the block's own answer to the whole sequence, without the last steps, which wait for what
    follows. Pointwise layers run as matrix products over (steps, channels): for a few steps several times faster than
    convolutions. ValueError for a block whose norm or layers do not work step by step.
    """

    def __init__(self, block: ConvNextBlock):
        if not isinstance(block.norm, StepNorm) or block.widen.groups != 1:
            raise ValueError("only a block with per_step=True and groups=1 can be streamed")
        self.block = block
        self.kernel, self.stride = block.depthwise.kernel_size[0], block.depthwise.stride[0]
        self._kept = block.depthwise.weight.new_zeros(self.kernel // 2, block.depthwise.in_channels)    # its zero padding

    def push(self, x: Tensor) -> Tensor:
        """The new steps (n', C') that can be made after the steps (n, C)."""
        window = torch.cat([self._kept, x])                                                 # (m, C)
        count = max((len(window) - self.kernel) // self.stride + 1, 0)
        self._kept = window[count * self.stride :].clone()
        return self._answer(window, count)

    def _answer(self, window: Tensor, count: int) -> Tensor:
        block = self.block
        if not count:
            return window.new_zeros(0, block.narrow.out_channels)
        span = self.stride * (count - 1) + 1
        weight = block.depthwise.weight[:, 0].T                                             # (kernel, C)
        y = block.depthwise.bias.expand(count, -1)                                          # (n', C)
        for place in range(self.kernel):
            y = torch.addcmul(y, window[place : place + span : self.stride], weight[place])
        y = F.gelu(_pointwise(block.widen, _normed(block.norm, y)))
        x = window[self.kernel // 2 :][: span : self.stride]
        if not isinstance(block.identity, nn.Identity):
            x = _normed(block.identity[1], _pointwise(block.identity[0], x))
        return block.activate(x + _pointwise(block.narrow, y))  # (n', C')


def _pointwise(layer: nn.Conv1d, x: Tensor) -> Tensor:
    return F.linear(x, layer.weight[:, :, 0], layer.bias)  # (n, C')


def _normed(norm: nn.GroupNorm, x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps)  # (n, C), one group of channels
