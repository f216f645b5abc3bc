"""A discriminator in training: two calls, `step` teaches it and `loss` tells a generator what it thinks.

Shapes: S sides (fake and real, or fake alone), B samples.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headsync.experiment.distributed import share_gradients


class Scores(NamedTuple):
    """What a discriminator says of both sides: higher scores where samples look real."""

    terms: Mapping[str, list[Tensor]]       # name of a loss -> scores (S, ...) of each scale
    features: Sequence[list[Tensor]] = ()   # of each scale, layer by layer (S, B, ...), for the loss `features`


class LossPair(NamedTuple):
    """What the discriminator lowers, of fake and real scores, and what the generator lowers, of fake ones; scalars."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


def hinge_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Mean max(0, 1 + fake) + mean max(0, 1 - real)."""
    return F.relu(1 + fake).mean() + F.relu(1 - real).mean()


def fooling_loss(fake: Tensor) -> Tensor:
    """Minus the mean score."""
    return -fake.mean()


def logistic_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Cross entropy of telling fake from real."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def doubt_loss(fake: Tensor) -> Tensor:
    """Cross entropy of taking fake for real."""
    return F.softplus(-fake).mean()


HINGE, LOGISTIC = LossPair(hinge_loss, fooling_loss), LossPair(logistic_loss, doubt_loss)


def matching_loss(fake: list[Tensor], real: list[Tensor]) -> Tensor:
    """The mean over layers of the mean absolute difference of features, a scalar: 0 for equal samples."""
    return torch.stack([F.l1_loss(one, other) for one, other in zip(fake, real, strict=True)]).mean()


class Adversary:
    """A discriminator and how it learns. It is called as `discriminator(sides (S, B, ...), *condition) -> Scores`."""

    def __init__(self, discriminator: nn.Module, *, lr: float, losses: LossPair = HINGE, beta1: float = 0.0,
                 weight_decay: float = 0.0, clip: float = float("inf")):
        self.discriminator, self.losses, self.clip = discriminator, losses, clip
        self.optimiser = torch.optim.AdamW(discriminator.parameters(), lr, (beta1, 0.999), weight_decay=weight_decay)

    def step(self, fake: Tensor, real: Tensor, *condition: Any) -> dict[str, float]:
        """One step on the sum of the terms, each the mean over scales: `<term>_discriminator`, mean scores, the gradient."""
        check_alike(fake, real)
        self.discriminator.train().requires_grad_(True)
        scores = self.discriminator(torch.stack([fake, real]).detach(), *detached(condition)).terms
        scalars = {f"{name}_discriminator": mean(self.losses.discriminator(*one.float()) for one in scales)
                for name, scales in scores.items()}
        self.optimiser.zero_grad()
        sum(scalars.values()).backward()
        share_gradients(self.discriminator.parameters())
        scalars["discriminator_gradient"] = nn.utils.clip_grad_norm_(self.discriminator.parameters(), self.clip)
        self.optimiser.step()
        for side, name in enumerate(("fake", "real")):
            scalars |= {f"{term}_{name}": mean(one[side].float().mean() for one in scales) for term, scales in scores.items()}
        return {name: scalar.item() for name, scalar in scalars.items()}

    def loss(self, fake: Tensor, real: Tensor, *condition: Any) -> dict[str, Tensor]:
        """The generator's unweighted terms, with gradients to `fake` and not to the discriminator.

        Beside the discriminator's terms `features`, where it shows any: how far they are from those of the real samples.
        """
        check_alike(fake, real)
        self.discriminator.eval().requires_grad_(False)     # in eval, spectral norms stay as they are
        condition = detached(condition)
        found = self.discriminator(fake[None], *condition)
        losses = {name: mean(self.losses.generator(one.float()) for one in scales) for name, scales in found.terms.items()}
        if found.features:
            with torch.no_grad():
                wanted = self.discriminator(real[None], *condition).features
            losses["features"] = mean(matching_loss([one.float() for one in made], [one.float() for one in true])
                                      for made, true in zip(found.features, wanted, strict=True))
        return losses

    def state(self) -> dict[str, Any]:
        """Everything that a step changes."""
        return {"discriminator": self.discriminator.state_dict(), "optimiser": self.optimiser.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimiser.load_state_dict(state["optimiser"])


def check_alike(fake: Tensor, real: Tensor) -> None:
    """ValueError unless fake and real have the same shape."""
    if fake.shape != real.shape:
        raise ValueError(f"fake and real must have one shape, not {[*fake.shape]} and {[*real.shape]}")


def mean(scalars: Any) -> Tensor:
    """The mean of scalar tensors."""
    return torch.stack([*scalars]).mean()


def detached(condition: tuple) -> tuple:
    """The condition, its tensors without gradients."""
    return tuple(one.detach() if isinstance(one, Tensor) else one for one in condition)
