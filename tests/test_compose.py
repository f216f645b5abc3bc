"""Heads and faces put together: blocks equal the whole, heads go where they are told, nothing jumps, lips stay as they are."""

import itertools

import numpy as np
import pytest
import torch

from headsync.landmarks import RIGID17, canonical_face, rotation_matrix, rotation_vector, similarity_fit
from headsync.landmarks.lips import lip_opening
from headsync.landmarks.motion import (
    anchored,
    compose_motion,
    head_track,
    lid_closures,
    looped,
    natural_blinks,
    reposed,
    still_head,
)
from headsync.landmarks.motion.blinks import LID_PAIRS, PROFILE, blinked
from headsync.landmarks.motion.compose import TRANSITION_FRAMES, transition
from headsync.media import recut

FIT = list(RIGID17)


def talking(frames, *, seed=1, head=1.0):
    """A face whose mouth opens and whose head wanders smoothly, pixels (T, 68, 3); frame 0 is a turned start."""
    random = np.random.default_rng(seed)
    time = np.arange(frames)[:, None] / 25
    points = canonical_face().astype(np.float64)[None].repeat(frames, 0)
    points[:, [*range(55, 60), *range(65, 68)], 1] += 4 * np.abs(np.sin(5 * time))
    swing = np.sin(time * random.uniform(1, 3, 7) + random.uniform(0, 6, 7)) - np.sin(random.uniform(0, 6, 7))
    turned = rotation_matrix(head * 0.12 * swing[:, :3] + [0.02, 0.1, 0.03])
    middle = points[:, FIT].mean(1, keepdims=True)
    shift = np.pad(head * 7 * swing[:, 3:5], ((0, 0), (0, 1)))[:, None]
    size = 1.3 * np.exp(head * 0.05 * swing[:, 5])[:, None, None]
    return (size * (points - middle) @ np.swapaxes(turned, 1, 2) + middle + shift).astype(np.float32)


def composed(points, **how):
    return np.concatenate(list(compose_motion([points], points[0], **how)))


def rotation_from(start, points):
    """Rotation vectors (T, 3) of the head against the start's."""
    return rotation_vector(similarity_fit(start[FIT].astype(np.float64), points[:, FIT]).rotation)


def test_nothing_asked_changes_no_bit():
    points = talking(53)
    assert np.array_equal(composed(points), points)


@pytest.mark.parametrize("head", ["still", "loop", None])
@pytest.mark.parametrize("size", [1, 7, 300])
def test_blocks_equal_the_whole(size, head):
    points, source = talking(211), anchored(head_track(talking(37, seed=5)))

    def how():
        heads = {"still": lambda: still_head(points[0]), "loop": lambda: looped(source), None: lambda: None}[head]()
        lids = natural_blinks(torch.Generator().manual_seed(3), per_minute=40)
        return dict(head=heads, lids=lids, head_scale=0.7, frames=211)

    blocks = list(compose_motion(recut([points], size), points[0], **how()))
    assert {len(block) for block in blocks[:-1]} <= {size}
    np.testing.assert_array_equal(np.concatenate(blocks), composed(points, **how()))


def test_a_still_head_stands_still_and_lips_go_on():
    points = talking(101)
    made = composed(points, head=still_head(points[0]))
    assert np.abs(made[:, FIT] - points[0, FIT]).max() < 1e-3 < 1 < np.abs(points[:, FIT] - points[0, FIT]).max()
    np.testing.assert_allclose(lip_opening(made), lip_opening(composed(points, head_scale=0.0)), atol=1e-4)
    np.testing.assert_array_equal(made[0], points[0])


