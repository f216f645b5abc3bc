"""The non-linear composition: a picture grown from the appearance, modulated in every layer by the warped key frame, the
warped reference and the target's landmarks, each through a SPADE block of its own, summed.

Shapes: B samples, C channels, H W pixels of a level; level 0 is the canvas over `patch`, each next one half of it.
Source: Rhythmic Head section 4.3, equations 5 and 6, figure 5; method/rhythmic_head.md#composition. Ours: the last layer
adds to the warped pictures put together by their masks (`anchored`), so that what is already right need not be drawn again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from render_stage.nn.layers import SLOPE, Unit, convolution, drawn_patches, patch_convolution, resized

RESIDUAL = 0.5          # the most that an anchored composition adds to a colour, of 1


@dataclass(frozen=True)
class CompositionSettings:
    """Size and form of the composition."""

    channels: tuple[int, ...]       # per level, the canvas first
    condition: tuple[int, ...]      # of each warped picture's encoder
    label: tuple[int, ...]          # of the target's landmarks
    patch: int                      # so many by so many pixels of the canvas are channels of one place; published: 1
    label_stride: int               # landmark images are smaller than level 0 by so much
    adaptive: tuple[int, ...]       # levels whose landmark SPADE has weights written by the fusion network
    hidden: int                     # of the rows' networks that write them
    early: bool                     # blocks normalise and convolve before they enlarge: a quarter of the work of the first half
    anchored: bool                  # published: the whole picture is drawn
    modulated: bool                 # by the warped pictures; False is the image-matting form of the ablation
    spectral: bool

    def __post_init__(self):
        lengths = {len(self.channels), len(self.condition), len(self.label)}
        if len(lengths) != 1 or not set(self.adaptive) < set(range(len(self.channels))):
            raise ValueError(f"channels, condition and label must be as long and adaptive name their levels, got {lengths} and "
                             f"{self.adaptive}")


class PictureEncoder(nn.Module):
    """Features of a warped picture and its mask at every level."""

    def __init__(self, inside: int, channels: Sequence[int], *, patch: int = 1, spectral: bool):
        super().__init__()
        self.patch = patch
        self.units = nn.ModuleList(Unit(a, b, stride=1 if level == 0 else 2, spectral=spectral)
                                   for level, (a, b) in enumerate(zip((inside * patch**2, *channels), channels)))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, inside, patch H, patch W) to (B, C, H / 2^level, W / 2^level) of every level."""
        levels = [F.leaky_relu(patch_convolution(self.units[0].convolution, x, self.patch), SLOPE, inplace=True)]
        for unit in self.units[1:]:
            levels.append(unit(levels[-1]))
        return levels


class WrittenWeights(nn.Module):
    """Weights of a 1x1 convolution, a part of its own plus what rows of a product matrix say: one row per input channel."""

    def __init__(self, row: int, inside: int, outside: int, *, hidden: int):
        super().__init__()
        self.own = nn.Parameter(torch.randn(inside, outside) * (0.5 / inside**0.5))
        self.bias = nn.Parameter(torch.zeros(outside))
        self.rows = nn.Sequential(nn.Linear(row, hidden), nn.LeakyReLU(SLOPE), nn.Linear(hidden, hidden), nn.LeakyReLU(SLOPE),
                                  nn.Linear(hidden, outside))
        self.place = nn.Parameter(torch.randn(inside, row) * 0.1)       # tells the rows apart
        nn.init.zeros_(self.rows[-1].weight)
        nn.init.zeros_(self.rows[-1].bias)

    def forward(self, matrix: Tensor) -> Tensor:
        """The weights (B, inside, outside) that matrices (B, inside, row) write."""
        return self.own + self.rows(matrix + self.place)                # (B, inside, outside)


