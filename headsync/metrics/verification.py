"""How well embeddings distinguish people: cosines of the same and of different people, ROC area, equal error rate.

Shapes: N faces, E embedding features. Source: method/decisions.md#networks-of-others (calibration printed beside every
CSIM).
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

APART_FRAMES = 25       # frames of one clip that are nearer than a second are no test


class Pairs(NamedTuple):
    """Cosines of pairs of faces."""

    genuine: np.ndarray         # one person, in one clip at least a second apart or in two clips
    other_clip: np.ndarray      # of these, the ones of two clips
    impostor: np.ndarray        # two people


class Verification(NamedTuple):
    """How far same and different people are apart."""

    genuine_mean: float
    genuine_std: float
    impostor_mean: float
    impostor_std: float
    roc_area: float             # chance that a genuine pair is more alike than an impostor one
    equal_error: float          # where as many genuine pairs are refused as impostor ones are taken


def pair_cosines(embeddings: np.ndarray, person: np.ndarray, clip: np.ndarray, frame: np.ndarray) -> Pairs:
    """All pairs' cosines of embeddings (N, E) of length 1, with everybody's number, clip number and frame number (N,)."""
    one, other = np.triu_indices(len(embeddings), 1)
    cosines = (embeddings @ embeddings.T)[one, other]
    same, elsewhere = person[one] == person[other], clip[one] != clip[other]
    apart = elsewhere | (np.abs(frame[one] - frame[other]) >= APART_FRAMES)
    return Pairs(cosines[same & apart], cosines[same & elsewhere], cosines[~same])


def verify(genuine: np.ndarray, impostor: np.ndarray) -> Verification:
    """The figures of two sets of cosines. ValueError when one is empty."""
    if not len(genuine) or not len(impostor):
        raise ValueError(f"{len(genuine)} genuine and {len(impostor)} impostor pairs say nothing; give two people, seen twice")
    ranks = rankdata(np.concatenate([genuine, impostor]))[: len(genuine)]
    area = (ranks.mean() - (len(genuine) + 1) / 2) / len(impostor)
    limits = np.sort(np.concatenate([genuine, impostor]))
    refused = np.searchsorted(np.sort(genuine), limits) / len(genuine)
    taken = 1 - np.searchsorted(np.sort(impostor), limits) / len(impostor)
    nearest = np.abs(refused - taken).argmin()
    return Verification(float(genuine.mean()), float(genuine.std()), float(impostor.mean()), float(impostor.std()), float(area),
                        float(refused[nearest] + taken[nearest]) / 2)


def threshold_at(genuine: np.ndarray, impostor: np.ndarray, *, taken: float) -> tuple[float, float]:
    """The cosine above which a share `taken` of impostor pairs lies, and the share of genuine pairs above it.

    ValueError when either is empty, or `taken` is not between 0 and 1.
    """
    if not len(genuine) or not len(impostor) or not 0 < taken < 1:
        raise ValueError(f"{len(genuine)} genuine and {len(impostor)} impostor pairs and a share of {taken} give no threshold")
    limit = float(np.quantile(impostor, 1 - taken))
    return limit, float((genuine > limit).mean())