def test_a_copied_head_follows_its_source():
    points, source = talking(201), talking(201, seed=9)
    track = anchored(head_track(source))
    made = composed(points, head=looped(track), frames=201)
    inside = slice(TRANSITION_FRAMES, 201 - TRANSITION_FRAMES)
    found = head_track(made)
    turned = rotation_matrix(found[inside, :3]) @ np.swapaxes(rotation_matrix(track[inside, :3]), 1, 2)
    assert np.degrees(np.linalg.norm(rotation_vector(turned), axis=1)).max() < 0.01
    place, wanted = made[inside][:, FIT].mean(1)[:, :2], source[inside][:, FIT].mean(1)[:, :2]
    scale = head_scale_of(points[0]) / np.median([head_scale_of(one) for one in source])
    apart = (place - place.mean(0)) - scale * (wanted - wanted.mean(0))
    assert np.abs(apart).max() < 0.1
    assert np.ptp(wanted, axis=0).min() > 3
    np.testing.assert_allclose(np.diff(found[inside, 5]), np.diff(track[inside, 5]), atol=1e-5)


def head_scale_of(face):
    return float(similarity_fit(canonical_face()[FIT], face[FIT].astype(np.float64)).scale)


@pytest.mark.parametrize("head", ["copied", "own"])
def test_half_a_head_is_half_of_turn_and_shift(head):
    points, track = talking(101), anchored(head_track(talking(101, seed=9)))
    whole, half = (composed(points, head=looped(track) if head == "copied" else None, head_scale=scale) for scale in (1.0, 0.5))
    turns = [rotation_from(points[0], one) for one in (whole, half)]
    np.testing.assert_allclose(turns[1], 0.5 * turns[0], atol=0.005 * np.abs(turns[0]).max())
    shifts = [one[:, FIT].mean(1) - points[0, FIT].mean(0) for one in (whole, half)]
    np.testing.assert_allclose(shifts[1], 0.5 * shifts[0], atol=0.02 * np.abs(shifts[0]).max())


@pytest.mark.parametrize("frames", [1, 2, 5, 31, 97])
def test_loops_do_not_jump(frames):
    track = head_track(talking(frames, seed=7))
    pieces = np.concatenate(list(itertools.islice(looped(track), 3)))
    np.testing.assert_allclose(pieces[: max(frames - 9, 1)], track[: max(frames - 9, 1)], atol=1e-12)
    own = np.abs(np.diff(track, axis=0)).max(0, initial=0)
    assert (np.abs(np.diff(pieces, axis=0)).max(0) <= own + 1e-9).all()
    assert (pieces.min(0) >= track.min(0) - 1e-9).all() and (pieces.max(0) <= track.max(0) + 1e-9).all()


def test_faces_do_not_jump_where_a_loop_turns_nor_where_blocks_meet():
    points, source = talking(211, head=0), talking(40, seed=5)
    own = np.linalg.norm(np.diff(source[:, FIT, :2], axis=0), axis=-1).max()
    made = np.concatenate(list(compose_motion(recut([points], 23), points[0], head=looped(anchored(head_track(source))),
                                              frames=211)))
    steps = np.linalg.norm(np.diff(made[:, FIT, :2], axis=0), axis=-1).max(1)               # (T - 1,)
    assert steps[[at + near for at in range(39, 180, 39) for near in (-1, 0)]].max() < 0.5 * own < 3
    assert steps[22::23].max() < 3 and steps.max() < 1.2 * own


def test_loops_slow_down_to_a_turn():
    steps = np.abs(np.diff(np.concatenate(list(itertools.islice(looped(np.arange(61.0)), 1)))))
    assert steps[45:51].min() > 0.99 and steps[58:62].max() < 0.3
    assert np.abs(np.diff(steps)).max() < 0.2       # where a corner would turn at once, by 2


def test_motion_begins_and_ends_at_the_start():
    points = talking(151)
    far = anchored(head_track(talking(151, seed=9)))
    far[:, 1] += 0.3
    made = composed(points, head=looped(far), frames=151)
    np.testing.assert_allclose(made[-1, FIT], points[0, FIT], atol=0.01)
    assert np.linalg.norm(np.diff(made[:, FIT], axis=0), axis=-1).max() < 4
    weights = transition(np.arange(151), 151)
    assert weights[0] == weights[-1] == 0 and (weights[TRANSITION_FRAMES : 151 - TRANSITION_FRAMES] == 1).all()
    assert np.abs(np.diff(weights)).max() < 0.07 and transition(np.arange(2), 2).tolist() == [0, 0]
    assert transition(np.arange(100), None)[-1] == 1


