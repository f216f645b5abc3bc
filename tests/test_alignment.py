"""Motions stay what they are on their own canvas, and go over to other faces without taking their owner's shape along."""

import numpy as np
import pytest

from headsync.landmarks import (
    RIGID17,
    RIGID27,
    HeadPose,
    Similarity,
    canonical_face,
    pose_points,
    rotation_matrix,
    similarity_fit,
    to_canvas,
)
from headsync.landmarks.lips import lip_opening
from headsync.landmarks.motion import face_shape_error
from render_stage.alignment import NEUTRAL_SHARE, MotionSurvey, carry_over, closed_mouth, crop_placement, face_placement

FIT = list(RIGID17)


def own_face(seed: int) -> np.ndarray:
    """A person's closed-mouthed frontal face (68, 3) at the canonical place: another shape for another seed."""
    face = canonical_face().astype(np.float64)
    face += 4 * np.random.default_rng(seed).standard_normal((68, 3))
    face[[65, 66, 67]] = face[[63, 62, 61]]         # the inner lips touch
    return face


def motion(frames: int, *, seed: int, turn: float = 0.3, shift: float = 9.0) -> np.ndarray:
    """A person nodding, turning, moving about and speaking (T, 68, 3); every fifth frame has the mouth closed."""
    random = np.random.default_rng(seed)
    waves = np.stack([np.sin(np.arange(frames) / speed + phase)
                      for speed, phase in zip(random.uniform(4, 11, 6), random.uniform(0, 6, 6))], 1)      # (T, 6)
    h = waves * [0.5 * turn, turn, 0.4 * turn, shift, 0.6 * shift, 0]
    front = own_face(seed)[None].repeat(frames, 0)
    lower = [55, 56, 57, 58, 59, 65, 66, 67]
    front[:, lower, 1] += np.where(np.arange(frames) % 5, 12 + 4 * np.sin(np.arange(frames) / 3), 0)[:, None]
    middle = canonical_face()[FIT].mean(0)
    return pose_points(front - middle, HeadPose(h, 1.0)) + middle.astype(np.float32)


def surveyed(points: np.ndarray, own: np.ndarray, block: int = 1000) -> MotionSurvey:
    survey = MotionSurvey(len(points), own)
    for start in range(0, len(points), block):
        survey.add(points[start : start + block])
    return survey


def moved(points: np.ndarray, *, scale: float = 1.0, tilt: float = 0.0, shift=(0.0, 0.0, 0.0)) -> np.ndarray:
    """The points of a picture that is scaled, tilted (radians) and shifted."""
    change = Similarity(np.float64(scale), rotation_matrix(np.array([0, 0, tilt])), np.array(shift))
    return change.apply(points).astype(np.float32)


def heads(points: np.ndarray) -> Similarity:
    return similarity_fit(points[:, FIT], canonical_face()[FIT])


def test_a_crop_places_points_as_extraction_does():
    points = np.random.default_rng(0).uniform(0, 1000, (7, 68, 3))
    crop = (-11.3, 101.7, 411.1, 524.1)
    assert np.array_equal(crop_placement(crop).apply(points), to_canvas(points, crop, 256))


def test_another_photo_lies_on_the_first_whatever_its_size_tilt_and_place():
    face = motion(1, seed=3, turn=0)[0]
    photo = moved(face, scale=3.7, tilt=0.4, shift=(501, -77, 13))
    assert np.allclose(face_placement(photo, face).apply(photo)[:, :2], face[:, :2], atol=1e-2)
    other = moved(motion(1, seed=5)[0], scale=0.3, tilt=-0.2, shift=(3, 5, 0))
    photos = (other, moved(other, scale=2.3, tilt=1, shift=(7, 0, 0)))
    one, same = (face_placement(photo, face).apply(photo) for photo in photos)
    assert np.allclose(one[:, :2], same[:, :2], atol=1e-2)
    assert np.allclose(one[list(RIGID27), :2].mean(0), face[list(RIGID27), :2].mean(0), atol=1e-2)


