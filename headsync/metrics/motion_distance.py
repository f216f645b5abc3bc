"""How far the motion of generated faces is from that of real ones: Fréchet distances in closed form.

Shapes: C clips, T frames, n windows of W frames, N samples, D = 136 coordinates, K components, d features. Unit: features
are root mean square ways of the landmarks in percent of the face's size (velocities: per frame), so distances are in squared
percent, and their roots in percent. There is no network in it: these are neither FID nor FVD.
Source: Heusel et al. 2017 (the distance); Dowson and Landau 1982 (its closed form); method/decisions.md#networks-of-others.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.fft import dct
from scipy.linalg import eigh

COORDINATES = 136
LANDMARKS = COORDINATES // 2
COMPONENTS = 20
SHRINKAGE = 0.1         # a part of the measure, as distances depend on it; see `frechet`
WINDOW_FRAMES = 40      # 1.6 s
WINDOW_HOP = 20
WINDOW_WAVES = 20       # of its 40 cosines the slow ones, up to 6.25 Hz: holds syllables, leaves landmark jitter out
LEAST_CLIPS = 2
DRAWS = 200
LEVEL = 0.95
_PERCENT = 100.0
_LEAST_SHARE = 1e-10    # of the first component's variance: one with less is rounding noise


class MotionFeatures(NamedTuple):
    """What is compared, clip by clip. The squared norm of a sample is the mean over landmarks of squared ways."""

    positions: np.ndarray       # (C, T - 1, D) way from the clip's first frame
    velocities: np.ndarray      # (C, T - 1, D) way from one frame to the next
    windows: np.ndarray         # (C, n, 20 * D) slow cosines of W frames each, their mean taken off


class MotionDistances(NamedTuple):
    """Squared Fréchet distances in squared percent of the face's size: 0 for equal motion, no upper end."""

    positions: float
    velocities: float
    windows: float


class DistanceInterval(NamedTuple):
    """Where the distances of all such clips lie, as far as those at hand can tell."""

    low: MotionDistances
    high: MotionDistances


class _Moments(NamedTuple):
    """Sums over the samples of each clip, from which mean and covariance of any choice of clips follow."""

    samples: int            # of one clip
    total: np.ndarray       # (C, K)
    product: np.ndarray     # (C, K, K)


