"""What tells rendered from real pictures: the same patch judge at two or more sizes of the picture.

Shapes: S sides (fake and real, or fake alone), B pictures, C condition channels, W features, H W pixels. Pictures are (B, 3,
H, W) in [0, 1].
Source: Rhythmic Head section 4.3, method/rhythmic_head.md#losses-and-optimisation: hinge loss, patches, kernel 4, spectral
norm, feature matching; two scales as in the paper (one in its code). The published instance norms are an option.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from headsync.experiment import share_gradients

PICTURE = 3                     # channels
KERNEL, WIDEST = 4, 8           # features stop doubling at `width` times 8
SLOPE = 0.2                     # of the leaky ReLU
BETAS, LARGEST_GRADIENT = (0.0, 0.999), 10.0


@dataclass(frozen=True)
class AdversarySettings:
    """The judges and how they learn: by default the small form. The paper's: width 32, rate 8e-4, instance norms."""

    scales: int = 2             # the picture itself, then halved, halved again ...
    width: int = 16             # features of the first layer
    layers: int = 4             # each halves the picture
    conditions: int = 5         # channels beside the picture: target landmarks 1, reference landmarks 1, reference picture 3
    instance_norm: bool = False
    rate: float = 4e-4          # twice the renderer's

    def __post_init__(self):
        if min(self.scales, self.width, self.layers) < 1 or self.conditions < 0 or not 0 < self.rate < 1:
            raise ValueError("scales, width and layers must be 1 or more, conditions 0 or more and rate in (0, 1), got "
                             f"{self.scales}, {self.width}, {self.layers}, {self.conditions} and {self.rate}")

    @property
    def least_px(self) -> int:
        """The smallest side of a picture of which every scale still judges two patches a side."""
        return 2 ** (self.layers + self.scales)


def hinge_loss(fake: Tensor, real: Tensor) -> Tensor:
    """What a judge lowers, a scalar: mean max(0, 1 + fake) + mean max(0, 1 - real)."""
    return F.relu(1 + fake).mean() + F.relu(1 - real).mean()


def fooling_loss(fake: Tensor) -> Tensor:
    """What the renderer lowers, a scalar: minus the mean score."""
    return -fake.mean()


def matching_loss(fake: list[Tensor], real: list[Tensor]) -> Tensor:
    """The mean over layers of the mean absolute difference of a judge's features, a scalar: 0 for equal pictures."""
    return torch.stack([F.l1_loss(one, other) for one, other in zip(fake, real, strict=True)]).mean()


class Judgement(NamedTuple):
    """What one judge says of pictures."""
    score: Tensor               # (N, 1, h, w), one per patch, higher where it looks real
    features: list[Tensor]      # of every layer before it, finest first


class PatchJudge(nn.Module):
    """Convolutions of kernel 4 and stride 2, doubling their features, then a score per patch."""

    def __init__(self, settings: AdversarySettings):
        super().__init__()
        widths = [settings.conditions + PICTURE, *(settings.width * min(2**n, WIDEST) for n in range(settings.layers))]
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(*ends, KERNEL, stride=2, padding=1),
                          nn.InstanceNorm2d(ends[1]) if settings.instance_norm and number else nn.Identity(),
                          nn.LeakyReLU(SLOPE))
            for number, ends in enumerate(pairwise(widths)))
        self.answer = nn.Conv2d(widths[-1], 1, KERNEL - 1, padding=1)   # odd, so that patches lie where features do

    def forward(self, seen: Tensor) -> Judgement:
        """Scores and features of conditions and pictures (N, C + 3, H, W) together."""
        features = []
        for layer in self.layers:
            seen = layer(seen)
            features.append(seen)
        return Judgement(self.answer(seen), features)


class Adversary(nn.Module):
    """The judges of all scales: `step` teaches them, `judge` tells a renderer what they think of its pictures.

    Fake and real pictures (B, 3, H, W) and their conditions (B, C, H, W); ValueError unless they fit each other.
    """

    def __init__(self, settings: AdversarySettings):
        super().__init__()
        self.settings = settings
        self.judges = nn.ModuleList(PatchJudge(settings) for _ in range(settings.scales))
        for layer in [*self.modules()]:
            if isinstance(layer, nn.Conv2d):
                parametrizations.spectral_norm(layer)
        self.to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.Adam(self.parameters(), lr=settings.rate, betas=BETAS)

    def step(self, fake: Tensor, real: Tensor, condition: Tensor) -> dict[str, float]:
        """One step on the hinge loss, the mean over the scales: `hinge`, the mean scores `fake`, `real`, and the gradient."""
        self._check(fake, real, condition)
        self.train().requires_grad_(True)
        pictures, conditions = torch.cat([fake, real]).detach(), torch.cat([condition, condition]).detach()  # (2B, C, H, W)
        scores = [found.score.float().chunk(2) for found in self._judgements(pictures, conditions)]
        hinge = torch.stack([hinge_loss(*sides) for sides in scores]).mean()
        self.optimiser.zero_grad()
        hinge.backward()
        share_gradients(self.parameters())
        gradient = nn.utils.clip_grad_norm_(self.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        means = [torch.stack([side.mean() for side in sides]).mean() for sides in zip(*scores)]     # fake, real
        return {"judges_hinge": hinge.item(), "judges_fake": means[0].item(), "judges_real": means[1].item(),
                "judges_gradient": gradient.item()}

    def judge(self, fake: Tensor, real: Tensor, condition: Tensor) -> dict[str, Tensor]:
        """The unweighted terms `adversarial` and `features`, means over the scales; gradients to `fake` only."""
        self._check(fake, real, condition)
        self.eval().requires_grad_(False)       # in eval, spectral norms stay as they are
        condition = condition.detach()
        with torch.no_grad():
            wanted = self._judgements(real, condition)
        made = self._judgements(fake, condition)
        pairs = [([one.float() for one in ours.features], [one.float() for one in theirs.features])
                 for ours, theirs in zip(made, wanted)]
        return {"adversarial": torch.stack([fooling_loss(found.score.float()) for found in made]).mean(),
                "features": torch.stack([matching_loss(*pair) for pair in pairs]).mean()}

    def state(self) -> dict[str, Any]:
        """Everything that a step changes."""
        return {"judges": self.state_dict(), "optimiser": self.optimiser.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.load_state_dict(state["judges"])
        self.optimiser.load_state_dict(state["optimiser"])

    def _judgements(self, pictures: Tensor, conditions: Tensor) -> list[Judgement]:
        seen = torch.cat([conditions, 2 * pictures - 1], dim=1).contiguous(memory_format=torch.channels_last)
        found = []
        with parametrize.cached():
            for judge in self.judges:
                found.append(judge(seen))
                seen = F.avg_pool2d(seen, 2)    # (N, C + 3, H / 2, W / 2)
        return found

    def _check(self, fake: Tensor, real: Tensor, condition: Tensor) -> None:
        channels, least = self.settings.conditions, self.settings.least_px
        fits = fake.ndim == condition.ndim == 4 and fake.shape == real.shape and fake.shape[1] == PICTURE
        expected = (len(fake), channels, *fake.shape[2:])
        if not fits or tuple(condition.shape) != expected or min(fake.shape[2:]) < least:
            raise ValueError(f"give two (B, 3, H, W) of sides from {least} px and a condition (B, {channels}, H, W), "
                             f"not {[*fake.shape]}, {[*real.shape]} and {[*condition.shape]}")
