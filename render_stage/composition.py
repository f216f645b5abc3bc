"""The non-linear composition: a picture grown from the appearance, modulated in every layer by the warped key frame, the
warped reference and the target's landmarks, each through a SPADE block of its own, summed.

Shapes: B samples, C channels, H W pixels of a level; level 0 is the canvas over `patch`, each next one half of it.
Source: Rhythmic Head section 4.3, equations 5 and 6, figure 5; facts 2.7. Ours: the last layer adds to the warped pictures
put together by their masks (`anchored`), so that what is already right need not be drawn again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from render_stage.layers import SLOPE, Unit, convolution, resized

RESIDUAL = 0.5          # the most that an anchored composition adds to a colour, of 1


@dataclass(frozen=True)
class CompositionSettings:
    """Size and form of the composition."""

    channels: tuple[int, ...] = (32, 64, 128, 256, 512, 1024)   # per level, the canvas first
    condition: tuple[int, ...] = (32, 64, 128, 256, 512, 1024)  # of each warped picture's encoder
    label: tuple[int, ...] = (32, 64, 128, 256, 512, 1024)      # of the target's landmarks
    patch: int = 1                  # so many by so many pixels of the canvas are channels of one place; published: 1
    label_stride: int = 1           # landmark images are smaller than level 0 by so much
    adaptive: tuple[int, ...] = (0, 1, 2, 3)    # levels whose landmark SPADE has weights written by the fusion network
    hidden: int = 128               # of the rows' networks that write them
    anchored: bool = False          # published: the whole picture is drawn
    modulated: bool = True          # by the warped pictures; False is the image-matting form of the ablation
    spectral: bool = True

    def __post_init__(self):
        lengths = {len(self.channels), len(self.condition), len(self.label)}
        if len(lengths) != 1 or not set(self.adaptive) < set(range(len(self.channels))):
            raise ValueError(f"channels, condition and label must be as long and adaptive name their levels, got {lengths} and "
                             f"{self.adaptive}")


class PictureEncoder(nn.Module):
    """Features of a warped picture and its mask at every level."""

    def __init__(self, inside: int, channels: Sequence[int], *, spectral: bool):
        super().__init__()
        self.units = nn.ModuleList(Unit(a, b, stride=1 if level == 0 else 2, spectral=spectral)
                                   for level, (a, b) in enumerate(zip((inside, *channels), channels)))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, inside, H, W) to (B, C, H / 2^level, W / 2^level) of every level."""
        levels = []
        for unit in self.units:
            x = unit(x)
            levels.append(x)
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

    def forward(self, x: Tensor, matrix: Tensor) -> Tensor:
        """(B, inside, H, W) and a matrix (B, inside, row) to (B, outside, H, W): one matrix product per sample."""
        weights = self.own + self.rows(matrix + self.place)             # (B, inside, outside)
        made = torch.baddbmm(self.bias[:, None], weights.transpose(1, 2), x.flatten(2))     # (B, outside, H W)
        return made.unflatten(2, x.shape[2:])


class ParallelSpade(nn.Module):
    """Normalised x, scaled and shifted by three conditions side by side, their sum: x (1 + sum scale_i) + sum shift_i."""

    def __init__(self, channels: int, condition: int, label: int, *, written: int | None, hidden: int, modulated: bool):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.pictures = convolution(2 * condition, 2 * channels, kernel=1) if modulated else None   # both SPADEs at once
        self.label = (convolution(label, 2 * channels, kernel=1) if written is None
                      else WrittenWeights(written, label, 2 * channels, hidden=hidden))

    def forward(self, x: Tensor, pictures: Tensor, label: Tensor, matrix: Tensor | None) -> Tensor:
        """x (B, C, H, W) under both pictures' features (B, 2 condition, H, W) and the landmarks' (B, label, H, W)."""
        told = self.label(label) if matrix is None else self.label(label, matrix)       # (B, 2C, H, W)
        if self.pictures is not None:
            told = told + self.pictures(pictures)
        scale, shift = told.chunk(2, 1)
        return torch.addcmul(shift, self.norm(x), 1 + scale)