def test_reposing_with_its_own_head_changes_nothing():
    points = talking(47)
    track = head_track(points)
    own = np.concatenate([track[:, :3], track[:, 3:] - track[0, 3:]], axis=1)
    scale = head_scale_of(points[0])
    own[:, 3:5] = (points[:, FIT].mean(1) - points[0, FIT].mean(0))[:, :2] / scale
    made = reposed(points, points[0], own)
    depth = points[:, FIT].mean(1)[:, 2] - points[0, FIT].mean(0)[2]
    assert np.abs(depth).max() < 1e-3
    np.testing.assert_allclose(made, points, atol=1e-3)


def test_blinks_are_seeded_and_natural():
    def drawn(seed, rate=17.0):
        return np.concatenate(list(itertools.islice(natural_blinks(torch.Generator().manual_seed(seed), per_minute=rate), 400)))

    one, again, other = drawn(3), drawn(3), drawn(4)
    assert np.array_equal(one, again) and not np.array_equal(one[:500], other[:500])
    begun = np.flatnonzero((one[1:] > 0) & (one[:-1] == 0))
    assert 15 < 1500 * len(begun) / len(one) < 19 and one[:12].max() == 0
    waits = np.diff(begun)
    assert waits.std() > 0.4 * waits.mean() and waits.min() >= 12 + len(PROFILE)
    still = natural_blinks(torch.Generator(), per_minute=0)
    assert not np.concatenate([next(still) for _ in range(30)]).any()
    with pytest.raises(ValueError, match="--blink takes 0 to 60 blinks a minute, got 61"):
        natural_blinks(torch.Generator(), per_minute=61)


def test_lids_meet_and_nothing_else_moves():
    points = talking(7)
    shut, same = blinked(points, np.ones(7)), blinked(points, np.zeros(7))
    assert np.array_equal(same, points)
    for upper, lower in LID_PAIRS:
        np.testing.assert_allclose(shut[:, upper], shut[:, lower], atol=1e-4)
    lids = [index for pair in LID_PAIRS for index in pair]
    others = [index for index in range(68) if index not in lids]
    assert np.array_equal(shut[:, others], points[:, others])


def test_lids_are_copied_from_a_video():
    points = talking(83)
    blink = np.zeros(83)
    blink[41:46] = PROFILE
    found = lid_closures(blinked(points, blink))
    assert found[42:45].min() > 0.9 and np.delete(found, range(40, 47)).max() < 0.1
    made = composed(points, lids=looped(found))
    assert np.linalg.norm(made[43, 37] - made[43, 41]) < 0.3 * np.linalg.norm(made[0, 37] - made[0, 41])


@pytest.mark.parametrize("how, words", [
    ({"head_scale": -1.0}, "--head-scale must be 0 or more, got -1"), ({"lip_scale": float("nan")}, "--lip-scale"),
    ({"lip_closure": -1.0}, "--lip-closure"),
    ({"head": [np.zeros((5, 6))]}, "the head motion ends before the face does"),
    ({"lids": [np.zeros(5)]}, "the blinking ends before the face does")])
def test_what_cannot_be_is_one_line(how, words):
    with pytest.raises(ValueError, match=words) as caught:
        composed(talking(31), **how)
    assert "\n" not in str(caught.value)


def test_empty_tracks_are_refused():
    with pytest.raises(ValueError, match="at least 1 frame"):
        next(looped(np.zeros((0, 6))))
    with pytest.raises(ValueError, match="at least 1 frame"):
        head_track(np.zeros((0, 68, 3)))
    with pytest.raises(ValueError, match="all coincide"):
        head_track(np.zeros((3, 68, 3), np.float32))
