"""What tells rendered from real pictures: the same patch discriminator at two or more sizes of the picture.

Shapes: S sides (fake and real, or fake alone), B pictures, C condition channels, W features, H W pixels.
Pictures are (B, 3, H, W) in [0, 1].
Source: Rhythmic Head section 4.3, method/rhythmic_head.md#losses-and-optimisation: hinge loss, patches, kernel 4, spectral
norm, feature matching; two scales as in the paper (one in its code). The published instance norms are an option.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from headsync.experiment import Adversary, Scores

PICTURE = 3                     # channels
KERNEL, WIDEST = 4, 8           # features stop doubling at `width` times 8
SLOPE = 0.2                     # of the leaky ReLU
LARGEST_GRADIENT = 10.0
ADVERSARIAL_TERMS = ("adversarial", "features")     # losses that its adversary gives


@dataclass(frozen=True)
class DiscriminatorSettings:
    """The discriminators and how they learn. The paper's: width 32, lr 8e-4, instance norms."""

    lr: float                   # twice the renderer's is a good beginning
    scales: int                 # the picture itself, then halved, halved again ...
    width: int                  # features of the first layer
    layers: int                 # each halves the picture
    conditions: int             # channels beside the picture, such as landmark images and the reference picture
    instance_norm: bool

    def __post_init__(self):
        if min(self.scales, self.width, self.layers) < 1 or self.conditions < 0 or not 0 < self.lr < 1:
            raise ValueError("scales, width and layers must be 1 or more, conditions 0 or more and lr in (0, 1), got "
                             f"{self.scales}, {self.width}, {self.layers}, {self.conditions} and {self.lr}")

    @property
    def least_px(self) -> int:
        """The smallest side of a picture of which every scale still scores two patches a side."""
        return 2 ** (self.layers + self.scales)


class PatchDiscriminator(nn.Module):
    """Convolutions of kernel 4 and stride 2, doubling their features, then a score per patch."""

    def __init__(self, settings: DiscriminatorSettings):
        super().__init__()
        widths = [settings.conditions + PICTURE, *(settings.width * min(2**n, WIDEST) for n in range(settings.layers))]
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(*ends, KERNEL, stride=2, padding=1),
                          nn.InstanceNorm2d(ends[1]) if settings.instance_norm and number else nn.Identity(),
                          nn.LeakyReLU(SLOPE))
            for number, ends in enumerate(pairwise(widths)))
        self.answer = nn.Conv2d(widths[-1], 1, KERNEL - 1, padding=1)   # odd, so that patches lie where features do

    def forward(self, seen: Tensor) -> list[Tensor]:
        """Features, finest first, and last the scores (N, 1, h, w) of conditions and pictures (N, C + 3, H, W) together."""
        features = []
        for layer in self.layers:
            seen = layer(seen)
            features.append(seen)
        return [*features, self.answer(seen)]


class PictureDiscriminator(nn.Module):
    """The patch discriminators of all scales, as an `Adversary` teaches them."""

    def __init__(self, settings: DiscriminatorSettings):
        super().__init__()
        self.settings = settings
        self.scales = nn.ModuleList(PatchDiscriminator(settings) for _ in range(settings.scales))
        for layer in [*self.modules()]:
            if isinstance(layer, nn.Conv2d):
                parametrizations.spectral_norm(layer)
        self.to(memory_format=torch.channels_last)

    def forward(self, sides: Tensor, condition: Tensor) -> Scores:
        """The term `adversarial`, scores per patch (S, B, 1, h, w) of each scale, and the features that gave them.

        Of pictures (S, B, 3, H, W) and their conditions (B, C, H, W); ValueError unless they fit each other.
        """
        self._check(sides, condition)
        S, B = sides.shape[:2]
        seen = torch.cat([condition.repeat(S, 1, 1, 1), 2 * sides.flatten(0, 1) - 1], dim=1)    # (S B, C + 3, H, W)
        seen, found = seen.contiguous(memory_format=torch.channels_last), []
        with parametrize.cached():
            for scale in self.scales:
                found.append([one.unflatten(0, (S, B)) for one in scale(seen)])
                seen = F.avg_pool2d(seen, 2)                                                    # (S B, C + 3, H / 2, W / 2)
        return Scores({"adversarial": [one[-1] for one in found]}, [one[:-1] for one in found])

    def _check(self, sides: Tensor, condition: Tensor) -> None:
        channels, least = self.settings.conditions, self.settings.least_px
        fits = sides.ndim == 5 and condition.ndim == 4 and sides.shape[2] == PICTURE
        expected = (sides.shape[1], channels, *sides.shape[3:])
        if not fits or tuple(condition.shape) != expected or min(sides.shape[3:]) < least:
            raise ValueError(f"give (B, 3, H, W) of sides from {least} px and a condition (B, {channels}, H, W), "
                             f"not {[*sides.shape[1:]]} and {[*condition.shape]}")


def picture_adversary(settings: DiscriminatorSettings, weights: Mapping[str, float]) -> Adversary | None:
    """The discriminators, as an adversary, where weights of losses ask for one of its terms; else None."""
    if not set(weights) & set(ADVERSARIAL_TERMS):
        return None
    return Adversary(PictureDiscriminator(settings), lr=settings.lr, clip=LARGEST_GRADIENT)
