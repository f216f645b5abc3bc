"""Fréchet distances: closed forms, SciPy's matrix root, and intervals that hold what they say."""

import numpy as np
import pytest
import scipy.linalg

from headsync.metrics.frechet import Gaussian, compare_features, feature_distance, fit_gaussian, frechet_distance, shrinkage


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def covariance(d: int, *, seed: int) -> np.ndarray:
    root = noise(d, d + 5, seed=seed)
    return root @ root.T / d


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_one_dimension_by_hand():
    one, other = Gaussian(np.array([1.0]), np.array([[4.0]])), Gaussian(np.array([4.0]), np.array([[25.0]]))
    assert frechet_distance(one, other) == pytest.approx(3**2 + (2 - 5) ** 2)


def test_commuting_covariances_by_hand():
    turned = np.linalg.qr(noise(3, 3))[0]
    one = Gaussian(np.zeros(3), turned @ np.diag([1.0, 4, 9]) @ turned.T)
    other = Gaussian(np.array([1.0, 2, 2]), turned @ np.diag([16.0, 4, 0]) @ turned.T)
    assert frechet_distance(one, other) == pytest.approx(9 + (1 - 4) ** 2 + 0 + 9)


def test_equal_covariances_leave_the_means():
    spread = covariance(7, seed=1)
    assert frechet_distance(Gaussian(np.zeros(7), spread), Gaussian(np.full(7, 2.0), spread)) == pytest.approx(28)
    assert frechet_distance(Gaussian(np.zeros(7), spread), Gaussian(np.zeros(7), spread)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_scipys_matrix_root_agrees(seed):
    first, second = covariance(11, seed=seed), covariance(11, seed=seed + 10)
    means = noise(2, 11, seed=seed + 20)
    golden = (np.square(means[0] - means[1]).sum()
              + np.trace(first + second - 2 * np.real(scipy.linalg.sqrtm(first @ second))))
    found = frechet_distance(Gaussian(means[0], first), Gaussian(means[1], second))
    assert found == pytest.approx(golden, rel=1e-9)
    assert frechet_distance(Gaussian(means[1], second), Gaussian(means[0], first)) == pytest.approx(found, rel=1e-9)


def test_torchmetrics_fid_agrees_on_given_features():
    """Its Inception network is put aside: both compare the same features, covariances over N - 1."""
    torch = pytest.importorskip("torch")
    fid = pytest.importorskip("torchmetrics.image.fid")

    class Given(torch.nn.Module):
        num_features = 7

        def forward(self, features):
            return features

    generated, real = noise(53, 7) @ covariance(7, seed=3) + 1, noise(41, 7, seed=1)
    golden = fid.FrechetInceptionDistance(feature=Given()).set_dtype(torch.float64)
    golden.update(torch.from_numpy(generated), real=False)
    golden.update(torch.from_numpy(real), real=True)
    assert feature_distance(generated, real) == pytest.approx(float(golden.compute()), rel=1e-6)


def test_singular_covariances_are_no_trouble():
    flat = np.diag([4.0, 0, 0])
    other = np.diag([0.0, 9, 0])
    assert frechet_distance(Gaussian(np.zeros(3), flat), Gaussian(np.zeros(3), other)) == pytest.approx(13)


def test_mean_and_covariance_are_the_samples():
    features = noise(29, 5) * [1, 2, 3, 4, 5] + 7
    found = fit_gaussian(features)
    np.testing.assert_allclose(found.mean, features.mean(0))
    np.testing.assert_allclose(found.covariance, np.cov(features.T))
    assert found.rest == 0 and found.others == 0


def test_shrinkage_follows_the_papers_sums():
    features = noise(17, 5) @ covariance(5, seed=3)
    centred = features - features.mean(0)
    S = centred.T @ centred / 17
    level = np.trace(S) / 5
    delta = np.square(S - level * np.eye(5)).sum()
    beta = sum(np.square(np.outer(x, x) - S).sum() for x in centred) / 17**2
    assert 0.05 < shrinkage(features) < 1
    assert shrinkage(features) == pytest.approx(min(beta, delta) / delta)
    shrunk = fit_gaussian(features, shrink=True)
    assert np.trace(shrunk.covariance) == pytest.approx(np.trace(np.cov(features.T)))
    expected = (1 - beta / delta) * np.cov(features.T) + beta / delta * np.trace(np.cov(features.T)) / 5 * np.eye(5)
    np.testing.assert_allclose(shrunk.covariance, expected)


def test_few_samples_are_shrunk_more_and_it_helps():
    lopsided = np.diag([5.0, 3, 1, 1, 1, 1, 0.5, 0.5, 0.2, 0.2, 0.1])
    truth = Gaussian(np.zeros(11), lopsided @ lopsided)
    assert shrinkage(noise(13, 11) @ lopsided) > 3 * shrinkage(noise(499, 11) @ lopsided)
    assert shrinkage(noise(13, 11)) > 0.5
    round_sets = [noise(13, 11, seed=seed) for seed in range(7)]
    aim = Gaussian(np.zeros(11), np.eye(11))
    raw = np.mean([frechet_distance(fit_gaussian(one), aim) for one in round_sets])
    shrunk = np.mean([frechet_distance(fit_gaussian(one, shrink=True), aim) for one in round_sets])
    assert shrunk < 0.7 * raw and frechet_distance(truth, truth) < 1e-9


@pytest.mark.parametrize("shrink", [False, True])
def test_more_features_than_samples_give_the_same_in_the_space_they_span(shrink):
    one, other = noise(7, 53) * np.linspace(1, 2, 53), noise(7, 53, seed=1) * 1.7 + 0.3
    direct = frechet_distance(fit_gaussian(one, shrink=shrink), fit_gaussian(other, shrink=shrink))
    found = compare_features(one, other, generator=generator(), shrink=shrink, draws=3)
    assert found.value == pytest.approx(direct, rel=1e-6) and found.dimensions == 53 and found.samples == 7


def test_sets_are_cut_to_equal_size():
    large, small = noise(101, 3), noise(23, 3, seed=1)
    assert compare_features(large, small, generator=generator(), draws=3).samples == 23
    assert compare_features(small, large, generator=generator(), draws=3).samples == 23


def test_the_same_generator_gives_the_same_interval():
    one, other = noise(41, 3), noise(53, 3, seed=1)
    assert compare_features(one, other, generator=generator(5)) == compare_features(one, other, generator=generator(5))
    assert compare_features(one, other, generator=generator(5)) != compare_features(one, other, generator=generator(6))


def test_the_interval_narrows_with_samples_and_holds_the_estimate():
    few, many = (compare_features(noise(count, 3), noise(count, 3, seed=1) + 1, generator=generator()) for count in (29, 997))
    for found in (few, many):
        assert 0 <= found.low < found.value < found.high
    assert many.high - many.low < 0.4 * (few.high - few.low)


def test_resampling_does_not_push_the_interval_off_the_estimate():
    one, other = noise(29, 11), noise(29, 11, seed=1)
    found = compare_features(one, other, generator=generator(), shrink=False)
    numbers = generator(7)
    resampled = [feature_distance(one[numbers.integers(0, 29, 29)], other[numbers.integers(0, 29, 29)]) for _ in range(60)]
    assert np.percentile(resampled, 2.5) > found.value, "this is what is to be put right"
    assert found.low < found.value < found.high < np.median(resampled) + found.high - found.low


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """The distance of two far Gaussians with 199 samples, whose bias is small: |m|^2 = 27."""
    held = 0
    for seed in range(20):
        found = compare_features(noise(199, 3, seed=seed), noise(199, 3, seed=1000 + seed) + 3, generator=generator(seed),
                                 shrink=False, draws=40)
        held += found.low <= 27 <= found.high
    assert 16 <= held <= 20


@pytest.mark.parametrize(("one", "other", "told"), [
    (noise(5, 3), noise(5, 4), "got \\(5, 3\\) and \\(5, 4\\)"), (noise(1, 3), noise(5, 3), "at least 2 samples"),
    (noise(5), noise(5), "must be"), (np.full((5, 3), np.nan), noise(5, 3), "not finite"),
])
def test_hopeless_features_are_refused(one, other, told):
    with pytest.raises(ValueError, match=told):
        compare_features(one, other, generator=generator(), draws=1)


def test_gaussians_of_other_dimensions_are_refused():
    with pytest.raises(ValueError, match="3 and 2 dimensions"):
        frechet_distance(Gaussian(np.zeros(3), np.eye(3)), Gaussian(np.zeros(2), np.eye(2)))
