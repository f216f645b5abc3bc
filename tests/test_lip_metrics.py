"""Lip measures by hand: signed in every pose, closures at their moments, levels that a first frame does not decide."""

import numpy as np
import pytest

from headsync.landmarks import canonical_face, rotation_matrix
from headsync.landmarks.layouts import INNER_PAIRS
from headsync.landmarks.lips import LipShapes, lip_opening, lip_shapes
from headsync.landmarks.quality import correlation
from headsync.metrics.lips import clip_agreement, closures_found, lip_agreement, lip_levels, lip_metrics

UPPER, LOWER = (list(side) for side in zip(*INNER_PAIRS))
EYES = float(np.linalg.norm(canonical_face()[45, :2] - canonical_face()[36, :2]))


def faces_with(openings: np.ndarray) -> np.ndarray:
    """Canonical faces (T, 68, 3) whose inner lips are so far apart, in eye distances, along the face's down axis."""
    faces = canonical_face().astype(np.float64)[None].repeat(len(openings), 0)
    faces[:, LOWER] = faces[:, UPPER]
    faces[:, LOWER, 1] += EYES * np.asarray(openings)[:, None]
    return faces


def shapes(opening: np.ndarray) -> LipShapes:
    return LipShapes(opening, opening + 1, 2 * opening)


def test_openings_know_up_from_down_in_every_pose():
    openings = np.array([-0.11, -0.02, 0.0, 0.05, 0.3])
    faces = faces_with(openings)
    np.testing.assert_allclose(lip_shapes(faces).opening, openings, atol=1e-6)
    for vector in ([0.0, 0, 0], [0, 0, 3.0], [0.4, -0.7, 0.2], [0, 0, np.pi]):     # upside down, too
        moved = 1.7 * (faces - 3) @ rotation_matrix(np.array(vector)).T + [40, -9, 5]
        np.testing.assert_allclose(lip_opening(moved), openings, atol=1e-5)
    across = faces.copy()
    across[:, LOWER, 0] += 5                                                        # lips beside each other are not open
    np.testing.assert_allclose(lip_opening(across), openings, atol=1e-6)


def test_width_and_thickness_by_hand():
    face = canonical_face()[None]
    found = lip_shapes(3 * face)
    assert found.width[0] == pytest.approx(np.linalg.norm(face[0, 54, :2] - face[0, 48, :2]) / EYES, rel=1e-5)
    rolled = face.copy()
    rolled[0, [51, 57], 1] += (4.0, -4.0)               # the outer line comes in on both sides: lips rolled in
    assert found.thickness[0] - lip_shapes(3 * rolled).thickness[0] == pytest.approx(8 / EYES, rel=1e-4)


def test_closures_are_counted_at_their_moments():
    real = np.array([0.1, 0.1, 0.0, 0.1, 0.1, 0.1, 0.0, 0.1, 0.1, 0.1])
    assert closures_found(0.5 + real, real) == (1, 1)           # ranked: no level matters
    assert closures_found(np.roll(real, 1), real) == (1, 1)     # a frame is near
    assert closures_found(np.roll(real, 2), real) == (0, 0)
    once = np.full(10, 0.2)
    once[[1, 2]] = 0.0                                          # both made closures near the first real one
    assert closures_found(once, real) == (0.5, 1)
    assert np.isnan(closures_found(real, np.zeros(10))).all() and np.isnan(closures_found(real, np.ones(10))).all()


def test_agreement_of_clips_and_its_chance():
    random = np.random.default_rng(3)
    real = [shapes(np.abs(random.normal(0, 0.06, 101))) for _ in range(5)]
    other = [shapes(np.abs(random.normal(0, 0.06, 101))) for _ in range(5)]
    same, apart = lip_agreement(real, real), lip_agreement(other, real)
    assert same[:5] == pytest.approx([1] * 5) and 0.4 < same.recall_chance < 0.9
    assert abs(apart.opening_r) < 0.2 and abs(apart.closure_recall - apart.recall_chance) < 0.15
    shut = shapes(np.zeros(101))
    assert np.isnan(clip_agreement(real[0], shut).closure_recall) and clip_agreement(real[0], shut).opening_r == 0
    assert lip_agreement([real[0], real[1]], [real[0], shut]).closure_recall == 1      # of those that have it


def test_levels_by_hand():
    real = [np.array([start, 0.0, 0.1, 0.2]) for start in (0.0, 0.1, 0.3)]
    added = [one[0] + np.array([0.0, -0.05, 0.01, 0.1]) for one in real]        # motion added to the first frame's mouth
    found = lip_levels(added, real)
    assert found.first_r == pytest.approx(1) and found.crossed == pytest.approx(1 / 12)
    assert found.closed == pytest.approx(3 / 12)
    every = np.concatenate(added), np.concatenate(real)
    assert found.deviation == pytest.approx(every[0].std() / every[1].std())
    assert found.p95 == pytest.approx(np.percentile(every[0], 95) / np.percentile(every[1], 95))
    apart = [np.array([level, level, 0.1, 0.2]) for level in (0.2, 0.0, 0.2)]    # means 1, 0, 1; starts 0, 1, 3
    assert lip_levels(apart, real).first_r == pytest.approx(1 / 2 / np.sqrt(7), rel=1e-6)
    assert np.isnan(lip_levels(added[:2], real[:2]).first_r)                    # two clips always lie on a line


def test_a_log_holds_numbers_only():
    found = lip_metrics([shapes(np.full(7, 0.1))] * 2, [shapes(np.full(7, 0.2))] * 2)
    assert found["closed"] == 0 and found["closed_real"] == 0 and "first_r" not in found and "closure_recall" not in found
    assert all(np.isfinite(value) for value in found.values())


def test_correlation_of_what_stands_still_is_nothing():
    assert correlation(np.arange(7.0), 3 * np.arange(7.0) - 2) == pytest.approx(1)
    assert correlation(np.arange(7.0), np.ones(7)) == 0
