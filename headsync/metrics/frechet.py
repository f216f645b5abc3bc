"""How far two sets of network features lie apart as Gaussians: the Fréchet distance, with an interval.

Shapes: N samples, d features, r dimensions of the space both sets span.
Source: Dowson and Landau 1982; Heusel et al. 2017 (FID, equation 6); Ledoit and Wolf 2004 (shrinkage);
method/measures.md#frechet-distances, method/decisions.md#networks-of-others. An estimate from few samples is too large, the
more so the smaller N: compare figures of equal N only.
"""

from typing import NamedTuple

import numpy as np

from headsync.metrics.motion_distance import gaussian_distance


class Gaussian(NamedTuple):
    """A normal distribution in d dimensions, of which r are written out; the others are alike and independent."""

    mean: np.ndarray        # (r,) float64
    covariance: np.ndarray  # (r, r) float64
    rest: float = 0.0       # variance along each of the d - r dimensions that are not written out; the mean there is 0
    others: int = 0         # d - r


class FrechetScore(NamedTuple):
    """A Fréchet distance between two sets of the same size."""

    value: float        # squared, as FID is; 0 for identical sets
    low: float          # 95 % bootstrap interval
    high: float
    samples: int        # N, of each set
    dimensions: int     # d


def frechet_distance(one: Gaussian, other: Gaussian) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2) of two Gaussians written out in the same dimensions.

    The symmetric form of `headsync.metrics.motion_distance`, to which the dimensions that are not written out are added.
    ValueError for different dimensions or numbers that are not finite.
    """
    if one.covariance.shape != other.covariance.shape or one.others != other.others:
        raise ValueError(f"Gaussians of {len(one.mean) + one.others} and {len(other.mean) + other.others} dimensions cannot "
                         "be compared; make both of the same features")
    if not all(np.isfinite(part).all() for part in (one.mean, one.covariance, other.mean, other.covariance)):
        raise ValueError("the features hold numbers that are not finite; remove those samples first")
    written = gaussian_distance(one.mean, one.covariance, other.mean, other.covariance)
    return written + one.others * float(np.sqrt(one.rest) - np.sqrt(other.rest)) ** 2


def fit_gaussian(features: np.ndarray, *, shrink: bool = False, dimensions: int | None = None) -> Gaussian:
    """Mean and covariance (N - 1) of features (N, r), shrunk towards a multiple of the identity when asked for.

    `dimensions` is d where the features are coordinates in an r-dimensional part of a larger space. ValueError for
    under two samples.
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"features must be (N, d) with at least 2 samples, got {features.shape}")
    N, r = features.shape
    d = r if dimensions is None else dimensions
    mean = features.mean(0)
    centred = features - mean
    covariance = centred.T @ centred / (N - 1)                                      # (r, r)
    weight = shrinkage(features, dimensions=d) if shrink else 0.0
    level = weight * np.trace(covariance) / d
    return Gaussian(mean, (1 - weight) * covariance + level * np.eye(r), level, d - r)


def shrinkage(features: np.ndarray, *, dimensions: int | None = None) -> float:
    """Ledoit and Wolf's weight in [0, 1] of the identity, from features (N, r) of a d-dimensional space."""
    centred = np.asarray(features, np.float64) - np.mean(features, axis=0)
    N, r = centred.shape
    d = r if dimensions is None else dimensions
    gram = centred @ centred.T / N if N < r else centred.T @ centred / N            # same trace and norm either way
    energy = np.square(gram).sum()
    spread = energy - np.trace(gram) ** 2 / d                                       # |S - tr(S)/d I|^2
    noise = (np.square(np.square(centred).sum(1)).sum() / N - energy) / N           # mean |x x' - S|^2 over N
    return float(np.clip(noise / spread, 0, 1)) if spread > 1e-12 * energy else 1.0


def feature_distance(generated: np.ndarray, real: np.ndarray, *, shrink: bool = False) -> float:
    """The Fréchet distance of all features (N, d) and (M, d); not shrunk, as FID and FVD are. ValueError as below."""
    generated, real = _checked(generated, real)
    return _distance(*_spanned(generated, real), shrink=shrink, dimensions=generated.shape[1])


def compare_features(generated: np.ndarray, real: np.ndarray, *, generator: np.random.Generator, shrink: bool = True,
                     draws: int = 100) -> FrechetScore:
    """The Fréchet distance of features (N, d) and (M, d), of which the larger set is thinned at random to equal N.

    The interval comes from `draws` bootstrap samples of both sets. Resampling inflates the distance, so the spread of
    the draws is laid round the estimate; what the estimate is too large by, for N is finite, it does not tell.
    ValueError for other shapes and under two samples.
    """
    generated, real = _checked(generated, real)
    N, d = min(len(generated), len(real)), generated.shape[1]
    one, other = _spanned(_thinned(generated, N, generator), _thinned(real, N, generator))
    value = _distance(one, other, shrink=shrink, dimensions=d)
    spread = [_distance(one[generator.integers(0, N, N)], other[generator.integers(0, N, N)], shrink=shrink, dimensions=d)
              for _ in range(draws)]
    low, middle, high = np.percentile(spread, (2.5, 50, 97.5)) if draws else (value, value, value)
    return FrechetScore(value, max(0.0, float(value + low - middle)), float(value + high - middle), N, d)


def _checked(generated: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    generated, real = np.asarray(generated, np.float64), np.asarray(real, np.float64)
    if generated.ndim != 2 or real.ndim != 2 or generated.shape[1] != real.shape[1]:
        raise ValueError(f"features must be (N, d) and (M, d), got {generated.shape} and {real.shape}")
    if min(len(generated), len(real)) < 2:
        raise ValueError(f"a Fréchet distance needs at least 2 samples of each kind, got {len(generated)} and {len(real)}")
    return generated, real


def _distance(one: np.ndarray, other: np.ndarray, *, shrink: bool, dimensions: int) -> float:
    return frechet_distance(*(fit_gaussian(part, shrink=shrink, dimensions=dimensions) for part in (one, other)))


def _thinned(features: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    if len(features) == count:
        return features
    return features[np.sort(generator.choice(len(features), count, replace=False))]  # (count, d)


def _spanned(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both sets, (N, d) and (M, d), in coordinates (N, r) and (M, r) of the space they span, where that is the smaller one.

    Distances stay as they are, and 2048 features of a hundred clips need no matrices of 2048 by 2048.
    """
    if len(one) + len(other) > one.shape[1]:
        return one, other
    joined = np.concatenate([one, other])
    joined = joined - joined.mean(0)                                                # (N + M, d)
    basis = np.linalg.qr(joined.T)[0]                                               # (d, r)
    coordinates = joined @ basis                                                    # (N + M, r)
    return coordinates[: len(one)], coordinates[len(one) :]
