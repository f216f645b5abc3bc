"""The reference whose head stands nearest is found, training makes it hard, and picked references cover a clip."""

import numpy as np
import pytest
import torch

from render_stage.geometry.motion_matcher import SPREAD, WORST_SHARE, match, match_hard, motion_distance, pick_references


def motions(frames: int, *, seed: int = 0) -> np.ndarray:
    """Head motion (T, 6) of the usual size."""
    return np.random.default_rng(seed).standard_normal((frames, 6)) * SPREAD


def test_distances_by_hand():
    h = np.array([[0.066, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 2 * 16.95]])
    references = np.array([[0.0, 0, 0, 0, 0, 0], [0, 0.132, 0, 0, 0, 0], [0.066, 0, 0, -3 * 9.99, 0, 0]])
    assert np.allclose(motion_distance(h, references), [[1, 2, 9], [4, 5, 14]])
    assert match(h, references).tolist() == [0, 0]


def test_a_frame_among_the_references_finds_itself():
    h = motions(37)
    assert (match(h, h) == np.arange(37)).all()
    chosen = np.array([31, 2, 17, 5])
    assert (match(h[chosen], h[chosen]) == np.arange(4)).all()


def test_rotation_and_translation_both_count():
    references = np.array([[0.0, 0.3, 0, 0, 0, 0], [0, 0, 0, 31, 0, 0]])
    assert match(np.array([[0, 0.26, 0, 0, 0, 0], [0, 0, 0, 23, 0, 0]]), references).tolist() == [0, 1]


def test_each_frame_is_matched_alone():
    h, references = motions(23), motions(7, seed=1)
    assert (match(h, references) == np.concatenate([match(h[t : t + 1], references) for t in range(23)])).all()


def test_training_takes_the_worst_or_any():
    h, references = motions(4001), motions(11, seed=1)
    found = match_hard(h, references, torch.Generator().manual_seed(3))
    worst = motion_distance(h, references).argmax(1)
    hits = (found == worst).mean()
    assert abs(hits - (WORST_SHARE + (1 - WORST_SHARE) / 11)) < 0.03
    others = np.bincount(found[found != worst], minlength=11)
    assert (others > 0).all() and others.sum() == (1 - hits) * 4001
    assert abs((found == match(h, references)).mean() - (1 - WORST_SHARE) / 11) < 0.02      # the best only by chance


def test_training_repeats_with_its_seed_and_not_with_another():
    h, references = motions(53), motions(11, seed=1)
    one, same, other = (match_hard(h, references, torch.Generator().manual_seed(seed)) for seed in (3, 3, 5))
    assert (one == same).all() and (one != other).any()


def test_a_single_reference_is_always_it():
    assert (match(motions(13), motions(1)) == 0).all()
    assert (match_hard(motions(13), motions(1), torch.Generator().manual_seed(3)) == 0).all()


def test_picks_begin_in_front_and_go_to_the_ends():
    h = np.zeros((41, 6))
    h[:, 1] = np.linspace(-0.3, 0.5, 41)                            # frontal at frame 15
    assert pick_references(h, 1).tolist() == [15]
    assert pick_references(h, 3).tolist() == [15, 40, 0]
    assert pick_references(h, 4).tolist()[3] in (27, 28)            # then the middle of the widest gap


def test_every_group_of_poses_gets_its_reference():
    groups = motions(5, seed=7) * 5
    member = np.random.default_rng(1).integers(0, 5, 97)
    h = groups[member] + 0.01 * motions(97, seed=2)
    assert sorted(member[pick_references(h, 5)]) == [0, 1, 2, 3, 4]


def test_frames_without_a_face_are_never_picked():
    h, visible = motions(31), np.random.default_rng(5).random(31) < 0.5
    h[~visible] *= 9
    picks = pick_references(h, 13, visible)
    assert visible[picks].all() and len(set(picks.tolist())) == 13
    assert picks[0] == min(np.flatnonzero(visible), key=lambda t: np.abs(h[t, :3]).sum())


def test_short_and_still_clips_give_as_many_as_asked():
    picks = pick_references(motions(3), 8)
    assert sorted(picks[:3]) == [0, 1, 2] and picks.tolist() == [*picks[:3], *picks[:3], *picks[:2]]
    still = pick_references(np.zeros((7, 6)), 5)
    assert len(set(still.tolist())) == 5
    one = np.zeros(7, bool)
    one[4] = True
    assert pick_references(motions(7), 3, one).tolist() == [4, 4, 4]


@pytest.mark.parametrize(("h", "references", "told"), [
    (np.zeros((3, 3)), np.zeros((2, 6)), "(3, 3)"), (np.zeros((3, 6)), np.zeros((0, 6)), "at least one"),
    (np.zeros(6), np.zeros((2, 6)), "(6,)"), (np.full((3, 6), np.nan), np.zeros((2, 6)), "finite"),
])
def test_other_forms_are_refused(h, references, told):
    with pytest.raises(ValueError) as error:
        match(h, references)
    assert told in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(("count", "visible"), [(0, None), (3, np.zeros(7, bool))])
def test_impossible_picks_are_refused(count, visible):
    with pytest.raises(ValueError, match="cannot pick"):
        pick_references(motions(7), count, visible)
