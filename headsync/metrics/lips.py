"""What lips do, in numbers that know up from down: opening, width, thickness, closures, crossings.

Shapes: T frames, 68 landmarks of faces turned to the front (x right, y down), any unit. Openings are signed: lower less upper
inner lip down the face's own axis, below 0 where lips cross, which a distance cannot tell. The unit is the distance of the
outer eye corners.
"""

from typing import NamedTuple

import numpy as np

from headsync.landmarks.layouts import INNER_PAIRS

CLOSED, CROSSED = 0.03, -0.02       # signed openings, in eye distances: lips are closed below the one, cross below the other
TOLERANCE_FRAMES = 1                # by which a closure may come early or late
_UPPER, _LOWER = (list(side) for side in zip(*INNER_PAIRS))


class LipShapes(NamedTuple):
    """Shapes over time, in eye distances."""

    opening: np.ndarray     # (T,) signed, mean of three pairs of inner lips
    width: np.ndarray       # (T,) between the corners of the mouth
    thickness: np.ndarray   # (T,) of both lips together, signed: outer to inner line in the middle


class LipAgreement(NamedTuple):
    """How made lips go with the real ones of the same clip; means over clips."""

    opening_r: float        # correlation over time
    width_r: float
    thickness_r: float
    closure_recall: float   # share of real closures that are among as many most closed made frames, within a frame
    closure_chance: float   # the same with the made lips half the clip later


def lip_shapes(faces: np.ndarray) -> LipShapes:
    """Shapes of frontal faces (T, 68, 3)."""
    eyes = np.maximum(np.linalg.norm(faces[:, 45, :2] - faces[:, 36, :2], axis=1), 1e-6)
    opening = (faces[:, _LOWER, 1] - faces[:, _UPPER, 1]).mean(1)
    width = np.linalg.norm(faces[:, 54, :2] - faces[:, 48, :2], axis=1)
    thickness = faces[:, 62, 1] - faces[:, 51, 1] + faces[:, 57, 1] - faces[:, 66, 1]
    return LipShapes(opening / eyes, width / eyes, thickness / eyes)


def closed_share(opening: np.ndarray) -> float:
    """Share of signed openings (T,) that are of a closed mouth."""
    return float((opening < CLOSED).mean())


def crossed_share(opening: np.ndarray) -> float:
    """Share of signed openings (T,) that are of crossed lips."""
    return float((opening < CROSSED).mean())


def correlation(made: np.ndarray, real: np.ndarray) -> float:
    """Pearson's r of two series (T,); 0 where either is constant."""
    made, real = made - made.mean(), real - real.mean()
    norm = float(np.linalg.norm(made) * np.linalg.norm(real))
    return float(made @ real) / norm if norm > 1e-12 else 0.0


def closures_found(made: np.ndarray, real: np.ndarray) -> float:
    """Share of the frames with really closed lips, of openings (T,), near which made lips are among as many most closed frames.

    NaN where the real mouth never closes or never opens.
    """
    closed = real < CLOSED
    count = int(closed.sum())
    if not 0 < count < len(real):
        return float("nan")
    chosen = np.zeros(len(made), bool)
    chosen[np.argsort(made, kind="stable")[:count]] = True
    reach = 2 * TOLERANCE_FRAMES + 1
    near = np.convolve(chosen, np.ones(reach), "same") > 0
    return float(near[closed].mean())


def lip_agreement(made: list[LipShapes], real: list[LipShapes]) -> LipAgreement:
    """Means over clips of equal lengths, made and real."""
    pairs = list(zip(made, real, strict=True))
    rows = [[correlation(getattr(one, name), getattr(other, name)) for name in LipShapes._fields] for one, other in pairs]
    found = [closures_found(one.opening, other.opening) for one, other in pairs]
    chance = [closures_found(np.roll(one.opening, len(one.opening) // 2), other.opening) for one, other in pairs]
    return LipAgreement(*np.mean(rows, axis=0).tolist(), _mean_of_finite(found), _mean_of_finite(chance))


def _mean_of_finite(values: list[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")