class ParallelSpade(nn.Module):
    """Normalised x, scaled and shifted by three conditions side by side, their sum: x (1 + sum scale_i) + sum shift_i.

    The three are 1x1 convolutions, so their sum is one of all conditions together: one matrix product instead of three.
    """

    def __init__(self, channels: int, condition: int, label: int, *, norm: nn.Module | None = None, written: int | None,
                 hidden: int, modulated: bool):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False) if norm is None else norm
        self.pictures = convolution(2 * condition, 2 * channels, kernel=1) if modulated else None   # both pictures' SPADEs
        self.label = (convolution(label, 2 * channels, kernel=1) if written is None
                      else WrittenWeights(written, label, 2 * channels, hidden=hidden))

    def forward(self, x: Tensor, conditions: Tensor, weights: tuple[Tensor, Tensor]) -> Tensor:
        """What `normal` gives (B, C, H, W) under conditions (B, H W, I): 1, pictures' features if they modulate, landmarks."""
        scale, shift = (torch.matmul(conditions, one) for one in weights)                   # (B, H W, C)
        places = x.permute(0, 2, 3, 1).flatten(1, 2)                                        # (B, H W, C)
        return torch.addcmul(shift, places, scale).unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)        # (B, C, H, W)

    def normal(self, x: Tensor) -> Tensor:
        """Normalised x (B, C, H, W) in training; x itself in evaluation, when `weights` hold what the norm does."""
        return self.norm(x) if self.norm.training else x

    def weights(self, matrix: Tensor | None) -> tuple[Tensor, Tensor]:
        """Weights of the scale and of the shift, (B or 1, I, C) each, of all conditions; a matrix writes the landmarks'."""
        label = self.label.weight.flatten(1).T[None] if matrix is None else self.label(matrix)     # (B or 1, label, 2C)
        C = label.shape[2] // 2
        bias = torch.cat([self.label.bias[:C] + 1, self.label.bias[C:]])
        parts = [bias[None], label]
        if self.pictures is not None:
            parts = [(bias + self.pictures.bias)[None], self.pictures.weight.flatten(1).T, label]
        scale, shift = torch.cat([one.expand(len(label), *one.shape[-2:]) for one in parts], 1).chunk(2, 2)
        if not self.norm.training:
            spread = torch.rsqrt(self.norm.running_var + self.norm.eps)                     # (C,)
            scale, shift = scale * spread, shift - scale * (self.norm.running_mean * spread)
        return scale.contiguous(), shift.contiguous()


class Shown(NamedTuple):
    """What modulates a block at one level."""

    side: int                   # of the level
    conditions: Tensor          # (B, side^2, I): 1, features of both pictures if they modulate, landmarks


class BlockWeights(NamedTuple):
    """Of a block's SPADEs, scales and shifts (B or 1, I, C)."""

    first: tuple[Tensor, Tensor]
    second: tuple[Tensor, Tensor]
    around: tuple[Tensor, Tensor] | None


class SpadeBlock(nn.Module):
    """The residual block of a level: from a coarser one to twice its side, except at the bottom.

    It normalises before it enlarges: statistics are the same, and a quarter of the work.
    """

    def __init__(self, inside: int, outside: int, first: dict, second: dict, *, spectral: bool):
        """`first` and `second` are what the SPADEs before the two convolutions are made with."""
        super().__init__()
        self.first_spade, self.second_spade = ParallelSpade(inside, **first), ParallelSpade(outside, **second)
        self.first = convolution(inside, outside, spectral=spectral)
        self.second = convolution(outside, outside, spectral=spectral)
        self.around_spade = ParallelSpade(inside, norm=self.first_spade.norm, **first) if inside != outside else None
        self.around = convolution(inside, outside, kernel=1, spectral=spectral) if inside != outside else None

    def weights(self, first: Tensor | None, second: Tensor | None) -> BlockWeights:
        """What the matrices of the levels of its two halves make of its SPADEs."""
        around = self.around_spade.weights(first) if self.around_spade is not None else None
        return BlockWeights(self.first_spade.weights(first), self.second_spade.weights(second), around)

    def forward(self, x: Tensor, weights: BlockWeights, first: Shown, second: Shown) -> Tensor:
        """(B, inside, h, h) to (B, outside, side, side) of `second`; its first half works at the side of `first`."""
        normal = _enlarged(self.first_spade.normal(x), first.side)
        around = (_enlarged(x, first.side) if self.around is None else
                  self.around(self.around_spade(normal, first.conditions, weights.around)))
        x = self.first(F.leaky_relu(self.first_spade(normal, first.conditions, weights.first), SLOPE, inplace=True))
        around, x = _enlarged(around, second.side), _enlarged(x, second.side)
        x = self.second_spade(self.second_spade.normal(x), second.conditions, weights.second)
        return around + self.second(F.leaky_relu(x, SLOPE, inplace=True))


def _enlarged(x: Tensor, side: int) -> Tensor:
    return x if x.shape[-1] == side else F.interpolate(x, size=(side, side), mode="nearest")


