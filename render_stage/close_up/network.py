"""The close-up's network: a U-net that adds to a picture of the mouth what the picture lacks.

Shapes: B close-ups, N pixels a side (a multiple of `patch` times 2 to the number of levels less one), C channels.
Ours. It is shown the picture that the renderer made, the reference's mouth moved to the same axes, and maps of the place.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from render_stage.close_up.view import MAPS
from render_stage.nn.layers import SLOPE, Residual, Unit, convolution, drawn_patches, patch_convolution

MAPS_AT = 3 + 3 + 1             # channels before the maps: picture, reference, inside of the reference's mouth
SHOWN = MAPS_AT + MAPS
INSIDE, LIPS, REGION = 0, 1, 5  # numbers of maps: the inside of the mouth, lips with it, what may be drawn again


@dataclass(frozen=True)
class CloseUpSettings:
    """Size of the network."""

    channels: tuple[int, ...]   # per level, each half the size of the one before
    blocks: int                 # residual ones at the coarsest level
    patch: int                  # so many by so many pixels are channels of one place

    def __post_init__(self):
        if len(self.channels) < 2 or self.blocks < 1 or self.patch < 1:
            raise ValueError(f"a close-up needs two levels, a block and a patch of 1 or more, got {self}")

    @property
    def step_px(self) -> int:
        """A close-up's side is a multiple of this."""
        return self.patch << len(self.channels) - 1


def begun(picture: Tensor, moved: Tensor, maps: Tensor) -> Tensor:
    """Pictures (B, 3, N, N) that show between the lips what the reference does there, and black where its mouth is shut.

    `moved` (B, 4, N, N) is the reference in the target's axes and the inside of its mouth; maps (B, MAPS, N, N).
    """
    return torch.lerp(picture, moved[:, :3] * moved[:, 3:], maps[:, INSIDE : INSIDE + 1])


def shown_map(shown: Tensor, number: int) -> Tensor:
    """One of the maps (B, 1, N, N) of what the network is shown (B, SHOWN, N, N)."""
    return shown[:, MAPS_AT + number : MAPS_AT + number + 1]


class CloseUpNetwork(nn.Module):
    """U-net with a first layer on patches; its last layer begins at zero, so that it begins with the picture itself.

    What the renderer drew between the lips is not shown: it begins with what the reference shows there, or dark.
    """

    def __init__(self, settings: CloseUpSettings):
        super().__init__()
        self.settings = settings
        widths = settings.channels
        self.stem = convolution(SHOWN * settings.patch**2, widths[0])
        self.first = Residual(widths[0])
        self.down = nn.ModuleList(Unit(a, b, stride=2) for a, b in pairwise(widths))
        self.blocks = nn.Sequential(*(Residual(widths[-1]) for _ in range(settings.blocks)))
        self.up = nn.ModuleList(Unit(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1]))
        self.last = Residual(widths[0])
        self.head = convolution(widths[0], 3 * settings.patch**2)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, shown: Tensor) -> Tensor:
        """What is to be added to the picture (B, 3, N, N), from what is shown (B, SHOWN, N, N)."""
        x = F.leaky_relu(patch_convolution(self.stem, shown, self.settings.patch), SLOPE)
        held = [self.first(x)]
        for down in self.down:
            held.append(down(held[-1]))
        x = self.blocks(held.pop())
        for up in self.up:
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = up(torch.cat([x, held.pop()], 1))
        drawn = drawn_patches(self.head, F.leaky_relu(self.last(x), SLOPE), self.settings.patch)
        return torch.tanh(drawn) * shown_map(shown, REGION)
