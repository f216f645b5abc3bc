"""Lips close: less opening in order, none crossed, the rest of the face as it was, no jump, blocks equal the whole."""

import numpy as np
import pytest

from headsync.landmarks import RIGID17, canonical_face, frontal_fit, rotation_matrix
from headsync.landmarks.lips import lip_opening
from headsync.landmarks.motion import compose_motion, still_head
from headsync.landmarks.motion.lips import BEGIN_FRAMES, INNER_PAIRS, closed_lips, opening_after, uncrossed_lips
from headsync.media import recut

LOWER = [*range(55, 60), *range(65, 68)]
STAYS = [index for index in range(68) if index < 4 or 12 < index < 49 or index in (54, 60, 64)]


def talking(frames, *, open_px=5.0, seed=1):
    """A face (T, 68, 3) under a moving head whose lips nearly meet now and then; it starts `open_px` farther open."""
    time, random = np.arange(frames)[:, None] / 25, np.random.default_rng(seed)
    points = canonical_face().astype(np.float64)[None].repeat(frames, 0)
    for upper, lower in INNER_PAIRS:
        points[:, lower, 1] = points[:, upper, 1] + 1.0
    points[:, LOWER, 1] += open_px * (0.55 + 0.45 * np.cos(9 * time))
    middle = points.mean((0, 1))
    turned = rotation_matrix(0.3 * np.sin(time * random.uniform(1, 3, 3)) * [0.5, 1, 0.3])
    return (1.4 * (points - middle) @ np.swapaxes(turned, 1, 2) + middle + [3, -2, 5]).astype(np.float32)


def composed(points, **how):
    return np.concatenate(list(compose_motion([points], points[0], **how)))


def test_openings_shrink_in_order_and_never_below_nothing():
    opening = np.linspace(0, 0.4, 997)
    for taken in (0.0, 0.03, 0.2):
        left = opening_after(opening, taken)
        assert (np.diff(left) >= -1e-12).all() and left.min() >= 0 and (left <= opening).all()
        assert abs(left[-1] - (0.4 - taken)) < 1e-3
    assert opening_after(np.array([0.02]), 0.03)[0] < 0.001


def test_lips_that_nearly_met_meet_and_open_mouths_stay_open():
    points = talking(101)
    before, after = lip_opening(points), lip_opening(composed(points, lip_closure=1.0))
    assert before.min() > 0.01 and (before[BEGIN_FRAMES:] < 0.02).any()
    assert (after[BEGIN_FRAMES:][before[BEGIN_FRAMES:] < 0.02] < 0.01).all()
    wide = before[BEGIN_FRAMES:] > 0.9 * before.max()
    assert (after[BEGIN_FRAMES:][wide] > 0.6 * before[BEGIN_FRAMES:][wide]).all()
    order = np.argsort(before[BEGIN_FRAMES:])
    assert (np.diff(after[BEGIN_FRAMES:][order]) > -1e-4).all()
    np.testing.assert_allclose(after[BEGIN_FRAMES:], opening_after(before[BEGIN_FRAMES:], 0.005 + 0.3 * before[0]), atol=1e-4)


def test_crossed_lips_come_apart_until_they_touch():
    points = talking(53, open_px=20.0)
    begun, rotations = lip_opening(points), frontal_fit(points)
    down = rotations.rotation[:, 1] / rotations.scale[:, None]                              # (T, 3) a canonical pixel down
    for lower in LOWER:
        points[:, lower] -= (9.0 * down).astype(np.float32)
    before = lip_opening(points)
    made = uncrossed_lips(points, points[0])
    crossed, apart = before < -0.01, before > 0.01
    assert begun.min() > 0 and crossed.sum() > 10 < apart.sum() and before.min() < -0.05
    np.testing.assert_allclose(lip_opening(made)[crossed], 0, atol=2e-3)
    assert np.array_equal(made[apart], points[apart]) and np.array_equal(made[:, STAYS], points[:, STAYS])
    begun_crossed = points[crossed][0]          # a start whose lips cross: no more than they do there, and no jump
    made = uncrossed_lips(points, begun_crossed)
    expected = np.maximum(before, lip_opening(begun_crossed[None])[0])
    np.testing.assert_allclose(lip_opening(made), expected, atol=2e-3)
    np.testing.assert_array_equal(uncrossed_lips(begun_crossed[None], begun_crossed)[0], begun_crossed)
    np.testing.assert_array_equal(closed_lips(points, points[0], np.ones(53))[crossed], points[crossed])    # leaves them


@pytest.mark.parametrize("closure", [1.0, 3.0])
def test_no_lips_cross_and_nothing_else_moves(closure):
    points = talking(83)
    made = composed(points, lip_closure=closure)
    assert np.array_equal(made[:, STAYS], points[:, STAYS]) and np.array_equal(made[0], points[0])
    for upper, lower in INNER_PAIRS:
        before, after = (one[:, lower] - one[:, upper] for one in (points, made))
        assert ((before * after).sum(-1) > 0).all()
    for outer, inner in ((51, 62), (57, 66)):       # and lips stay lips: their own height does not shrink
        before, after = (np.linalg.norm(one[:, outer] - one[:, inner], axis=-1) for one in (points, made))
        assert (after > 0.95 * before).all()
    chin = np.linalg.norm(made[:, 8] - points[:, 8], axis=-1)
    lip = np.linalg.norm(made[:, 66] - points[:, 66], axis=-1)
    assert (chin <= 0.5 * lip + 1e-4).all() and chin.max() > 0.3 * lip.max()


def test_nothing_jumps_and_blocks_equal_the_whole():
    points = talking(97, open_px=9.0)
    made = composed(points, lip_closure=1.0)
    cut = np.concatenate(list(compose_motion(recut([points], 13), points[0], lip_closure=1.0)))
    assert np.array_equal(cut, made)
    assert np.abs(np.diff(made, axis=0)).max() < 1.1 * np.abs(np.diff(points, axis=0)).max() + 0.3
    assert np.array_equal(composed(points), points) and np.array_equal(closed_lips(points, points[0], np.zeros(97)), points)


def test_closing_does_not_ask_how_the_head_is_held():
    points = talking(61)
    moved, still = (composed(points, lip_closure=1.0, head=head) for head in (None, still_head(points[0])))
    np.testing.assert_allclose(lip_opening(moved), lip_opening(still), atol=2e-3)
    fixed = list(RIGID17)
    assert np.abs(still[:, fixed] - still[0, fixed]).max() < 1e-3
