"""What PC-AVS's networks are told beside pictures: one content for lips and sound, who a person is, where landmarks lie.

Shapes: B clips, L frames of each, C numbers of content, n windows of frames. Terms are computed in float32.
Source: PC-AVS sections 3.2 and 3.4, method/pc_avs.md#losses-and-optimisation.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headsync.experiment import check_loss_weights
from headsync.experiment.precision import in_float32
from render_stage.nn.discriminator import ADVERSARIAL_TERMS

PICTURE_TERMS = ("reconstruction", "structure", "gradient", "perceptual", *ADVERSARIAL_TERMS)
LEAST_DISTANCE = 1e-3       # of unit vectors: the published similarity is infinite when they are equal
SHARPNESS = 16.0            # of the cosine softmax over people
Similarity = Literal["cosine", "reciprocal"]


@dataclass(frozen=True)
class PcAvsLossWeights:
    """What each term counts; one of weight 0 is not computed."""

    reconstruction: float       # L1, mouth and eyes more
    structure: float            # 1 - SSIM of luma
    gradient: float
    perceptual: float
    adversarial: float
    features: float             # of the discriminators
    content: float              # InfoNCE between lips and sound
    identity: float             # cross entropy over the distinguished people
    landmarks: float            # cross entropy of heat maps

    def __post_init__(self):
        check_loss_weights(self)


@dataclass(frozen=True)
class ContrastSettings:
    """How content is compared."""

    window: int                 # frames whose codes are compared together; the rest of a clip gives negatives
    similarity: Similarity      # cosine over a temperature, or 1 / distance as in the public code
    temperature: float

    def __post_init__(self):
        if self.window < 1 or not 0 < self.temperature < float("inf"):
            raise ValueError(f"window must be 1 or more and temperature above 0, got {self.window} and {self.temperature}")


@in_float32
def content_loss(seen: Tensor, spoken: Tensor, settings: ContrastSettings) -> Tensor:
    """Symmetric InfoNCE of contents (B, L, C) of lips and of sounds: every window of a batch, a clip's own other ones too, is
    a negative of the others. 0 for fewer than two windows.
    """
    scores = similarities(windows(seen, settings.window), windows(spoken, settings.window), settings)    # (n, n)
    if len(scores) < 2:
        return 0 * scores.sum()
    truth = torch.arange(len(scores), device=scores.device)
    return (F.cross_entropy(scores, truth) + F.cross_entropy(scores.T, truth)) / 2


def windows(content: Tensor, frames: int) -> Tensor:
    """Unit vectors (n, frames C) of contents (B, L, C): windows beside each other, what is left at the end of a clip unused."""
    frames = min(frames, content.shape[1])
    whole = content[:, : content.shape[1] // frames * frames]
    return F.normalize(whole.reshape(-1, frames * content.shape[2]), dim=1)


def similarities(one: Tensor, other: Tensor, settings: ContrastSettings) -> Tensor:
    """Scores (n, n) of unit vectors (n, D)."""
    if settings.similarity == "reciprocal":
        return 1 / torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist").clamp(min=LEAST_DISTANCE)
    return one @ other.T / settings.temperature


@in_float32
def heat_loss(heat: Tensor, points: Tensor) -> Tensor:
    """Cross entropy of heat maps (B, 68, n, n), a softmax over places each, with landmarks (B, 68, 2) in shares of the side.

    A landmark's target is shared by the four places round it, so that fractions of a place count; those outside do not.
    """
    n = heat.shape[-1]
    place = points * n - 0.5                                                            # (B, 68, 2)
    inside = ((place > 0) & (place < n - 1)).all(-1)                                    # (B, 68)
    low = place.clamp(0, n - 1.001).floor()
    share = (place - low).clamp(0, 1)
    logs = heat.flatten(2).log_softmax(2)                                               # (B, 68, n n)
    total = 0.0
    for across in (0, 1):
        for down in (0, 1):
            index = ((low[..., 1] + down).clamp(max=n - 1) * n + (low[..., 0] + across).clamp(max=n - 1)).long()
            weight = (share[..., 0] if across else 1 - share[..., 0]) * (share[..., 1] if down else 1 - share[..., 1])
            total = total - weight * logs.gather(2, index[..., None])[..., 0]
    return (total * inside).sum() / inside.sum().clamp(min=1)


class PeopleHead(nn.Module):
    """A cosine softmax over the people of the training, for pretraining only."""

    def __init__(self, features: int, people: int):
        super().__init__()
        self.people = nn.Parameter(torch.randn(max(people, 1), features))

    @in_float32
    def forward(self, vectors: Tensor, person: Tensor) -> Tensor:
        """The cross entropy of vectors (B, D) and labels (B,); negative labels do not count, 0 when none does."""
        known = person >= 0
        scores = SHARPNESS * F.normalize(vectors, dim=1) @ F.normalize(self.people, dim=1).T    # (B, people)
        terms = F.cross_entropy(scores, person.clamp(min=0), reduction="none")
        return (terms * known).sum() / known.sum().clamp(min=1)
