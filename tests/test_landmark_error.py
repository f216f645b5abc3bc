"""Landmark distances by hand, turned copies that frontalise to nothing, planted blinks, silences and jitter."""

import numpy as np
import pytest

from headsync.landmarks import GROUPS, LandmarkSequence, canonical_face, head_pose, rotation_matrix
from headsync.landmarks.layouts import INNER_PAIRS
from headsync.metrics.behaviour import count_blinks, eye_aspect_ratio, jitter_px, lips_in_silence, silent_frames
from headsync.metrics.landmark_error import (
    aligned_mouth_distance,
    frontal_distance,
    landmark_distance,
    on_canvas,
    opening_difference,
    pose_distance,
    rotation_error_deg,
    turned_mouth,
    turned_mouth_distance,
)

UPPER_LIP, LOWER_LIP = (list(side) for side in zip(*INNER_PAIRS))
MOUTH, JAW = list(GROUPS["mouth"]), list(GROUPS["jaw"])
EYES_PX = float(np.linalg.norm(canonical_face()[45] - canonical_face()[36]))
LIDS = {"up": [37, 38, 43, 44], "down": [41, 40, 47, 46]}


def talking(frames: int, *, seed: int = 0) -> np.ndarray:
    """A canonical face (T, 68, 3) whose mouth moves and whose rigid points do not."""
    faces = np.repeat(canonical_face()[None].astype(np.float64), frames, axis=0)
    faces[:, MOUTH] += 2 * np.random.default_rng(seed).standard_normal((frames, 20, 3))
    return faces


def turned(points: np.ndarray, vectors: np.ndarray, *, about: np.ndarray) -> np.ndarray:
    """Frames (T, P, 3) turned by rotation vectors (T, 3) about the points (T, 1, 3)."""
    return (points - about) @ np.swapaxes(rotation_matrix(vectors), 1, 2) + about


def yaws(frames: int) -> np.ndarray:
    return np.linspace(-0.7, 0.9, frames)[:, None] * [[0.0, 1, 0]]


def sequence(points: np.ndarray, *, size: tuple[int, int] = (256, 256)) -> LandmarkSequence:
    return LandmarkSequence(points=points.astype(np.float32), visible=np.ones(len(points), bool), fps=25.0, size=size,
                            crop=(0, 0, size[1], size[0]))


def blinking(frames: int, *, closures: dict[int, int], depth: float = 0.9) -> np.ndarray:
    """A still face whose lids close by `depth` for closures[t] frames from frame t on."""
    points = np.repeat(canonical_face()[None].astype(np.float64), frames, axis=0)
    for start, length in closures.items():
        here = points[start : start + length]
        middle = (here[:, LIDS["up"]] + here[:, LIDS["down"]]) / 2
        for lid in LIDS.values():
            here[:, lid] += depth * (middle - here[:, lid])
    return points


def test_lmd_by_hand():
    real = talking(7)
    made = real + [3.0, 4.0, 12.0]
    assert landmark_distance(made, real).px == pytest.approx(5)
    assert landmark_distance(made, real, dims=3).px == pytest.approx(13)
    assert landmark_distance(made, real).share == pytest.approx(5 / EYES_PX)
    made = real.copy()
    made[:, MOUTH, 0] += 6
    assert landmark_distance(made, real).px == pytest.approx(6 * 20 / 68)
    assert landmark_distance(made, real, indices=GROUPS["mouth"]).px == pytest.approx(6)
    assert landmark_distance(made, real, indices=GROUPS["jaw"]).px == 0


def test_shares_are_of_the_eyes_distance_in_most_frames():
    real = talking(7)
    real[3] *= 3                            # one frame with a face three times as large
    assert landmark_distance(real + [3.0, 4.0, 0.0], real).share == pytest.approx(5 / EYES_PX)


def test_every_distance_of_a_clip_from_itself_is_nothing():
    for distance in (landmark_distance, turned_mouth_distance, frontal_distance, aligned_mouth_distance, pose_distance,
                     opening_difference):
        assert distance(talking(7), talking(7)).px < 1e-4
    assert rotation_error_deg(head_pose(talking(7)), head_pose(talking(7))) < 1e-3


def test_a_mouth_turned_about_its_own_axis_costs_nothing_in_lmd_front():
    real = talking(11)
    made = turned(real, yaws(11), about=real[:, MOUTH].mean(1, keepdims=True))
    assert landmark_distance(made, real, indices=GROUPS["mouth"]).px > 2
    assert turned_mouth_distance(made, real).px < 0.05
    front = turned_mouth(made)
    np.testing.assert_allclose(front[:, 0, 2], front[:, 6, 2], atol=1e-9)       # the corners are equally deep
    assert (front[:, 6, 0] > front[:, 0, 0]).all()


