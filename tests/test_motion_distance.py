"""Distances of motion: right for Gaussians that are known, zero for equal motion, larger for more different motion."""

import numpy as np
import pytest
import scipy.linalg

from headsync.landmarks.canonical import canonical_face
from headsync.landmarks.geometry import rotation_matrix
from headsync.landmarks.smoothing import smooth
from headsync.metrics.motion_distance import (
    MotionDistances,
    distance_interval,
    frechet,
    gaussian_distance,
    motion_distances,
    motion_features,
)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def sample_of(mean: np.ndarray, covariance: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """Samples (N, d) whose own mean and covariance are exactly these."""
    raw = noise(count, len(mean), seed=seed)
    white, _ = np.linalg.qr(raw - raw.mean(0))
    return mean + np.sqrt(count - 1) * white @ np.linalg.cholesky(covariance).T


def covariance_of(size: int, *, seed: int) -> np.ndarray:
    mixed = noise(size, size, seed=seed)
    return mixed @ mixed.T / size + 0.1 * np.eye(size)


def moving(count: int, frames: int, *, seed: int = 0, amount: float = 1.0) -> list[np.ndarray]:
    """Clips (T, 136) of faces that nod, turn and talk, each a person with a size and a place of their own."""
    clips = []
    for number in range(count):
        random = np.random.default_rng([seed, number])
        curves = smooth(random.standard_normal((frames + 40, 9)), 7)[20:-20] * amount                   # (T, 9)
        face = canonical_face() - canonical_face().mean(0) + 2 * random.standard_normal((68, 3))
        faces = np.repeat(face[None], frames, 0)
        faces[:, 55:60, 1] += 3 * curves[:, :1]
        faces[:, 48:68] += 2 * curves[:, None, 1:4]
        moved = faces @ np.swapaxes(rotation_matrix(0.2 * curves[:, 4:7]), 1, 2)                        # (T, L, 3)
        moved[..., :2] += 9 * curves[:, None, 7:]
        size, place = 0.8 + 0.4 * random.random(), 0.4 + 0.2 * random.random(2)
        clips.append((place + size * moved[..., :2] / 256).reshape(frames, -1))
    return clips


def more(clips: list[np.ndarray], factor: float) -> list[np.ndarray]:
    """The same clips moving `factor` times as far from their first frame."""
    return [clip[:1] + factor * (clip - clip[:1]) for clip in clips]


def close(one: MotionDistances, other: MotionDistances, **tolerance) -> bool:
    return np.allclose(one, other, **tolerance)


def test_one_dimension_is_worked_by_hand():
    a, b = sample_of(np.array([3.0]), np.array([[4.0]]), 11), sample_of(np.array([-1.0]), np.array([[25.0]]), 7)
    assert frechet(a, b, shrinkage=0) == pytest.approx(4**2 + (5 - 2) ** 2)


@pytest.mark.parametrize("size", [2, 5, 13])
def test_known_gaussians_have_the_distance_of_the_formula(size):
    means = noise(2, size)
    one, other = covariance_of(size, seed=1), covariance_of(size, seed=2)
    root = scipy.linalg.sqrtm(one)
    middle = scipy.linalg.sqrtm(root @ other @ root).real
    expected = np.square(means[0] - means[1]).sum() + np.trace(one + other - 2 * middle)
    found = frechet(sample_of(means[0], one, 31), sample_of(means[1], other, 17, seed=3), shrinkage=0)
    assert found == pytest.approx(expected, rel=1e-9)
    assert gaussian_distance(means[1], other, means[0], one) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("count", "shrinkage"), [(31, 0.0), (31, 0.1), (7, 0.0), (7, 0.1), (2, 1.0)])
def test_equal_samples_are_at_distance_zero_even_when_they_are_few(count, shrinkage):
    a = noise(count, 13) @ noise(13, 13, seed=1)
    assert frechet(a, a[::-1], shrinkage=shrinkage) < 1e-10


def test_a_shift_counts_by_its_square_and_a_scale_by_its_spread():
    a = noise(101, 13)
    spread = np.trace(np.cov(a, rowvar=False))
    for share in (0, 0.3, 1):
        assert frechet(a, a + 2, shrinkage=share) == pytest.approx(13 * 4)
        assert frechet(a, a.mean(0) + 3 * (a - a.mean(0)), shrinkage=share) == pytest.approx(4 * spread)


def test_shrinking_takes_from_correlations_and_not_from_variances():
    def plane(correlation):
        return np.array([[1, correlation], [correlation, 1]])

    a, b = (sample_of(np.zeros(2), plane(correlation), 11) for correlation in (0.8, -0.8))
    for share in (0, 0.25, 1):
        left = 0.8 * (1 - share)
        expected = 2 * (np.sqrt(1 + left) - np.sqrt(1 - left)) ** 2
        assert frechet(a, b, shrinkage=share) == pytest.approx(expected, abs=1e-12)


