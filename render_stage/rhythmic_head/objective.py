"""What the renderer is trained to lower: named terms of a batch, each unweighted, and what each counts.

Shapes: B samples, S = 256 canvas pixels, G = 128 pixels of the guide's coarse maps.
Source: Rhythmic Head section 4.3, method/rhythmic_head.md#losses-and-optimisation.
"""

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from headsync.experiment import check_loss_weights, counting_weights
from render_stage.nn.discriminator import ADVERSARIAL_TERMS
from render_stage.nn.layers import resized
from render_stage.nn.losses import flow_loss, gradient_loss, mask_loss, mouth_weight, reconstruction_loss, ssim_loss, warp_loss
from render_stage.nn.perceptual import PerceptualLoss
from render_stage.rhythmic_head.data import Batch
from render_stage.rhythmic_head.guide import CANVAS, COARSE
from render_stage.rhythmic_head.placing import Placed, Window

FLOW_TERMS = ("anchor", "warp", "flow", "mask", "front")     # those that the flow networks alone can lower


@dataclass(frozen=True)
class LossWeights:
    """What each term counts; one of weight 0 is not computed."""

    reconstruction: float       # mouth-weighted L1 of the picture
    structure: float            # 1 - SSIM of the picture
    gradient: float
    anchor: float               # L1 and 1 - SSIM of the warped pictures put together
    warp: float
    flow: float                 # in shares of the canvas
    mask: float
    front: float                # L1 of where the moved person is and where the target's is; needs a backdrop
    perceptual: float
    adversarial: float
    features: float

    def __post_init__(self):
        check_loss_weights(self)

    def counting(self, *, flows_only: bool, adversarial: bool) -> dict[str, float]:
        """The weights that are not 0, of the flow networks' terms alone or of all, with or without the adversary's."""
        weights = counting_weights(self)
        return {name: value for name, value in weights.items()
                if (name in FLOW_TERMS or not flows_only) and (name not in ADVERSARIAL_TERMS or adversarial)}


def loss_terms(picture: Tensor | None, window: Window, placed: Placed, batch: Batch, names: Collection[str],
               perceptual: PerceptualLoss | None) -> dict[str, Tensor]:
    """The named terms that need no adversary, of a window's pictures (B, 3, side, side), None where no term asks for them."""
    part, visible = window.of(batch.target), window.of(batch.guides.masks[:, :1])
    coarse = window.side * COARSE // CANVAS
    terms = {
        "reconstruction": lambda: reconstruction_loss(picture, part, window.of(mouth_weight(batch.points, CANVAS))),
        "structure": lambda: ssim_loss(picture, part, luma=True),
        "gradient": lambda: gradient_loss(picture, part),
        "anchor": lambda: (l1_loss(placed.anchor, part) + ssim_loss(placed.anchor, part, luma=True, halved=True)) / 2,
        "warp": lambda: (l1_loss(placed.matched, part) + warp_loss(placed.projected, part, visible)) / 2,
        "flow": lambda: flow_loss(placed.moved.displacement, batch.guides.flow, batch.teacher) / CANVAS,
        "mask": lambda: mask_loss(1 - torch.sigmoid(window.of(placed.moved.mask)), resized(placed.matched, coarse),
                                  resized(part, coarse)),
        "front": lambda: l1_loss(placed.front, window.of(batch.person)),
        "perceptual": lambda: perceptual(picture, part),
    }
    return {name: term() for name, term in terms.items() if name in names}