def test_a_turned_photo_is_not_enlarged():
    frontal = own_face(3)
    turned = pose_points(frontal[None], HeadPose(np.array([[0, 0.7, 0, 0, 0, 0]]), 1.0))[0]
    assert face_placement(turned, frontal).scale == pytest.approx(1, abs=1e-6)


def test_a_motion_is_at_home_in_the_picture_it_came_from():
    points = motion(37, seed=3)
    assert surveyed(points, points[[23]]).at_home
    assert surveyed(points, points[[23]] + 1.0).at_home                         # a detector is never twice of one mind
    assert not surveyed(points, points[[23]] + [9, 0, 0]).at_home               # another place,
    assert not surveyed(points, moved(points[[23]], scale=1.1)).at_home         # another size,
    other = own_face(4)
    placed = face_placement(other, points[23]).apply(other)[None]
    assert not surveyed(points, placed).at_home                                 # another face
    assert surveyed(points, np.concatenate([placed, points[[5]]])).at_home      # one of several references will do


@pytest.mark.parametrize("block", [1, 7, 53])
def test_blocks_are_surveyed_like_the_whole(block):
    points = motion(53, seed=3)
    whole, cut = surveyed(points, points[:1]), surveyed(points, points[:1], block)
    assert np.allclose(whole.neutral, cut.neutral, atol=1e-9) and whole.nearest == pytest.approx(cut.nearest, abs=1e-9)
    assert np.array_equal(whole.start, points[0]) and np.array_equal(cut.start, points[0])


def test_the_neutral_face_has_a_closed_mouth():
    survey = surveyed(motion(101, seed=3), own_face(3)[None])
    assert lip_opening(survey.neutral[None])[0] < 0.005
    assert len(survey._neutral) == round(101 * NEUTRAL_SHARE)
    own = own_face(3)
    own = similarity_fit(own[FIT], canonical_face()[FIT]).apply(own)
    assert np.abs(survey.neutral - own).max() < 0.05


def test_frames_in_which_lips_cross_are_not_neutral():
    """Generated lips up to 0.2 cross; a closed mouth taken from such a frame would hang open on the other face."""
    points = motion(101, seed=3)
    points[1::3, 65:68] -= (points[1::3, 65:68] - points[1::3, [63, 62, 61]]) * 2 + [0, 9, 0]
    assert lip_opening(points).min() < -0.03
    assert abs(lip_opening(surveyed(points, own_face(3)[None]).neutral[None])[0]) < 0.01


def test_landmarks_far_outside_are_one_line():
    points = motion(23, seed=3)
    points[17, 5, 1] = -1034
    with pytest.raises(ValueError, match="landmark 5 of frame 17 lies at y = -4.0 canvases, far outside") as caught:
        surveyed(points, points[:1], 7)
    assert "\n" not in str(caught.value)


def test_a_motion_carried_to_its_own_face_is_itself():
    points = motion(53, seed=3)
    carried = carry_over(surveyed(points, points[:1]), points[:1]).points(points)
    assert np.abs(carried - points).max() < 0.1


def carried_to(reference: np.ndarray, points: np.ndarray) -> np.ndarray:
    return carry_over(surveyed(points, reference[None] + 999), reference[None]).points(points)


def test_the_reference_keeps_its_shape_place_and_size():
    points = motion(53, seed=3)
    reference = moved(own_face(4), scale=2.7, tilt=0.2, shift=(1200, 300, 0))
    carried = carried_to(reference, points).astype(np.float32)
    assert np.abs(carried[0] - reference).max() < 0.2                           # frame 0 has its mouth closed
    assert np.abs(carried[:, FIT].mean(1) - reference[FIT].mean(0)).max() > 5   # and then it moves
    assert face_shape_error(carried, reference).max() < 0.1
    assert face_shape_error(points, own_face(4)).min() > 2                      # which is not the motion's shape