def test_shrinking_helps_where_samples_are_fewer_than_features():
    pairs = [(noise(11, 19, seed=2 * seed), noise(11, 19, seed=2 * seed + 1)) for seed in range(23)]
    plain, shrunk = (np.mean([frechet(a, b, shrinkage=share) for a, b in pairs]) for share in (0.0, 0.3))
    assert np.isfinite(plain) and shrunk < 0.9 * plain     # the truth is 0


@pytest.mark.parametrize(("a", "b", "shrinkage", "told"), [
    (noise(1, 3), noise(5, 3), 0, "at least 2 samples"), (noise(5, 3), noise(5, 2), 0, "equal d"),
    (noise(5), noise(5), 0, "at least 2"), (noise(5, 3), noise(5, 3), 1.5, "got 1.5"), (noise(5, 3), noise(5, 3), -1, "got -1"),
])
def test_hopeless_samples_are_refused(a, b, shrinkage, told):
    with pytest.raises(ValueError, match=told):
        frechet(a, b, shrinkage=shrinkage)


def test_features_are_ways_in_percent_of_the_face():
    face = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]] * 17)                         # root mean square radius 1
    steps = np.arange(47)[:, None, None] * [0.03, 0.04]                                 # 5 % a frame
    clip = (0.5 + 0.2 * (face + steps)).reshape(47, 136)
    found = motion_features([clip, clip])
    assert found.positions.shape == found.velocities.shape == (2, 46, 136) and found.windows.shape == (2, 1, 20 * 136)
    assert np.allclose(np.linalg.norm(found.velocities, axis=-1), 5)
    assert np.allclose(np.linalg.norm(found.positions, axis=-1), 5 * np.arange(1, 47))


def test_every_clip_is_measured_by_its_own_face():
    """However near each camera is: sizes of the other clips say nothing."""
    clips = moving(3, 43)
    sized = [0.3 + size * (clip - 0.3) for size, clip in zip((0.5, 1.0, 1.7), clips)]
    for one, other in zip(motion_features(clips), motion_features(sized)):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def test_windows_hold_slow_motion_and_neither_place_nor_jitter():
    still = np.full((120, 136), 0.5) + np.tile([0.1, 0, -0.1, 0], 34)
    wave = 0.01 * np.sin(np.arange(120) * 2 * np.pi / 40)[:, None]
    jitter = 0.01 * (-1.0) ** np.arange(120)[:, None]
    waving, displaced, jittering = (motion_features([clip]).windows for clip in (
        still + wave, still + wave + 0.07 * (np.arange(120) > 0)[:, None], still + jitter))
    assert waving.shape == (1, 5, 20 * 136)
    assert np.allclose(waving[:, 1:], displaced[:, 1:])                                 # the place does not matter
    power = np.square(waving).sum(-1)
    assert np.allclose(power, np.square(0.01 * np.sqrt(2) / 0.1 * 100) / 2, rtol=0.02)  # half the squared amplitude
    assert np.square(jittering).sum(-1).max() < 0.05 * power.min()


@pytest.mark.parametrize("frames", [40, 80, 200])
def test_equal_clips_are_at_distance_zero_and_others_are_not(frames):
    real = moving(7, 211)
    assert close(motion_distances(real, real[::-1], frames=frames, seed=0), (0, 0, 0), atol=1e-8)
    distances = [motion_distances(more(real, factor), real, frames=frames, seed=0) for factor in (1.1, 1.5, 2.0)]
    assert (np.diff(distances, axis=0) > 0).all() and np.min(distances) > 0
    exact = np.array(distances[2]) / np.array(distances[1])
    assert np.allclose(exact, 4)        # twice as much too much is four times the squared distance


def test_drift_grows_with_length():
    real = moving(11, 200)
    drifting = [clip + 0.0005 * np.arange(200)[:, None] for clip in real]
    short, long = (motion_distances(drifting, real, frames=frames, seed=0) for frames in (40, 200))
    assert long.positions > 4 * short.positions and long.velocities == pytest.approx(short.velocities, rel=0.5)


def test_static_faces_are_far_in_everything_and_other_people_are_not():
    real, others = moving(31, 80), moving(31, 80, seed=1)
    static = motion_distances([clip[:1].repeat(80, 0) for clip in real], real, frames=80, seed=0)
    people = motion_distances(others, real, frames=80, seed=0)
    assert (np.array(people) < 0.3 * np.array(static)).all() and people.velocities < 0.05 * static.velocities
    size = np.square(motion_features(real).velocities).sum(-1).mean()
    assert static.velocities == pytest.approx(size, rel=0.05)       # all of the real motion is missing


@pytest.mark.parametrize("components", [1, 5, 300])
def test_of_real_motion_its_main_directions_count(components):
    real = moving(3, 80)
    real += more(real, -1)                              # there and back: on average no motion
    static = [clip[:1].repeat(80, 0) for clip in real]
    found = motion_distances(static, real, frames=80, components=components, seed=0)
    for distance, feature in zip(found, motion_features(real)):
        samples = feature.reshape(-1, feature.shape[-1])
        spread = np.square(np.linalg.svd(samples, compute_uv=False)) / (len(samples) - 1)
        assert distance == pytest.approx(spread[:components].sum(), rel=1e-6)