def test_lmd_front_still_counts_where_the_mouth_is_and_what_it_does():
    real = talking(11)
    assert turned_mouth_distance(real + [3, 4, 0], real).px == pytest.approx(5)
    assert turned_mouth_distance(talking(11, seed=5), real).px > 1


def test_a_moving_copy_costs_nothing_after_the_rigid_fit():
    real, centre = talking(13), canonical_face().mean(0)[None, None]
    turns = yaws(13) + np.linspace(0.3, -0.2, 13)[:, None] * [[1.0, 0, 0.5]]
    made = 1.3 * turned(real, turns, about=centre) + np.linspace(-9, 17, 13)[:, None, None]
    assert landmark_distance(made, real).px > 10
    assert frontal_distance(made, real).px < 0.05
    assert frontal_distance(made, real, indices=GROUPS["mouth"]).px < 0.05
    assert frontal_distance(real, made).px < 0.05


def test_frontal_distances_are_in_pixels_of_the_references_canvas():
    real = talking(7)
    made = real.copy()
    made[:, MOUTH] += [3, 4, 0]
    assert frontal_distance(made, real, indices=GROUPS["mouth"]).px == pytest.approx(5, abs=1e-3)
    assert frontal_distance(2 * made, 2 * real, indices=GROUPS["mouth"]).px == pytest.approx(10, abs=1e-3)
    assert frontal_distance(2 * made, 2 * real).share == pytest.approx(frontal_distance(made, real).share, abs=1e-6)


def test_an_aligned_mouth_may_lie_elsewhere_but_must_not_look_otherwise():
    real = talking(7)
    assert aligned_mouth_distance(real + np.arange(7)[:, None, None], real).px < 1e-9
    made = real.copy()
    made[:, MOUTH[::2], 1] += 4             # half of the points: 2 up, 2 down about the centre
    assert aligned_mouth_distance(made, real).px == pytest.approx(2)


def test_the_pose_alone():
    real = talking(11)
    speaking = real.copy()
    speaking[:, 6:11, 1] += 9               # the chin falls: the jaw's contour moves, the head does not
    assert landmark_distance(speaking, real, indices=GROUPS["jaw"]).px == pytest.approx(9 * 5 / 17)
    assert pose_distance(speaking, real).px < 1e-3
    assert pose_distance(real + [3, 4, 0], real).px == pytest.approx(5, abs=1e-3)
    made = turned(real, 0.2 * np.ones((11, 1)) * [[0, 1.0, 0]], about=canonical_face().mean(0)[None, None])
    assert rotation_error_deg(head_pose(made), head_pose(real)) == pytest.approx(np.degrees(0.2), abs=1e-3)
    centre = canonical_face().mean(0)[None, None]
    one, other = (turned(real, angle * np.ones((11, 1)) * [[0.6, 0.8, 0]], about=centre) for angle in (0.5, 0.3))
    assert rotation_error_deg(head_pose(one), head_pose(other)) == pytest.approx(np.degrees(0.2), abs=1e-3)
    expected = landmark_distance(made, real, indices=GROUPS["jaw"]).px
    assert pose_distance(made, real).px == pytest.approx(expected, abs=0.01) and expected > 3


def test_openings_differ_by_what_was_planted():
    real = np.repeat(canonical_face()[None].astype(np.float64), 7, axis=0)
    real[:, UPPER_LIP, 1], real[:, LOWER_LIP, 1] = 170, 176
    made = real.copy()
    made[:, LOWER_LIP] += (3, -1, 0)            # across does not count
    eyes = np.linalg.norm(real[0, 45] - real[0, 36]) / np.linalg.norm(real[0, 45, :2] - real[0, 36, :2])
    assert opening_difference(made, real).px == pytest.approx(eyes, rel=1e-4)
    made[::2, LOWER_LIP] += (0, 2, 0)           # 4 of 7 frames: 7 instead of 6
    assert opening_difference(made, real).px == pytest.approx(eyes, rel=1e-4), "differences do not cancel"
    made[:, LOWER_LIP, 1] = 166
    assert opening_difference(made, real).px == pytest.approx(10 * eyes, rel=1e-4), "lips crossed by 4 are 10 from 6, not 2"


def test_another_canvas_gives_the_same_points():
    made = talking(7, seed=3)
    large = on_canvas(sequence(2 * made, size=(512, 512)))
    np.testing.assert_allclose(large, on_canvas(sequence(made)), atol=1e-4)
    assert large.max() < 256


def test_other_point_sets_are_refused():
    with pytest.raises(ValueError, match="must be \\(T, 68, 3\\)"):
        landmark_distance(talking(7)[:, :20], talking(7)[:, :20])


