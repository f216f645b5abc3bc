"""Convolutions whose weights a style scales, StyleGAN2's with demodulation and AdaIN's beside it.

Shapes: B pictures, C channels, D numbers of a style, H W pixels.
Source: PC-AVS section 3.3 and equation 4, method/pc_avs.md#networks; Karras et al. 2020 (the root that equation 4 has lost).
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from render_stage.nn.layers import SLOPE

EPSILON = 1e-8
Modulation = Literal["demodulated", "adain"]


class ModulatedConvolution(nn.Module):
    """A convolution whose input channels a style scales; `demodulated`, every output channel is brought to unit size.

    The style scales what goes in and its norm divides what comes out: the same numbers as with weights of its own for every
    sample, in one convolution of the whole batch.
    """

    def __init__(self, inside: int, outside: int, style: int, *, kernel: int = 3, demodulated: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outside, inside, kernel, kernel))
        self.scale = (inside * kernel**2) ** -0.5       # equalised learning rate: the stored weights have deviation 1
        self.style, self.demodulated = EqualisedLinear(style, inside, bias=1.0), demodulated

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, outside, H, W) of (B, inside, H, W) and styles (B, D)."""
        gains, weight = self.style(style).float(), self.scale * self.weight                 # (B, inside)
        made = F.conv2d(x * gains[:, :, None, None].to(x.dtype), weight, padding=weight.shape[-1] // 2)
        if not self.demodulated:
            return made
        norm = gains.square() @ weight.float().square().sum((2, 3)).T                       # (B, outside)
        return made * torch.rsqrt(norm + EPSILON)[:, :, None, None].to(made.dtype)


class NormalisedConvolution(nn.Module):
    """AdaIN: a convolution, then instance norm whose gain and shift come from the style."""

    def __init__(self, inside: int, outside: int, style: int):
        super().__init__()
        self.convolution = nn.Conv2d(inside, outside, 3, padding=1)
        self.norm = nn.InstanceNorm2d(outside)
        self.gain, self.shift = EqualisedLinear(style, outside, bias=1.0), EqualisedLinear(style, outside)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, outside, H, W) of (B, inside, H, W) and styles (B, D)."""
        gain, shift = (layer(style)[:, :, None, None] for layer in (self.gain, self.shift))
        return self.norm(self.convolution(x)) * gain + shift


class EqualisedLinear(nn.Module):
    """A linear layer whose stored weights have deviation 1 and whose outputs begin at `bias`."""

    def __init__(self, inside: int, outside: int, *, bias: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outside, inside))
        self.bias = nn.Parameter(torch.full((outside,), bias))
        self.scale = inside**-0.5

    def forward(self, x: Tensor) -> Tensor:
        """(B, outside) of (B, inside)."""
        return F.linear(x, self.scale * self.weight, self.bias)


class StyledLayer(nn.Module):
    """A styled convolution, noise of a learned size in training, a bias and a leaky rectifier."""

    def __init__(self, inside: int, outside: int, style: int, modulation: Modulation):
        super().__init__()
        kind = ModulatedConvolution if modulation == "demodulated" else NormalisedConvolution
        self.convolution = kind(inside, outside, style)
        self.noise = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outside))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, outside, H, W) of (B, inside, H, W) and styles (B, D). Without noise in evaluation."""
        x = self.convolution(x, style)
        if self.training:
            x = x + self.noise.to(x.dtype) * torch.randn_like(x[:, :1])
        return F.leaky_relu(x + self.bias[:, None, None].to(x.dtype), SLOPE) * 2**0.5


class ToColours(nn.Module):
    """Colours of features: a modulated 1x1 convolution that is not demodulated."""

    def __init__(self, inside: int, colours: int, style: int):
        super().__init__()
        self.convolution = ModulatedConvolution(inside, colours, style, kernel=1, demodulated=False)
        self.bias = nn.Parameter(torch.zeros(colours))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, colours, H, W) of (B, inside, H, W) and styles (B, D)."""
        return self.convolution(x, style) + self.bias[:, None, None]
