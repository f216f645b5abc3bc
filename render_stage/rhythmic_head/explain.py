"""What each layer of the composition adds to a picture: found by taking its conditions away.

Shapes: t frames, S = 256 canvas pixels.
"""

import numpy as np
import torch
from torch import nn

from render_stage.rhythmic_head.renderer import Identity, RhythmicHead


def layer_contributions(renderer: RhythmicHead, identity: Identity, points: np.ndarray) -> dict[int, np.ndarray]:
    """By the side of each layer in pixels, the mean change of colour (t, S, S) in [0, 1] when that layer is told nothing.

    A layer is told about the warped key frame, the warped reference and the landmarks; without them it passes on what
    the layers before it made of the appearance. `points` are landmarks (t, 68, 3) in canvas units of 256.
    """
    whole = renderer.explain(identity, points)[1].picture
    composition, found = renderer.network.composition, {}
    for level, block in enumerate(composition.blocks):
        held = block.register_forward_pre_hook(_told_nothing)
        try:
            without = renderer.explain(identity, points)[1].picture
        finally:
            held.remove()
        side = whole.shape[-1] // composition.settings.patch >> level
        found[side] = (without - whole).abs().mean(1).cpu().numpy()
    return found


def _told_nothing(block: nn.Module, arguments: tuple) -> tuple:
    x, weights, *shown = arguments
    silent = []
    for one in shown:
        nothing = torch.zeros_like(one.conditions)
        nothing[..., 0] = 1      # the bias stays
        silent.append(one._replace(conditions=nothing))
    return x, weights, *silent