class SpadeBlock(nn.Module):
    """The residual block of a level."""

    def __init__(self, inside: int, outside: int, condition: int, label: int, *, written: int | None, hidden: int,
                 modulated: bool, spectral: bool):
        super().__init__()
        spade = {"condition": condition, "label": label, "written": written, "hidden": hidden, "modulated": modulated}
        self.first_spade, self.second_spade = (ParallelSpade(width, **spade) for width in (inside, outside))
        self.first = convolution(inside, outside, spectral=spectral)
        self.second = convolution(outside, outside, spectral=spectral)
        self.around_spade = ParallelSpade(inside, **spade) if inside != outside else None
        self.around = convolution(inside, outside, kernel=1, spectral=spectral) if inside != outside else None

    def forward(self, x: Tensor, *conditions: Tensor | None) -> Tensor:
        """(B, inside, H, W) to (B, outside, H, W)."""
        around = x if self.around is None else self.around(self.around_spade(x, *conditions))
        x = self.first(F.leaky_relu(self.first_spade(x, *conditions), SLOPE, inplace=True))
        return around + self.second(F.leaky_relu(self.second_spade(x, *conditions), SLOPE, inplace=True))


class Composition(nn.Module):
    """From the appearance at the bottom to the picture."""

    def __init__(self, settings: CompositionSettings, *, appearance: int, written: Sequence[int], shown: int):
        """`appearance` channels at the bottom; `written`: rows of the fusion matrices of the adaptive levels; `shown`: channels
        of a warped picture with its masks."""
        super().__init__()
        self.settings = settings
        channels, spectral = settings.channels, settings.spectral
        patch = settings.patch**2
        self.encoders = nn.ModuleList(PictureEncoder(shown * patch, settings.condition, spectral=spectral) for _ in range(2))
        finest = int(settings.label_stride).bit_length() - 1            # level at which landmark images have their size
        self.label = PictureEncoder(1, settings.label[finest:], spectral=spectral)
        self.finer_label = nn.ModuleList(convolution(settings.label[finest], settings.label[level], kernel=1)
                                         for level in range(finest))
        self.bottom = convolution(appearance, channels[-1], kernel=1)
        rows = dict(zip(settings.adaptive, written, strict=True))
        self.blocks = nn.ModuleList(
            SpadeBlock(channels[min(level + 1, len(channels) - 1)], channels[level], settings.condition[level],
                       settings.label[level], written=rows.get(level), hidden=settings.hidden, modulated=settings.modulated,
                       spectral=spectral)
            for level in range(len(channels)))
        self.head = convolution(channels[0], 3 * patch)
        nn.init.normal_(self.head.weight, std=0.002 if settings.anchored else 0.05)
        nn.init.zeros_(self.head.bias)

    def labels(self, lines: Tensor) -> list[Tensor]:
        """Landmark features of every level."""
        made = self.label(lines)
        finer = [resized(layer(made[0]), made[0].shape[-1] * self.settings.label_stride // 2**level)
                 for level, layer in enumerate(self.finer_label)]
        return finer + made

    def forward(self, bottom: Tensor, warped: Sequence[Tensor], lines: Tensor, matrices: Sequence[Tensor],
                anchor: Tensor) -> Tensor:
        """The picture (B, 3, H, W) in [0, 1].

        From the appearance `bottom`, two warped pictures with masks (B, shown, H, W), landmark images, the adaptive levels'
        matrices, and the warped pictures put together (B, 3, H, W).
        """
        drawn = self.drawn(bottom, warped, lines, matrices)
        return anchor + RESIDUAL * torch.tanh(drawn) if self.settings.anchored else torch.sigmoid(drawn)

    def drawn(self, bottom: Tensor, warped: Sequence[Tensor], lines: Tensor, matrices: Sequence[Tensor]) -> Tensor:
        """What the last layer says (B, 3, H, W), before it is made a colour."""
        packed = (F.pixel_unshuffle(one, self.settings.patch) for one in warped)            # (B, shown patch^2, H, W)
        pictures = [torch.cat(pair, 1) for pair in zip(*(encoder(one) for encoder, one in zip(self.encoders, packed)))]
        labels, written = self.labels(lines), dict(zip(self.settings.adaptive, matrices))
        x = self.bottom(bottom)
        for level in reversed(range(len(self.blocks))):
            side = pictures[level].shape[-1]
            if x.shape[-1] != side:
                x = F.interpolate(x, size=(side, side), mode="nearest")
            x = self.blocks[level](x, pictures[level], labels[level], written.get(level))
        return F.pixel_shuffle(self.head(F.leaky_relu(x, SLOPE)), self.settings.patch)      # (B, 3, canvas, canvas)
