"""What makes embeddings of matching sound and motion alike, and those of others unlike.

Shapes: n pairs of a batch, E embedding features. Pair i is motion[i] with audio[i]; `clip` and `step` (n,) tell where it
comes from. Negatives of a pair: N/2 from the same clip, at least two steps away, and N/2 from other clips.
Source: MS-Sync section 3.1, equation 2; InfoNCE: van den Oord et al. 2018; method/decisions.md#infonce-and-negatives,
#metric-syncers.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from headsync.experiment.precision import in_float32

NEGATIVES = 48
LEAST_GAP_STEPS = 2
LEAST_WINDOWS = 5
_OUT = -1e4     # a logit that takes no part


class Contrast(NamedTuple):
    """A loss and how often the true partner won."""

    loss: Tensor        # scalar
    accuracy: Tensor    # scalar: share of pairs whose partner is nearer than every negative of the batch


def negative_weights(clip: Tensor, step: Tensor, *, negatives: int = NEGATIVES) -> Tensor:
    """Log weights (n, n) that make a batch's negatives count as `negatives` drawn ones; the diagonal counts once.

    Half of them stand for the same clip's misaligned windows, the rest (all, for a clip with none in the batch) for
    other clips'. Windows of the same clip nearer than two steps take no part.
    """
    same = clip[:, None] == clip[None]
    near = same & ((step[:, None] - step[None]).abs() < LEAST_GAP_STEPS)
    misaligned, other = same & ~near, ~same
    own, others = misaligned.sum(1, keepdim=True).float(), other.sum(1, keepdim=True).float()
    wanted = own.clamp(max=negatives / 2)
    inside = (wanted / own.clamp(min=1)).clamp(min=1e-9).log()
    outside = ((negatives - wanted) / others.clamp(min=1)).log()
    weights = torch.where(misaligned, inside, outside).masked_fill(near, _OUT)
    return weights.masked_fill(torch.eye(len(clip), dtype=torch.bool, device=clip.device), 0.0)  # (n, n)


@in_float32
def info_nce(motion: Tensor, audio: Tensor, *, clip: Tensor, step: Tensor, temperature: Tensor,
             negatives: int = NEGATIVES) -> Contrast:
    """InfoNCE with the logarithm, from unit embeddings (n, E), in both directions, over a learnable temperature."""
    weights = negative_weights(clip, step, negatives=negatives)
    scores = motion @ audio.T / temperature                         # (n, n)
    target = torch.arange(len(motion), device=motion.device)
    loss = (F.cross_entropy(scores + weights, target) + F.cross_entropy(scores.T + weights, target)) / 2
    return Contrast(loss, _accuracy(scores, weights))


@in_float32
def triplet(motion: Tensor, audio: Tensor, *, clip: Tensor, step: Tensor, margin: float) -> Contrast:
    """The triplet loss with semi-hard negatives, from unnormalised embeddings (n, E), in both directions.

    For each pair the nearest negative of the batch that is farther than the partner; where there is none, the nearest.
    Windows of the pair's own clip, which are like it in everything but time, are often the nearest.
    """
    weights = negative_weights(clip, step)
    distances = torch.cdist(motion, audio)                          # (n, n)
    loss = (_semi_hard(distances, weights, margin) + _semi_hard(distances.T, weights, margin)) / 2
    return Contrast(loss, _accuracy(-distances, weights))


def _semi_hard(distances: Tensor, weights: Tensor, margin: float) -> Tensor:
    own = distances.diagonal()                                      # (n,)
    excluded = weights <= _OUT
    excluded = excluded | torch.eye(len(own), dtype=torch.bool, device=own.device)
    allowed = distances.masked_fill(excluded, -_OUT)
    farther = allowed.masked_fill(distances <= own[:, None], -_OUT).min(1).values
    nearest = torch.where(farther < -_OUT, farther, allowed.min(1).values)
    return F.relu(own - nearest + margin).mean()


def _accuracy(scores: Tensor, weights: Tensor) -> Tensor:
    taking_part = scores.detach().masked_fill(weights <= _OUT, _OUT)
    target = torch.arange(len(scores), device=scores.device)
    return (taking_part.argmax(1) == target).float().mean()


@in_float32
def lag_contrast(motion: Tensor, audio: Tensor, *, temperature: Tensor) -> Contrast:
    """The true lag against all others of a whole sequence, from embeddings (B, n, E) of B sequences of n windows.

    What the `valid` measure will ask, made a loss: the mean distance over the overlap of each lag, softmax over lags,
    target 0. Lags with few overlapping windows are noisy, and this teaches the syncer not to be fooled by them.
    """
    n = motion.shape[1]
    if n < LEAST_WINDOWS:
        raise ValueError(f"stretches of {n} windows have no lags to compare; at least {LEAST_WINDOWS} are needed")
    distances = torch.cdist(motion, audio)                                              # (B, n, n)
    most = min(15, (n - 1) // 2, n - 3)
    lags = range(-most, most + 1)
    means = torch.stack([distances.diagonal(lag, dim1=1, dim2=2).mean(1) for lag in lags], dim=1)   # (B, lags)
    target = torch.full((len(motion),), most, device=motion.device)
    near = (means.argmin(1) - most).abs() <= 1
    return Contrast(F.cross_entropy(-means / temperature, target), near.float().mean())