def _shown(parts: Sequence[Tensor]) -> Shown:
    """Features (B, C, side, side) of a level, side by side behind a 1."""
    places = [one.permute(0, 2, 3, 1).flatten(1, 2) for one in parts]                       # (B, side^2, C) each
    return Shown(parts[0].shape[-1], torch.cat([places[0].new_ones(*places[0].shape[:2], 1), *places], 2))


class Composition(nn.Module):
    """From the appearance at the bottom to the picture."""

    def __init__(self, settings: CompositionSettings, *, appearance: int, written: Sequence[int], shown: int):
        """`appearance` channels at the bottom; `written`: rows of the fusion matrices of the adaptive levels; `shown`: channels
        of a warped picture with its masks."""
        super().__init__()
        self.settings = settings
        channels, spectral = settings.channels, settings.spectral
        self.encoders = nn.ModuleList(PictureEncoder(shown, settings.condition, patch=settings.patch, spectral=spectral)
                                      for _ in range(2 if settings.modulated else 0))
        finest = int(settings.label_stride).bit_length() - 1            # level at which landmark images have their size
        self.label = PictureEncoder(1, settings.label[finest:], spectral=spectral)
        self.finer_label = nn.ModuleList(convolution(settings.label[finest], settings.label[level], kernel=1)
                                         for level in range(finest))
        self.bottom = convolution(appearance, channels[-1], kernel=1)
        rows = dict(zip(settings.adaptive, written, strict=True))
        spades = [{"condition": condition, "label": label, "written": rows.get(level), "hidden": settings.hidden,
                   "modulated": settings.modulated}
                  for level, (condition, label) in enumerate(zip(settings.condition, settings.label))]
        self.blocks = nn.ModuleList(
            SpadeBlock(channels[min(level + 1, len(channels) - 1)], channels[level], spades[self._first_level(level)],
                       spades[level], spectral=spectral)
            for level in range(len(channels)))
        self.head = convolution(channels[0], 3 * settings.patch**2)
        nn.init.normal_(self.head.weight, std=0.002 if settings.anchored else 0.05)
        nn.init.zeros_(self.head.bias)

    def _first_level(self, level: int) -> int:
        """The level at which a block's first half works."""
        return min(level + 1, len(self.settings.channels) - 1) if self.settings.early else level

    def labels(self, lines: Tensor) -> list[Tensor]:
        """Landmark features of every level."""
        made = self.label(lines)
        finer = [resized(layer(made[0]), made[0].shape[-1] * self.settings.label_stride // 2**level)
                 for level, layer in enumerate(self.finer_label)]
        return finer + made

    def weights(self, matrices: Sequence[Tensor]) -> list[BlockWeights]:
        """Of every block, from the adaptive levels' matrices (B, F, F): an appearance decides them, a target does not."""
        written = dict(zip(self.settings.adaptive, matrices))
        return [block.weights(written.get(self._first_level(level)), written.get(level))
                for level, block in enumerate(self.blocks)]

    def forward(self, bottom: Tensor, warped: Sequence[Tensor], lines: Tensor, weights: Sequence[BlockWeights],
                anchor: Tensor) -> Tensor:
        """The picture (B, 3, H, W) in [0, 1].

        From the appearance `bottom`, two warped pictures with masks (B, shown, H, W), landmark images, all blocks' weights and
        the warped pictures put together (B, 3, H, W).
        """
        drawn = self.drawn(bottom, warped, lines, weights)
        return torch.add(anchor, torch.tanh(drawn), alpha=RESIDUAL) if self.settings.anchored else torch.sigmoid(drawn)

    def drawn(self, bottom: Tensor, warped: Sequence[Tensor], lines: Tensor, weights: Sequence[BlockWeights]) -> Tensor:
        """What the last layer says (B, 3, H, W), before it is made a colour."""
        shown = [self.labels(lines)]
        if self.settings.modulated:
            shown = [*(encoder(one) for encoder, one in zip(self.encoders, warped)), *shown]
        seen = [_shown(parts) for parts in zip(*shown)]
        x = self.bottom(bottom)
        for level in reversed(range(len(self.blocks))):
            x = self.blocks[level](x, weights[level], seen[self._first_level(level)], seen[level])
        return drawn_patches(self.head, F.leaky_relu(x, SLOPE), self.settings.patch)        # (B, 3, canvas, canvas)
