"""The pieces that the renderer's networks share: convolutions with a leaky rectifier, residual blocks, warping.

Shapes: B samples, C channels, H W pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2     # of the leaky rectifier, on the negative side
VECTOR = 8      # floats that processors work on at once


def convolution(inside: int, outside: int, *, kernel: int = 3, stride: int = 1, spectral: bool = False) -> nn.Conv2d:
    """A convolution that keeps the size, or halves it with stride 2; `spectral` bounds its norm as published."""
    kind = Pointwise if kernel == 1 else OneChannel if inside == 1 and kernel == 3 else nn.Conv2d
    made = kind(inside, outside, kernel, stride, kernel // 2)
    return spectral_norm(made) if spectral else made


class Pointwise(nn.Conv2d):
    """A 1x1 convolution as one matrix product over channels that lie last in memory: on a CPU several times faster."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) to (B, outside, H, W)."""
        return F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


class OneChannel(nn.Conv2d):
    """A 3x3 convolution of one channel as one of 5x5 with a border of zeros: for larger kernels only torch has a fast way."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) to (B, outside, H / stride, W / stride)."""
        return F.conv2d(x, F.pad(self.weight, (1, 1, 1, 1)), self.bias, self.stride, padding=2)


def patch_convolution(layer: nn.Conv2d, x: Tensor, patch: int) -> Tensor:
    """A 3x3 convolution of the patches of x (B, C, H, W), each `patch` by `patch` pixels and C patch^2 channels of one place.

    Equal to `layer(F.pixel_unshuffle(x, patch))`, in one convolution of the pixels themselves.
    """
    if patch == 1:
        return layer(x)
    weight = layer.weight.unflatten(1, (-1, patch, patch)).permute(0, 1, 4, 2, 5, 3)        # (O, C, 3, patch, 3, patch)
    weight = weight.flatten(4).flatten(2, 3).contiguous(memory_format=torch.channels_last)  # (O, C, 3 patch, 3 patch)
    return F.conv2d(x.contiguous(memory_format=torch.channels_last), weight, layer.bias, stride=patch, padding=patch)


def drawn_patches(layer: nn.Conv2d, x: Tensor, patch: int) -> Tensor:
    """A 3x3 convolution of x (B, C, H, W) that says colours of patches: (B, colours, patch H, patch W).

    Equal to `F.pixel_shuffle(layer(x), patch)`, but channels come out of the convolution in the order in which they lie in the
    picture and as many as vectors are wide, which is half the time on a CPU.
    """
    colours = layer.out_channels // patch**2
    order = torch.arange(layer.out_channels, device=x.device).view(colours, -1).T.flatten()     # by row, column, colour
    missing = -layer.out_channels % VECTOR
    weight, bias = F.pad(layer.weight[order], (0, 0) * 3 + (0, missing)), F.pad(layer.bias[order], (0, missing))
    output = F.conv2d(x, weight.contiguous(memory_format=torch.channels_last), bias, padding=1).permute(0, 2, 3, 1)
    output = output[..., : len(order)].unflatten(3, (patch, patch * colours)).transpose(2, 3) # (B, H, patch, W, patch colours)
    return output.reshape(len(x), patch * x.shape[2], patch * x.shape[3], colours).permute(0, 3, 1, 2)


class Unit(nn.Module):
    """Convolution, leaky rectifier."""

    def __init__(self, inside: int, outside: int, *, stride: int = 1, spectral: bool = False):
        super().__init__()
        self.convolution = convolution(inside, outside, stride=stride, spectral=spectral)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) to (B, outside, H / stride, W / stride)."""
        return F.leaky_relu(self.convolution(x), SLOPE, inplace=True)


class Residual(nn.Module):
    """x plus two convolutions of it."""

    def __init__(self, channels: int, *, spectral: bool = False):
        super().__init__()
        self.first, self.second = (convolution(channels, channels, spectral=spectral) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W)."""
        return x + self.second(F.leaky_relu(self.first(F.leaky_relu(x, SLOPE)), SLOPE, inplace=True))


def warp(picture: Tensor, displacement: Tensor, corner: tuple[int, int] = (0, 0)) -> Tensor:
    """The picture (B, C, H, W) seen at places plus their displacement (B, 2, h, w), in pixels; its border is repeated.

    The places are the centres of the picture's pixels, from row and column `corner` on: all, or those of a part. A displacement
    of zero is the identity, to rounding. Bilinear, on a 2-D grid (method/rhythmic_head.md#composition).
    """
    H, W = picture.shape[2:]
    rows, columns = (torch.arange(side, device=picture.device, dtype=displacement.dtype) + (0.5 + start)
                     for side, start in zip(displacement.shape[2:], corner))
    places = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)                  # (h, w, 2)
    grid = (displacement.permute(0, 2, 3, 1) + places) * displacement.new_tensor([2 / W, 2 / H]) - 1
    return F.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=False)


def resized(x: Tensor, side: int) -> Tensor:
    """(B, C, side, side): averaged when it becomes smaller by a whole factor, bilinear when larger."""
    if x.shape[-1] == side:
        return x
    if x.shape[-1] > side:
        return F.avg_pool2d(x, x.shape[-1] // side)
    return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)
