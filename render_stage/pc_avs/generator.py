"""The generator: from a person's map, which has no pose, to a picture, by styles at every size.

Shapes: B pictures, D numbers of a style, N cells a side of the person's map, P pixels a side of the picture.
Source: PC-AVS section 3.3, method/pc_avs.md#networks.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from render_stage.pc_avs.modulation import Modulation, StyledLayer, ToColours

COLOURS = 3


@dataclass(frozen=True)
class GeneratorSettings:
    """Its form."""

    channels: tuple[int, ...]   # of each size, the smallest first; each is twice as large as the one before
    modulation: Modulation      # demodulated (the paper's) or adain (its ablation)
    patch: int                  # pixels a side that a place of the last size gives; 1 in the paper

    def __post_init__(self):
        if len(self.channels) < 2 or min(self.channels) < 1 or self.patch < 1:
            raise ValueError(f"channels must name two sizes or more, and patch be 1 or more, got {self.channels} and "
                             f"{self.patch}")


class Generator(nn.Module):
    """Two styled convolutions a size; the sizes' colours are added up, each enlarged to the next."""

    def __init__(self, settings: GeneratorSettings, style: int):
        super().__init__()
        self.settings = settings
        first, colours = settings.channels[0], COLOURS * settings.patch**2
        ends = [(first, first), *pairwise(settings.channels)]
        self.layers = nn.ModuleList(
            nn.ModuleList([StyledLayer(inside, outside, style, settings.modulation),
                           StyledLayer(outside, outside, style, settings.modulation)]) for inside, outside in ends)
        self.colours = nn.ModuleList(ToColours(outside, colours, style) for _, outside in ends)

    def forward(self, person: Tensor, style: Tensor) -> Tensor:
        """Pictures (B, 3, P, P) in [0, 1] of maps (B, channels[0], N, N) and styles (B, D)."""
        x, made = person, None
        for number, ((first, second), colours) in enumerate(zip(self.layers, self.colours)):
            if number:
                x, made = (F.interpolate(one, scale_factor=2, mode="bilinear", align_corners=False) for one in (x, made))
            x = second(first(x, style), style)
            shown = colours(x, style)
            made = shown if made is None else made + shown                  # (B, 3 patch^2, n, n)
        return 0.5 + 0.5 * F.pixel_shuffle(made, self.settings.patch).float().tanh()    # (B, 3, P, P)