@pytest.mark.parametrize("move", ["still", "turning"])
def test_planted_blinks_are_counted(move):
    closures = {11: 3, 53: 1, 97: 6, 149: 12}
    points = blinking(211, closures=closures)
    if move == "turning":
        points = turned(points, 0.5 * np.sin(np.arange(211)[:, None] / 29) * [[0.4, 1, 0]], about=points.mean(1, keepdims=True))
    found = count_blinks(points)
    assert found.starts.tolist() == list(closures)
    assert found.per_minute == pytest.approx(4 * 60 * 25 / 211)


def test_what_is_no_blink_is_not_counted():
    assert count_blinks(blinking(211, closures={50: 13})).starts.tolist() == []                 # over half a second: asleep
    assert count_blinks(blinking(211, closures={50: 4}, depth=0.3)).starts.tolist() == []       # a squint
    assert count_blinks(blinking(211, closures={50: 3, 54: 3})).starts.tolist() == [50]         # a flutter of one blink
    assert count_blinks(blinking(211, closures={50: 3, 56: 3})).starts.tolist() == [50, 56]
    assert count_blinks(blinking(1, closures={})).per_minute == 0


def test_blinks_are_timed_by_the_rate():
    assert count_blinks(blinking(211, closures={50: 13}), fps=50.0).starts.tolist() == [50]
    assert count_blinks(blinking(250, closures={50: 3}), fps=25.0).per_minute == pytest.approx(6)
    assert count_blinks(blinking(250, closures={50: 3}), fps=50.0).per_minute == pytest.approx(12)


def test_the_eye_aspect_ratio_by_hand():
    points = np.zeros((1, 68, 3))
    for eye, gap in ((36, 2.0), (42, 4.0)):
        points[0, eye : eye + 6, :2] = [(0, 0), (3, -gap / 2), (7, -gap / 2), (10, 0), (7, gap / 2), (3, gap / 2)]
    assert eye_aspect_ratio(points)[0] == pytest.approx((0.2 + 0.4) / 2)


def test_jitter_is_measured_and_motion_is_not():
    frames = np.arange(101)[:, None, None]
    smooth = canonical_face() + 0.3 * frames * [1, -1, 0] + 0.002 * frames**2 * [1, 1, 0]
    assert jitter_px(smooth) < 1e-9
    noisy = smooth + np.random.default_rng(0).normal(0, 0.7, smooth.shape)
    assert jitter_px(noisy) == pytest.approx(0.7, rel=0.05)
    lips = smooth.copy()
    lips[:, MOUTH] += np.random.default_rng(0).normal(0, 0.7, (101, 20, 3))
    assert jitter_px(lips) < 1e-9 and jitter_px(lips, indices=GROUPS["mouth"]) == pytest.approx(0.7, rel=0.05)
    with pytest.raises(ValueError, match="at least 4 frames"):
        jitter_px(smooth[:3])


def test_silence_is_found_in_feature_rows():
    rows = np.random.default_rng(0).normal(-3, 1, (4 * 23, 26))
    rows[4 * 5 : 4 * 9] -= 12                               # 52 dB quieter
    rows[4 * 11 : 4 * 13] -= 5                              # 22 dB: a quiet sound
    assert np.flatnonzero(silent_frames(rows)).tolist() == [5, 6, 7, 8]
    assert silent_frames(np.full((4 * 7, 26), np.log(np.finfo(float).eps))).all()       # digital silence throughout
    assert not silent_frames(np.full((4 * 7, 26), -3.0)).any()
    with pytest.raises(ValueError, match="27 feature rows"):
        silent_frames(rows[:27])


def test_lips_in_silence_by_hand():
    points = np.repeat(canonical_face()[None].astype(np.float64), 7, axis=0)
    eyes = np.linalg.norm(points[0, 45, :2] - points[0, 36, :2])
    points[:, UPPER_LIP, 1] = 170
    openings = np.array([0, 0.01, 0.05, 0.3, 0.3, -0.08, -0.08])
    points[:, LOWER_LIP, 1] = 170 + (openings * eyes)[:, None]
    found = lips_in_silence(points, np.array([1, 1, 1, 0, 0, 1, 1], bool))
    assert found.frames == 5 and found.opening == pytest.approx(-0.02, abs=1e-5)
    assert found.open_share == pytest.approx(0.2), "crossed lips are not open"
    assert found.restlessness == pytest.approx(np.sqrt((0.01**2 + 0.04**2 + 0) / 3), rel=1e-4)
    assert lips_in_silence(points, np.zeros(7, bool)) is None
    with pytest.raises(ValueError, match="7 frames of landmarks against 5"):
        lips_in_silence(points, np.zeros(5, bool))
