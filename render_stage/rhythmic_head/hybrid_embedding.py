"""K reference pictures become one appearance, weighted by how their landmarks match the target's, and write weights.

Shapes: B samples, K references, C channels, H W pixels of a level. Level 0 is the coarsest pictures' own size, each next
level half of it. Source: Rhythmic Head section 4.2, figure 4; method/rhythmic_head.md#hybrid-embedding. Ours: the gate and
the exchange look at every reference alone, so that the same weights serve any K and the order of references does not matter.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from render_stage.nn.layers import SLOPE, Unit, convolution, resized


@dataclass(frozen=True)
class EmbeddingSettings:
    """Size of the hybrid embedding."""

    stride: int                     # pictures are averaged by so much first; published: 1
    channels: tuple[int, ...]       # per level
    attention: int                  # level at which references are brought together
    fusion: tuple[int, ...]         # widths of the fusion network's levels that write weights, finest first
    finest: int                     # the level of the first of them
    hidden: int                     # of the fusion network's rows
    spectral: bool

    def __post_init__(self):
        if not 1 <= self.attention < len(self.channels) - 1 or self.finest + len(self.fusion) >= len(self.channels):
            raise ValueError(f"attention must be a level with others round it and fusion levels must lie above the last, got "
                             f"{self.attention}, {self.finest}, {len(self.fusion)} and {len(self.channels)} levels")


class References(NamedTuple):
    """What is constant for an identity."""

    keys: Tensor            # (B, K, C, H, W)
    pictures: Tensor        # (B, K, C, H, W), after the exchange
    lines: Tensor           # (B, K, C, H, W), after the exchange
    gated: Tensor           # (B, C, H, W): the ConvGate's, from pictures
    gated_lines: Tensor     # (B, C, H, W)


class Appearance(NamedTuple):
    """References brought together for a target."""

    bottom: Tensor              # (B, C, H, W) at the last level
    matrices: list[Tensor]      # (B, F, F) per fusion level, finest first
    attention: Tensor           # (B, K, C, H, W), sums to 1 over K


class Tower(nn.Sequential):
    """Convolutions from a level to a deeper one, each after the first halving the size."""

    def __init__(self, inside: int, channels: tuple[int, ...], *, spectral: bool, halve_first: bool = False):
        strides = [2 if index or halve_first else 1 for index in range(len(channels))]
        super().__init__(*(Unit(a, b, stride=stride, spectral=spectral)
                           for a, b, stride in zip((inside, *channels), channels, strides)))


class InformationExchange(nn.Module):
    """Pictures and lines of a reference see each other: a SPADE residual block on both, then one convolution each."""

    def __init__(self, channels: int, *, spectral: bool):
        super().__init__()
        self.norm = nn.BatchNorm2d(2 * channels, affine=False)
        self.scale, self.shift = (convolution(2 * channels, 2 * channels, kernel=1) for _ in range(2))
        self.first = convolution(2 * channels, channels, spectral=spectral)
        self.second = convolution(channels, channels, spectral=spectral)
        self.around = convolution(2 * channels, channels, kernel=1)
        self.to_picture, self.to_lines = (Unit(2 * channels, channels, spectral=spectral) for _ in range(2))

    def forward(self, picture: Tensor, lines: Tensor) -> tuple[Tensor, Tensor]:
        """Both (N, C, H, W)."""
        both = torch.cat([picture, lines], 1)                               # (N, 2C, H, W)
        modulated = F.leaky_relu(self.norm(both) * (1 + self.scale(both)) + self.shift(both), SLOPE)
        mixed = self.second(F.leaky_relu(self.first(modulated), SLOPE)) + self.around(both)     # (N, C, H, W)
        return self.to_picture(torch.cat([picture, mixed], 1)), self.to_lines(torch.cat([lines, mixed], 1))


class HybridEmbedding(nn.Module):
    """Activation, image and landmark encoders, softmax over references, information exchange, gate, fusion."""

    def __init__(self, settings: EmbeddingSettings):
        super().__init__()
        self.settings = settings
        channels, level, spectral = settings.channels, settings.attention, settings.spectral
        before, after, width = channels[: level + 1], channels[level + 1 :], channels[level]
        self.query, self.key = (Tower(1, before, spectral=spectral) for _ in range(2))
        self.image, self.landmark = (Tower(inside, before, spectral=spectral) for inside in (3, 1))
        self.exchange = InformationExchange(width, spectral=spectral)
        self.gate, self.gate_lines = (convolution(width, 2 * width, kernel=1) for _ in range(2))
        self.deeper, self.deeper_lines = (Tower(width, after, spectral=spectral, halve_first=True) for _ in range(2))
        widths = (*settings.fusion, *channels[settings.finest + len(settings.fusion) :])
        self.fusion, self.fusion_lines = (
            nn.ModuleList(Unit(widths[index + 1], widths[index], spectral=spectral) for index in range(len(widths) - 1))
            for _ in range(2))

    def references(self, pictures: Tensor, lines: Tensor) -> References:
        """Once for an identity, from pictures (B, K, 3, H, W) and landmark images (B, K, 1, H, W) of level 0."""
        B, K = pictures.shape[:2]
        pictures, lines = pictures.flatten(0, 1), lines.flatten(0, 1)       # (B K, C, H, W)
        keys = self.key(lines)
        seen, drawn = self.exchange(self.image(pictures), self.landmark(lines))
        gated, gated_lines = (self._gated(gate(one)).unflatten(0, (B, K)).mean(1)               # (B, C, H, W)
                              for gate, one in ((self.gate, seen), (self.gate_lines, drawn)))
        return References(*(_by_place(one.unflatten(0, (B, K))) for one in (keys, seen, drawn)), gated, gated_lines)

    @staticmethod
    def _gated(both: Tensor) -> Tensor:
        value, openness = both.chunk(2, 1)
        return value * torch.sigmoid(openness)

    def forward(self, held: References, lines: Tensor) -> Appearance:
        """The appearance for target lines (B, 1, H, W) of level 0."""
        query = self.query(lines)                                           # (B, C, H, W)
        energy = torch.einsum("bchw,bkchw->bkhw", query, held.keys) / query.shape[1] ** 0.5
        attention = energy.softmax(1)                                       # (B, K, H, W)
        picture, drawn = (torch.einsum("bkhw,bkchw->bchw", attention, one) + always                 # (B, C, H, W)
                          for one, always in ((held.pictures, held.gated), (held.lines, held.gated_lines)))
        bottom = self.deeper(picture)
        return Appearance(bottom, self._matrices(bottom, self.deeper_lines(drawn)), attention[:, :, None])

    def _matrices(self, picture: Tensor, lines: Tensor) -> list[Tensor]:
        """The fusion network: per level every picture channel with every landmark channel, over all pixels."""
        made = []
        for index in reversed(range(len(self.fusion))):
            side = 2 * picture.shape[-1]
            picture, lines = (unit(resized(one, side)) for unit, one in ((self.fusion[index], picture),
                                                                         (self.fusion_lines[index], lines)))
            if index < len(self.settings.fusion):
                flat, drawn = (one.permute(0, 2, 3, 1).flatten(1, 2) for one in (picture, lines))   # (B, H W, F)
                made.append(drawn.softmax(2).transpose(1, 2) @ flat / flat.shape[1])                # (B, F, F)
        return made[::-1]


def _by_place(features: Tensor) -> Tensor:
    """Features (B, K, C, H, W) as they are, a place's lying together in memory: sums over K or C are small products."""
    return features.permute(0, 3, 4, 1, 2).contiguous().permute(0, 3, 4, 1, 2)


class MeanEmbedding(nn.Module):
    """The ablation: references' features averaged, whatever the target; nothing is written."""

    def __init__(self, settings: EmbeddingSettings):
        super().__init__()
        level, spectral = settings.attention, settings.spectral
        before, after = settings.channels[: level + 1], settings.channels[level + 1 :]
        self.image = Tower(3, before, spectral=spectral)
        self.deeper = Tower(before[-1], after, spectral=spectral, halve_first=True)

    def references(self, pictures: Tensor, lines: Tensor) -> References:
        """As `HybridEmbedding.references`; the landmarks are not looked at."""
        seen = self.image(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2])      # (B, K, C, H, W)
        nothing = torch.zeros_like(seen[:, 0])
        return References(seen, seen, seen, nothing, nothing)

    def forward(self, held: References, lines: Tensor) -> Appearance:
        """As `HybridEmbedding.forward`, every reference counting alike."""
        K = held.pictures.shape[1]
        return Appearance(self.deeper(held.pictures.mean(1)), [], torch.full_like(held.pictures[:, :, :1], 1 / K))
