"""What tells drawn from real mouths: one discriminator sees single frames, one sees five in a row (LSGAN).

Shapes: S sides (fake and real, or fake alone), B clips, T = 5 frames, H W pixels.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from headsync.experiment import LossPair, Scores
from render_stage.nn.discriminator import PICTURE, DiscriminatorSettings, PatchDiscriminator

FRAMES = 5


def squared_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Half of mean fake^2 + mean (1 - real)^2."""
    return (fake.square().mean() + (1 - real).square().mean()) / 2


def squared_fooling(fake: Tensor) -> Tensor:
    """Mean (1 - fake)^2."""
    return (1 - fake).square().mean()


SQUARES = LossPair(squared_loss, squared_fooling)


class MouthDiscriminators(nn.Module):
    """Scores per patch of single frames and of five."""

    def __init__(self, settings: DiscriminatorSettings):
        super().__init__()
        self.single = PatchDiscriminator(replace(settings, conditions=0))
        self.five = PatchDiscriminator(replace(settings, conditions=(FRAMES - 1) * PICTURE))

    def forward(self, sides: Tensor) -> Scores:
        """The term `adversarial` of crops (S, B, T, 3, H, W) in [0, 1], two scales: each frame alone, all five."""
        S, B = sides.shape[:2]
        seen = 2 * sides - 1
        single = self.single(seen.flatten(0, 2))[-1].unflatten(0, (S, B * FRAMES))
        five = self.five(seen.flatten(2, 3).flatten(0, 1))[-1].unflatten(0, (S, B))
        return Scores({"adversarial": [single, five]})


def check_frames(frames: Tensor) -> None:
    """ValueError unless there are five frames (B, 5, 3, H, W)."""
    if frames.ndim != 5 or frames.shape[1:3] != torch.Size((FRAMES, PICTURE)):
        raise ValueError(f"give five frames (B, {FRAMES}, {PICTURE}, H, W), not {[*frames.shape]}")