def test_the_camera_does_not_matter():
    real, generated = moving(7, 80), more(moving(7, 80, seed=1), 1.3)
    turn = 1.7 * np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])

    def seen(clips):
        return [(clip.reshape(-1, 68, 2) @ turn + [0.3, -0.1]).reshape(-1, 136) for clip in clips]

    before = motion_distances(generated, real, frames=80, seed=0)
    assert close(motion_distances(seen(generated), seen(real), frames=80, seed=0), before, rtol=1e-6)


def test_directions_come_from_the_real_clips_alone():
    real = moving(3, 40)
    stray = np.linalg.svd(np.concatenate([clip - clip[0] for clip in real]))[2][-1]     # no real landmark goes there
    amount = 0.3 * noise(40, 1) * (np.arange(40) > 0)[:, None]
    straying = [clip + amount * stray for clip in real]
    found = motion_distances(straying, real, frames=40, components=5, seed=0)
    assert max(found) < 1e-6
    assert motion_distances(real, straying, frames=40, components=5, seed=0).velocities > 1e-3


def test_sides_are_cut_and_thinned_to_equal_counts():
    real, others = moving(7, 80), moving(23, 80, seed=1)
    ragged = [clip if number % 2 else clip[:50] for number, clip in enumerate(others)]      # 11 of 23 are long enough
    long = [clip for clip in ragged if len(clip) == 80]
    first = motion_distances(ragged, real, frames=80, seed=0)
    assert first == motion_distances(long, real, frames=80, seed=0) == motion_distances(long, real, frames=80, seed=0)
    assert first != motion_distances(ragged, real, frames=80, seed=1)                       # other 7 of the 11
    assert first == motion_distances(ragged, real, frames=80, seed=np.random.default_rng(0))
    assert close(motion_distances([clip[:40] for clip in real], real, frames=40, seed=0), (0, 0, 0), atol=1e-8)


def test_pairs_go_or_stay_together():
    real = [clip if number != 2 else clip[:50] for number, clip in enumerate(moving(7, 80))]
    assert close(motion_distances(moving(7, 80), real, frames=80, seed=0, paired=True), (0, 0, 0), atol=1e-8)
    assert motion_distances(moving(7, 80), real, frames=80, seed=0).positions > 1
    with pytest.raises(ValueError, match="got 6 and 7"):
        motion_distances(real[1:], real, frames=80, seed=0, paired=True)


def test_the_interval_of_pairs_holds_the_truth_and_narrows_with_clips():
    everyone = moving(200, 40)
    truth = motion_distances(more(everyone, 1.3), everyone, frames=40, seed=0)
    widths = []
    for count in (20, 80):
        some = everyone[:count]
        low, high = distance_interval(more(some, 1.3), some, frames=40, seed=0, paired=True, draws=100)
        # windows of few clips are not held: their main directions fit these clips better than others
        assert low.positions < truth.positions < high.positions and low.velocities < truth.velocities < high.velocities
        widths.append(np.subtract(high, low))
    assert (widths[1] < 0.7 * widths[0]).all()
    apart = distance_interval(more(some, 1.3), some, frames=40, seed=0, draws=100)
    assert (np.subtract(apart.high, apart.low) > 1.3 * widths[1])[:2].all()     # as if drawn from different people
    assert distance_interval(some, some, frames=40, seed=0, paired=True, draws=11).high == pytest.approx((0, 0, 0), abs=1e-8)


def test_the_interval_of_other_people_who_move_alike_reaches_zero():
    low, high = distance_interval(moving(20, 40), moving(20, 40, seed=1), frames=40, seed=0, draws=100)
    found = motion_distances(moving(20, 40), moving(20, 40, seed=1), frames=40, seed=0)
    assert low == (0, 0, 0) and min(high) >= 0 and min(found) > 0
    again = distance_interval(moving(20, 40), moving(20, 40, seed=1), frames=40, seed=0, draws=100)
    assert again.high == high


@pytest.mark.parametrize(("generated", "real", "frames", "told"), [
    (moving(7, 40), moving(1, 40), 40, "7 generated and 1 real"), (moving(7, 40), moving(7, 40), 80, "0 generated and 0 real"),
    (moving(7, 40), moving(7, 40), 39, "at least 40 frames"), (moving(7, 40), [np.zeros((40, 136))] * 2, 40, "without size"),
    (moving(7, 40), [clip[:1].repeat(40, 0) for clip in moving(7, 40)], 40, "stand still"),
    ([np.zeros((40, 204))] * 2, moving(7, 40), 40, r"\(40, 204\)"),
    ([np.full((40, 136), np.nan)] * 2, moving(7, 40), 40, "finite"),
])
def test_hopeless_clips_are_refused(generated, real, frames, told):
    with pytest.raises(ValueError, match=told) as caught:
        motion_distances(generated, real, frames=frames, seed=0)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="got 0"):
        motion_distances(moving(2, 40), moving(2, 40), frames=40, components=0, seed=0)