def frechet(a: np.ndarray, b: np.ndarray, *, shrinkage: float) -> float:
    """The squared Fréchet distance of the Gaussians with the means and covariances of `a` (N, d) and `b` (N, d).

    |m_a - m_b|^2 + trace(S_a + S_b - 2 (S_a^(1/2) S_b S_a^(1/2))^(1/2)), covariances over N - 1, a share `shrinkage` of
    each replaced by its own diagonal: variances stay, correlations, the noisier part, become smaller, and with any share
    above 0 fewer samples than features leave no direction empty. ValueError for under two samples, unequal d and a
    share outside 0 to 1.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"a distance needs at least 2 samples (N, d) a side, of equal d, got {a.shape} and {b.shape}")
    if not 0 <= shrinkage <= 1:
        raise ValueError(f"shrinkage is a share from 0 to 1, got {shrinkage}")
    covariance = [_shrunk(np.atleast_2d(np.cov(side, rowvar=False)), shrinkage) for side in (a, b)]
    return gaussian_distance(a.mean(0), covariance[0], b.mean(0), covariance[1])


def gaussian_distance(mean_a: np.ndarray, covariance_a: np.ndarray, mean_b: np.ndarray,
                      covariance_b: np.ndarray) -> float:
    """The squared Fréchet distance of two Gaussians with means (d,) and covariances (d, d).

    The trace of (S_a^(1/2) S_b S_a^(1/2))^(1/2) is the sum of the singular values of S_a^(1/2) S_b^(1/2): real, and
    exact where a covariance has no inverse, which a general matrix root is not.
    """
    common = np.linalg.svd(_root(covariance_a) @ _root(covariance_b), compute_uv=False).sum()
    apart = np.square(mean_a - mean_b).sum() + np.trace(covariance_a) + np.trace(covariance_b) - 2 * common
    return max(float(apart), 0.0)


def motion_features(clips: Sequence[np.ndarray]) -> MotionFeatures:
    """Positions, velocities and windows of clips (T, 136) of equal length, in the model form on a square canvas.

    Every clip is measured from its own first frame, landmark by landmark, by that frame's size: the root mean square
    distance of the landmarks to their middle. The first frame is what a generator is given, so it is the anchor that
    both sides share; shape and place of the person cancel, and drift counts in full, of which a clip's own mean would
    hide half. So this compares how faces move, not what they look like. ValueError for clips of other shapes, of unequal
    or too few frames, with values that are not finite, or that begin with a face without size.
    """
    checked = [_checked(clip) for clip in clips]
    lengths = sorted({len(clip) for clip in checked})
    if len(lengths) != 1 or lengths[0] < WINDOW_FRAMES:
        raise ValueError(f"clips must have one length of at least {WINDOW_FRAMES} frames, got {lengths[:5]}")
    flat = np.stack(checked)                                                                    # (C, T, D)
    face = flat[:, 0].reshape(len(flat), LANDMARKS, 2)
    size = np.sqrt(np.square(face - face.mean(1, keepdims=True)).sum(-1).mean(-1))              # (C,)
    if not (size > 0).all():
        raise ValueError(f"clip {int(size.argmin())} begins with a face without size; leave it out")
    unit = _PERCENT / size / np.sqrt(LANDMARKS)
    way = (flat - flat[:, :1]) * unit[:, None, None]                                            # (C, T, D)
    starts = range(0, way.shape[1] - WINDOW_FRAMES + 1, WINDOW_HOP)
    windows = np.stack([way[:, start : start + WINDOW_FRAMES] for start in starts], axis=1)     # (C, n, W, D)
    waves = dct(windows, axis=2, norm="ortho")[:, :, 1 : WINDOW_WAVES + 1] / np.sqrt(WINDOW_FRAMES)
    return MotionFeatures(way[:, 1:], np.diff(way, axis=1), waves.reshape(*waves.shape[:2], -1))


def motion_distances(generated: Sequence[np.ndarray], real: Sequence[np.ndarray], *, frames: int,
                     components: int = COMPONENTS, seed: int | np.random.Generator,
                     paired: bool = False) -> MotionDistances:
    """Squared Fréchet distances of generated from real clips (T, 136) in positions, velocities and 1.6 s windows.

    Every clip is cut to its first `frames` frames and shorter ones are left out; then the larger side is thinned to the
    number of the smaller one, drawn with `seed`. When `paired`, generated[i] was made from the start of real[i], and
    both go or stay. Features are projected on the `components` main directions of the real clips' alone; what lies
    outside of them is not seen (`motion_statistics` sees jitter, `face_shape_error` broken faces). Figures compare only
    at equal frames, clips and components, and best when both sides come of the same clips: two groups of 30 real clips
    of the development corpus are 22, 9 and 45 % as far apart as static faces are. ValueError when fewer than 2 clips of
    a side are long enough, or when the real ones stand still.
    """
    sides = _equal_sides(generated, real, frames=frames, paired=paired, random=np.random.default_rng(seed))
    moments = _projected_moments(*sides, components)
    everyone = np.arange(len(sides[0]))
    return MotionDistances(*(_distance(*pair, everyone, everyone) for pair in moments))


def distance_interval(generated: Sequence[np.ndarray], real: Sequence[np.ndarray], *, frames: int,
                      components: int = COMPONENTS, seed: int | np.random.Generator, paired: bool = False,
                      draws: int = DRAWS, level: float = LEVEL) -> DistanceInterval:
    """The interval that holds the distances of `motion_distances` at confidence `level`, by drawing clips again.

    Whole clips are drawn, as frames of a clip are alike, and pairs together when `paired` (pairs taken for strangers get
    a meaningless interval). It is the basic interval, 2 * found - quantiles of the draws: a distance of few clips is too
    large, that of a draw from them is so again by about as much, and the difference takes it off; plain quantiles never
    hold the truth of unpaired sides. So it may lie below the found distance. People differ much in how they move: of 30
    clips of the development corpus the 95 % interval held the distance of all 303 in 62 to 100 % of trials, of 100 clips
    in 76 to 100 %. Errors as in `motion_distances`.
    """
    random = np.random.default_rng(seed)
    sides = _equal_sides(generated, real, frames=frames, paired=paired, random=random)
    moments, C = _projected_moments(*sides, components), len(sides[0])
    found = np.array([_distance(*pair, np.arange(C), np.arange(C)) for pair in moments])                # (3,)
    drawn = []
    for _ in range(draws):
        ours = random.integers(C, size=C)
        theirs = ours if paired else random.integers(C, size=C)
        drawn.append([_distance(*pair, ours, theirs) for pair in moments])
    tail = (1 - level) / 2
    low, high = np.maximum(2 * found - np.quantile(drawn, [1 - tail, tail], axis=0), 0)                 # (3,) each
    return DistanceInterval(MotionDistances(*low.tolist()), MotionDistances(*high.tolist()))


def _checked(clip: np.ndarray) -> np.ndarray:
    clip = np.asarray(clip, np.float64)
    if clip.ndim != 2 or clip.shape[1] != COORDINATES or not np.isfinite(clip).all():
        raise ValueError(f"motion is compared of finite clips (T, {COORDINATES}), got {clip.shape}")
    return clip


def _equal_sides(generated: Sequence[np.ndarray], real: Sequence[np.ndarray], *, frames: int, paired: bool,
                 random: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Both sides cut to `frames`, in equal numbers."""
    if paired and len(generated) != len(real):
        raise ValueError(f"pairs need as many generated clips as real ones, got {len(generated)} and {len(real)}")
    if paired:
        kept = [pair for pair in zip(generated, real) if min(map(len, pair)) >= frames]
        sides = [list(side) for side in zip(*kept)] or [[], []]
    else:
        sides = [[clip for clip in side if len(clip) >= frames] for side in (generated, real)]
    count = min(map(len, sides))
    if count < LEAST_CLIPS:
        raise ValueError(f"distances at {frames} frames need {LEAST_CLIPS} clips as long on each side, got {len(sides[0])} "
                         f"generated and {len(sides[1])} real; give more or take fewer frames")
    chosen = [np.sort(random.permutation(len(side))[:count]) for side in sides]      # in order: pairs stay pairs
    return tuple([side[index][:frames] for index in picked] for side, picked in zip(sides, chosen))


