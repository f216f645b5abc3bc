"""How a picture must be moved to stand where the target does, and where it can be believed then.

Shapes: B samples, S canvas pixels a side, G pixels of the guide's coarse maps, N = S / stride, C channels.
Source: Rhythmic Head section 4.3; method/rhythmic_head.md#composition (flow in pixels and a mask, from target lines, source
lines, source picture).
Ours: the flow begins at a geometric prior, of which the network says how much holds where (1 on the head, 0 where the
background stands still), and adds the rest.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from render_stage.nn.layers import Residual, Unit, convolution, resized

REST_PX = 24.0          # the farthest that the network may add to the prior
REST_GAIN = 5.0         # pixels for an output of 1: small weights learn to move far soon enough
TRUST = 1.0             # the logit of the prior's share to begin with: most of it holds


@dataclass(frozen=True)
class FlowSettings:
    """Size of one flow network."""

    width: int
    blocks: int
    stride: int                 # the pictures are averaged by so much first; published: 1
    depth: int                  # halvings inside
    spectral: bool

    def __post_init__(self):
        if self.width < 4 or self.blocks < 1 or self.stride not in (1, 2, 4, 8) or not 1 <= self.depth <= 4:
            raise ValueError(f"a flow network has width 4 or more, blocks 1 or more, stride 1, 2, 4 or 8 and depth 1 to 4, got "
                             f"{self.width}, {self.blocks}, {self.stride}, {self.depth}")


class Moved(NamedTuple):
    """What a flow network says."""

    displacement: Tensor    # (B, 2, G, G), canvas pixels, from the target to the source
    share: Tensor           # (B, 1, G, G) of the prior that holds: 1 moves with the head, 0 stands still
    mask: Tensor            # (B, 1, G, G) logit: believe this picture here
    front: Tensor | None    # (B, 1, G, G), added to the logit that the moved person hides the backdrop; None: none is known


class FlowNetwork(nn.Module):
    """A U-Net with residual blocks at its narrowest."""

    def __init__(self, inside: int, settings: FlowSettings, *, layered: bool = False):
        """`layered`: there is a backdrop, and it says what hides it."""
        super().__init__()
        self.settings = settings
        widths = [min(settings.width * 2**level, 8 * settings.width) for level in range(settings.depth + 1)]
        spectral = settings.spectral
        self.stem = Unit(inside, widths[0], spectral=spectral)
        self.down = nn.ModuleList(Unit(a, b, stride=2, spectral=spectral) for a, b in pairwise(widths))
        self.blocks = nn.Sequential(*(Residual(widths[-1], spectral=spectral) for _ in range(settings.blocks)))
        self.up = nn.ModuleList(Unit(a + b, b, spectral=spectral) for a, b in zip(widths[:0:-1], widths[-2::-1]))
        self.head = convolution(widths[0], 5 if layered else 4)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, shown: Tensor, prior: Tensor) -> Moved:
        """From what is shown (B, inside, N, N) and a prior displacement (B, 2, G, G)."""
        held = [self.stem(shown)]
        for down in self.down:
            held.append(down(held[-1]))
        x = self.blocks(held.pop())
        for up in self.up:
            x = resized(x, held[-1].shape[-1])
            x = up(torch.cat([x, held.pop()], 1))                           # (B, C, twice the side)
        output = resized(self.head(x), prior.shape[-1])                        # (B, 4 or 5, G, G)
        share = torch.sigmoid(output[:, :1] + TRUST)
        rest = REST_PX * torch.tanh(output[:, 1:3] * (REST_GAIN / REST_PX))
        return Moved(prior * share + rest, share, output[:, 3:4], output[:, 4:] if output.shape[1] > 4 else None)
