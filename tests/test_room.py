"""Heads stay inside the picture: no landmark leaves, motion stays smooth, blocks equal the whole, what has room is left."""

import numpy as np
import pytest

from headsync.landmarks import RIGID17, canonical_face, smooth
from headsync.landmarks.motion import compose_motion, kept_inside, stream_inside
from headsync.landmarks.motion.room import EDGE, softly_limited

SIZE = (256, 256)
FRAMES = 307


def portrait(*, height, at):
    """The canonical face so high, from its brows to its chin, with its middle `at` a place of the canvas."""
    face = canonical_face().astype(np.float64)
    face = face * height / np.ptp(face[:, 1])
    middle = (face[:, :2].max(0) + face[:, :2].min(0)) / 2
    return (face + (*(np.array(at) - middle), 0)).astype(np.float32)


def head(size, seed=1):
    """A lively head (T, 6) that shifts, turns and comes nearer."""
    track = smooth(np.random.default_rng(seed).standard_normal((FRAMES, 6)), 31)
    return size * track / track.std(0) * (0.1, 0.15, 0.1, 20, 14, 0.05)


def moving(start, size, seed=1):
    return np.concatenate(list(compose_motion([np.repeat(start[None], FRAMES, 0)], start, head=iter([head(size, seed)]))))


@pytest.mark.parametrize("height, at", [(120, (128, 128)), (200, (128, 140)), (140, (80, 170)), (228, (128, 128))])
@pytest.mark.parametrize("size", [1.0, 4.0])
def test_no_landmark_leaves_the_canvas_and_motion_stays_smooth(height, at, size):
    start = portrait(height=height, at=at)
    free = moving(start, size)
    kept = kept_inside(free, start, SIZE)
    margin = min(EDGE * 256, start[:, :2].min(), 256 - start[:, :2].max()) - EDGE * 128
    assert kept[..., :2].min() >= margin and kept[..., :2].max() <= 256 - margin
    if size > 1:
        assert free[..., :2].min() < 0 or free[..., :2].max() > 256       # there was something to keep inside
    rigid = list(RIGID17)
    second = [np.abs(np.diff(one[:, rigid, :2], n=2, axis=0)).max() for one in (free, kept)]
    assert second[1] <= 1.5 * second[0]             # it does not run into a wall
    assert np.ptp(kept[:, 30, :2], axis=0).min() > 3                       # and is not nailed down


def test_a_head_with_room_moves_as_it_did_and_a_still_one_keeps_its_bits():
    start = portrait(height=90, at=(128, 120))
    free = moving(start, 0.5)
    assert np.abs(kept_inside(free, start, SIZE) - free).max() < 0.25 < np.abs(free - start).max()
    still = np.repeat(start[None], 5, 0)
    assert np.array_equal(kept_inside(still, start, SIZE), still)


def test_lips_do_not_move_heads():
    start = portrait(height=200, at=(128, 145))
    speaking = np.repeat(start[None], 41, 0)
    speaking[:, 48:, 1] += 2 * np.sin(np.arange(41))[:, None]
    assert np.array_equal(kept_inside(speaking, start, SIZE), speaking)


def test_a_jaw_that_drops_at_the_edge_stays_inside_too():
    start = portrait(height=220, at=(128, 136))
    speaking = np.repeat(start[None], 61, 0)
    speaking[:, 5:12, 1] += 20 * np.sin(np.arange(61) / 10)[:, None] ** 2
    kept = kept_inside(speaking, start, SIZE)
    assert speaking[..., 1].max() > 256 > kept[..., 1].max() and np.array_equal(kept[0], start)
    second = [np.abs(np.diff(one[..., 1], n=2, axis=0)).max() for one in (speaking, kept)]
    assert second[1] < 4 * second[0]              # a wall would make it five times as large


def test_a_face_beyond_the_edge_goes_no_farther_out():
    start = portrait(height=200, at=(128, 170))
    assert start[:, 1].max() > 256
    kept = kept_inside(moving(start, 2.0), start, SIZE)
    assert kept[..., 1].max() <= start[:, 1].max() + 4      # of the 60 and more that it moves


def test_blocks_equal_the_whole():
    start = portrait(height=180, at=(128, 140))
    free = moving(start, 3.0)
    blocks = np.concatenate(list(stream_inside(iter([free[:1], free[1:24], free[24:]]), start, SIZE)))
    np.testing.assert_allclose(blocks, kept_inside(free, start, SIZE), atol=1e-4)
    assert kept_inside(free[:0], start, SIZE).shape == (0, 68, 3)


def test_the_limit_is_smooth_and_never_reached():
    way = np.linspace(-30, 300, 3301)
    limited = softly_limited(way, np.full(len(way), 20.0))
    assert np.array_equal(limited[way <= 0], way[way <= 0]) and limited.max() <= 20
    slope = np.diff(limited) / np.diff(way)
    assert slope.min() >= 0 and np.abs(np.diff(slope)).max() < 0.02 and abs(limited[way == 10][0] - 10) < 0.2


def test_the_canvas_may_be_no_square():
    start = portrait(height=140, at=(160, 90))
    kept = kept_inside(moving(start, 4.0), start, (180, 320))
    assert kept[..., 0].max() > 256 or kept[..., 0].min() < 64
    assert kept[..., 0].max() <= 320 and kept[..., 1].max() <= 180