def _projected_moments(generated: list[np.ndarray], real: list[np.ndarray],
                       components: int) -> list[tuple[_Moments, _Moments]]:
    """For each kind of feature the moments of both sides, in the main directions of the real one."""
    pairs = []
    for ours, theirs in zip(motion_features(generated), motion_features(real)):
        mean = theirs.mean((0, 1))
        basis = _main_directions((theirs - mean).reshape(-1, theirs.shape[-1]), components)
        pairs.append((_moments((ours - mean) @ basis), _moments((theirs - mean) @ basis)))
    return pairs


def _main_directions(centred: np.ndarray, components: int) -> np.ndarray:
    """The first principal axes (d, K) of centred samples (N, d), found on the smaller of the two sides."""
    if components < 1:
        raise ValueError(f"distances need at least 1 component, got {components}")
    wide = len(centred) < centred.shape[1]
    square = centred @ centred.T if wide else centred.T @ centred
    last = len(square) - 1
    values, vectors = eigh(square, subset_by_index=[max(0, last - components + 1), last])
    if not values[-1] > 0:
        raise ValueError("the real clips stand still, so they have no directions of motion; give moving ones")
    kept = values > _LEAST_SHARE * values[-1]
    return centred.T @ vectors[:, kept] / np.sqrt(values[kept]) if wide else vectors[:, kept]  # (d, K)


def _moments(samples: np.ndarray) -> _Moments:
    """Of samples (C, n, K), clip by clip."""
    return _Moments(samples.shape[1], samples.sum(1), np.swapaxes(samples, 1, 2) @ samples)


def _distance(ours: _Moments, theirs: _Moments, our_clips: np.ndarray, their_clips: np.ndarray) -> float:
    """The distance of two choices of clips, given by their numbers, of which some may come more than once."""
    return gaussian_distance(*_mean_and_covariance(ours, our_clips), *_mean_and_covariance(theirs, their_clips))


def _mean_and_covariance(moments: _Moments, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = moments.samples * len(clips)
    mean = moments.total[clips].sum(0) / count
    covariance = (moments.product[clips].sum(0) - count * np.outer(mean, mean)) / (count - 1)
    return mean, _shrunk(covariance, SHRINKAGE)


def _root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric square root of a covariance (d, d)."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _shrunk(covariance: np.ndarray, share: float) -> np.ndarray:
    return (1 - share) * covariance + share * np.diag(np.diag(covariance))
