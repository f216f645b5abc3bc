"""How made lips go with real ones: correlation of shapes, closures and their moments, crossings, dependence on the start.

Shapes: C clips of T frames. Openings are signed and in distances of the outer eye corners (`headsync.landmarks.lips`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from headsync.landmarks.lips import CLOSED, CROSSED, LipShapes
from headsync.landmarks.quality import correlation

TOLERANCE_FRAMES = 1                # by which a closure may come early or late
LEAST_MOTION = 1e-5                 # of an opening
LEAST_CLIPS = 3                     # for a correlation over clips


class Closures(NamedTuple):
    """How closures go together when made lips count as closed in as many frames as real ones are; NaN without closures."""

    recall: float           # share of really closed frames with a made closure within a frame
    precision: float        # share of made closures with a really closed frame within a frame


class LipAgreement(NamedTuple):
    """How made lips go with the real ones of the same clip, or the mean over clips; NaN where real lips never close."""

    opening_r: float        # correlation over time
    width_r: float
    thickness_r: float
    closure_recall: float
    closure_precision: float
    recall_chance: float    # the same with the made lips half the clip later
    precision_chance: float


class LipLevels(NamedTuple):
    """How far made lips open over a set of clips; NaN where there is too little to tell."""

    closed: float           # share of frames
    crossed: float
    first_r: float          # correlation over clips of the mean opening with the first real frame's: what a start decides
    deviation: float        # of the opening over all frames, as a share of the real one
    p95: float              # the 95th percentile likewise


def closed_share(opening: np.ndarray) -> float:
    """Share of signed openings (T,) that are of a closed mouth."""
    return float((opening < CLOSED).mean())


def crossed_share(opening: np.ndarray) -> float:
    """Share of signed openings (T,) that are of crossed lips."""
    return float((opening < CROSSED).mean())


def closures_found(made: np.ndarray, real: np.ndarray) -> Closures:
    """How the closures of openings (T,) go together: closed are the real frames under the limit, and as many most closed made
    ones, so that a level is no matter. NaN where the real mouth never closes or never opens, or the made one stands still."""
    closed = real < CLOSED
    count = int(closed.sum())
    if not 0 < count < len(real) or np.ptp(made) < LEAST_MOTION:
        return Closures(float("nan"), float("nan"))
    chosen = np.zeros(len(made), bool)
    chosen[np.argsort(made, kind="stable")[:count]] = True
    return Closures(float(_near(chosen)[closed].mean()), float(_near(closed)[chosen].mean()))


def clip_agreement(made: LipShapes, real: LipShapes) -> LipAgreement:
    """The agreement of one clip's made and real lips, equally long."""
    opening = made.opening
    found, chance = (closures_found(one, real.opening) for one in (opening, np.roll(opening, len(opening) // 2)))
    return LipAgreement(*(correlation(*pair) for pair in zip(made, real, strict=True)), *found, *chance)


def lip_agreement(made: Sequence[LipShapes], real: Sequence[LipShapes]) -> LipAgreement:
    """Means over clips, each field over those that have it."""
    rows = np.array([clip_agreement(*pair) for pair in zip(made, real, strict=True)])               # (C, 7)
    known = np.isfinite(rows)
    return LipAgreement(*(float(rows[known[:, k], k].mean()) if known[:, k].any() else float("nan")
                          for k in range(rows.shape[1])))


def lip_levels(made: Sequence[np.ndarray], real: Sequence[np.ndarray]) -> LipLevels:
    """Levels of openings (T,) of clips beside the real ones."""
    ours, theirs = np.concatenate(made), np.concatenate(real)
    first = float("nan")
    if len(made) >= LEAST_CLIPS:
        first = correlation(np.array([one.mean() for one in made]), np.array([one[0] for one in real]))
    ratios = (_ratio(measure(ours), measure(theirs)) for measure in (np.std, lambda opening: np.percentile(opening, 95)))
    return LipLevels(closed_share(ours), crossed_share(ours), first, *ratios)


def lip_metrics(made: Sequence[LipShapes], real: Sequence[LipShapes]) -> dict[str, float]:
    """Everything above by name, for the log of a training, with the real lips' `closed_real`; what is NaN is left out."""
    found = lip_agreement(made, real)._asdict() | lip_levels([one.opening for one in made],
                                                            [one.opening for one in real])._asdict()
    found["closed_real"] = closed_share(np.concatenate([one.opening for one in real]))
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _near(marked: np.ndarray) -> np.ndarray:
    """Which frames (T,) lie within the tolerance of a marked one."""
    return np.convolve(marked, np.ones(2 * TOLERANCE_FRAMES + 1), "same") > 0


def _ratio(ours: float, theirs: float) -> float:
    return float(ours / theirs) if theirs > 1e-6 else float("nan")
