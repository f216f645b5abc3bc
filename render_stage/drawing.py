"""The networks as one function of tensors, which can be laid out for the processor once and then called for every frame.

Shapes: S = 256 canvas pixels, G = 128 pixels of the guide's coarse maps; one frame at a time.
"""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor, nn

from render_stage.data import Guides
from render_stage.hybrid_embedding import Appearance, References
from render_stage.network import RendererNetwork


class Drawn(NamedTuple):
    """One frame."""

    picture: Tensor                 # (1, 3, S, S) in [0, 1], but for what an anchored composition overshoots
    anchor: Tensor                  # (1, 3, S, S): the warped pictures put together
    displacement: Tensor            # (1, 2, G, G) of the matched picture, canvas pixels
    projected_displacement: Tensor  # (1, 2, G, G)
    believed: Tensor                # (1, 1, S, S): share of the projected picture
    front: Tensor                   # (1, 1, S, S): where the person hides the backdrop; empty where there is none


class Drawing(nn.Module):
    """The networks, called with the tensors of an identity and of a frame's guides, one after the other."""

    def __init__(self, network: RendererNetwork, held: type[References] | type[Appearance]):
        super().__init__()
        self.network, self.held = network, held

    def forward(self, *shown: Tensor) -> tuple[Tensor, ...]:
        """The parts of a `Drawn`."""
        kept, guides = shown[: -len(Guides._fields)], Guides(*shown[-len(Guides._fields) :])
        held = References(*kept) if self.held is References else Appearance(kept[0], list(kept[1:-1]), kept[-1])
        made = self.network(held, guides)
        placed = made.placed
        front = placed.believed[:, :0] if placed.front is None else placed.front
        return (made.picture, placed.anchor, placed.moved.displacement, placed.refined.displacement, placed.believed, front)


def laid_out(draw: Drawing, shown: tuple[Tensor, ...]) -> torch.jit.ScriptModule:
    """The same function for tensors of the same sizes, its weights laid out as the processor's convolutions want them.

    A third less time per frame, and threads do not wait for Python; the pictures are the same to rounding.
    """
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)        # sizes are constants here, as intended
        warnings.simplefilter("ignore", DeprecationWarning)             # of torch.jit as a whole
        traced = torch.jit.trace(draw, shown, check_trace=False)
        return torch.jit.optimize_for_inference(torch.jit.freeze(traced))