def test_head_and_lips_move_as_they_did():
    points = motion(53, seed=3)
    reference = pose_points(own_face(4)[None], HeadPose(np.array([[0.1, -0.4, 0.2, 5, 3, 0]]), 0.5))[0]
    carried = carried_to(reference, points)
    was, now, own = heads(points), heads(carried), heads(reference[None])
    since_start = np.swapaxes(was.rotation[:1] @ np.swapaxes(was.rotation, 1, 2), 1, 2)     # in the head's own frame
    assert np.allclose(now.rotation, since_start @ own.rotation, atol=1e-3)
    assert np.allclose(now.scale / own.scale, was.scale / was.scale[0], atol=1e-3)
    before, after = was.apply(points), now.apply(carried)
    assert np.allclose(before - before[0], after - after[0], atol=0.1)


def test_a_head_that_comes_nearer_grows():
    points, reference = motion(41, seed=3), moved(own_face(4), scale=2.3)
    growing = np.linspace(1, 1.5, 41, dtype=np.float32)[:, None, None] * points
    before, after = heads(carried_to(reference, points)), heads(carried_to(reference, growing))
    assert np.allclose(before.scale / after.scale, np.linspace(1, 1.5, 41), atol=2e-3)


def test_the_place_and_size_of_the_motion_say_nothing():
    points, reference = motion(41, seed=3), own_face(4)
    elsewhere = moved(points, scale=0.6, shift=(20, 31, 0))
    assert np.abs(carried_to(reference, elsewhere) - carried_to(reference, points)).max() < 0.05
    still = motion(41, seed=3, shift=0)
    shapes = [heads(carried_to(reference, one)).rotation for one in (still, moved(still, tilt=0.3))]
    assert np.allclose(*shapes, atol=1e-3)


def test_the_picture_of_the_reference_commutes():
    points, reference = motion(41, seed=3), own_face(4)
    change = dict(scale=3.1, shift=(70, -20, 0))
    assert np.abs(carried_to(moved(reference, **change), points) - moved(carried_to(reference, points), **change)).max() < 0.05


@pytest.mark.parametrize("block", [1, 7, 40])
def test_blocks_are_carried_like_the_whole(block):
    points, reference = motion(41, seed=3), own_face(4)
    carry = carry_over(surveyed(points, points[:1]), reference[None])
    pieces = [carry.points(points[start : start + block]) for start in range(0, 41, block)]
    on_canvas = crop_placement((-3.1, 2.3, 300.9, 306.3)).apply
    assert np.array_equal(on_canvas(np.concatenate(pieces)), on_canvas(carry.points(points)))


def test_a_smile_with_teeth_closes_when_the_motion_does():
    points, reference = motion(41, seed=3), own_face(4)
    smiling = reference.copy()
    smiling[[55, 56, 57, 58, 59, 65, 66, 67], 1] += 12
    carried = carried_to(smiling, points)
    assert lip_opening(carried)[::5].max() < 0.05 and lip_opening(smiling[None])[0] > 0.12
    closed = closed_mouth(smiling, 0.03)
    assert lip_opening(closed[None])[0] == pytest.approx(0.03, abs=5e-3)
    kept = [*range(4), *range(13, 55), 60, 61, 62, 63, 64]
    assert np.array_equal(closed[kept], smiling[kept]) and closed_mouth(reference, 0.1) is reference


def test_the_calmest_reference_lends_its_shape():
    points, relaxed = motion(41, seed=3), own_face(4)
    crying = relaxed.copy()
    crying[48:68, 1] += 15
    crying[[65, 66, 67], 1] += 20
    carry = carry_over(surveyed(points, points[:1]), np.stack([crying, relaxed]))
    assert np.allclose(carry.offset, carry_over(surveyed(points, points[:1]), relaxed[None]).offset, atol=1e-6)
    assert np.allclose(carry.to_middle, crying[FIT].mean(0))
