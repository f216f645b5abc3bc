"""Motion made smaller and larger: what was planted comes back scaled, what is not asked for stays; figures of motion."""

import os
from pathlib import Path

import numpy as np
import pytest

from headsync.landmarks.canonical import canonical_face
from headsync.landmarks.geometry import head_pose, rigid_fit, rotation_matrix, rotation_vector, similarity_fit
from headsync.landmarks.layouts import GROUPS, RIGID17
from headsync.landmarks.lips import lip_opening
from headsync.landmarks.motion.control import face_shape_error, motion_statistics, scale_motion
from headsync.landmarks.sequence import LandmarkSequence

CORPUS = Path(os.environ.get("HEADSYNC_BUILT_CORPUS", Path(__file__).parents[1] / "runs/corpus"))
FIT, MOUTH, JAW = list(RIGID17), list(GROUPS["mouth"]), list(range(4, 13))
REST = [index for index in range(68) if index not in MOUTH + JAW]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def talking(frames: int, *, seed: int = 0) -> np.ndarray:
    """Own motion (T, 68, 3) in the start's frame: lips, jaw and, less, everything but the rigid points."""
    faces = canonical_face()[None] + 0.7 * noise(frames, 68, 3, seed=seed)
    faces[:, MOUTH + JAW] += 3 * noise(frames, 29, 3, seed=seed + 1)
    faces[:, FIT] = canonical_face()[FIT]
    return faces


def turned(faces: np.ndarray, turns: np.ndarray, shifts: np.ndarray, sizes: np.ndarray | float = 1.0) -> np.ndarray:
    """Faces (T, 68, 3) turned by rotation vectors about the middle of the rigid points, grown, and shifted."""
    middle = canonical_face()[FIT].mean(0)
    sizes = np.broadcast_to(sizes, len(faces))[:, None, None]
    moved = sizes * ((faces - middle) @ np.swapaxes(rotation_matrix(turns), 1, 2)) + middle + shifts[:, None]
    return moved.astype(np.float32)


def moving(frames: int, *, seed: int = 0) -> np.ndarray:
    """A face that talks, turns by up to half a radian and wanders by tens of pixels."""
    return turned(talking(frames, seed=seed), 0.2 * noise(frames, 3, seed=seed + 7), 11 * noise(frames, 3, seed=seed + 8),
                  np.exp(0.1 * noise(frames, seed=seed + 9)))


def own_motion(points: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Points (T, 68, 3) seen from the head."""
    fit = similarity_fit(start[FIT], points[:, FIT].astype(np.float64))
    return (points - fit.translation[:, None]) @ fit.rotation / fit.scale[:, None, None]


def test_scales_of_one_give_the_very_bits_back():
    points = moving(13)
    points[3, 5] = -0.0
    scaled = scale_motion(points, canonical_face(), head=1, lips=1.0)
    assert scaled.tobytes() == points.tobytes() and scaled is not points and scaled.dtype == np.float32


@pytest.mark.parametrize("head", [0.37, 0.5, 1.0, 2.0])
def test_a_planted_head_motion_is_scaled(head):
    turns, shifts, logs = 0.2 * noise(13, 3), 11 * noise(13, 3, seed=1), 0.1 * noise(13, seed=2)
    scaled = scale_motion(turned(talking(13), turns, shifts, np.exp(logs)), canonical_face(), head=head)
    expected = turned(talking(13), head * turns, head * shifts, np.exp(head * logs))
    assert np.abs(scaled - expected).max() < 1e-3


def test_a_head_held_still_is_exactly_still_though_the_face_talks():
    start = moving(1)[0]
    still = scale_motion(moving(31, seed=3), start, head=0, lips=1.3)
    for fitting in (rigid_fit, similarity_fit):
        fit = fitting(start[FIT], still[:, FIT])
        assert np.abs(fit.translation).max() < 1e-3 and np.abs(rotation_vector(fit.rotation)).max() < 1e-5
        assert np.abs(fit.scale - 1).max() < 1e-6
    assert still[:, MOUTH].std(0).min() > 1


@pytest.mark.parametrize("lips", [0.0, 0.6, 1.7])
@pytest.mark.parametrize("head", [0.0, 1.0, 1.4])
def test_lips_alone_are_scaled_and_the_jaw_as_far_as_it_follows_them(lips, head):
    start, points = moving(1)[0], moving(13, seed=3)
    before = own_motion(points, start) - start
    scaled = scale_motion(points, start, head=head, lips=lips)
    after = own_motion(scaled, start) - start
    assert np.abs(after[:, MOUTH] - lips * before[:, MOUTH]).max() < 1e-3
    assert np.abs(after[:, REST] - before[:, REST]).max() < 1e-3
    share = ((after - before)[:, JAW] / before[:, JAW]).mean((0, 2)) / (lips - 1)    # 1 where the jaw goes with the lips
    expected = np.cos(np.pi / 10 * np.arange(-4, 5)) ** 2
    assert np.allclose(share, expected, atol=0.02) and expected[[0, 4]].round(3).tolist() == [0.095, 1]


def test_closed_lips_keep_the_starts_shape_and_the_rest_its_bits():
    start, points = moving(1)[0], moving(13, seed=3)
    scaled = scale_motion(points, start, lips=0)
    assert np.abs(own_motion(scaled, start)[:, MOUTH] - start[MOUTH]).max() < 1e-3
    assert np.array_equal(scaled[:, REST], points[:, REST])
    points[..., 2] = 0      # landmarks without depth: not even rounding may give them some
    assert np.array_equal(scale_motion(points, start, lips=0)[:, REST], points[:, REST])


@pytest.mark.parametrize("block", [1, 5, 23])
def test_blocks_give_what_the_whole_gives(block):
    points, start = moving(23), canonical_face()
    whole = scale_motion(points, start, head=0.7, lips=1.3)
    parts = [scale_motion(points[at : at + block], start, head=0.7, lips=1.3) for at in range(0, 23, block)]
    assert np.array_equal(np.concatenate(parts), whole)
    assert scale_motion(points[:0], start, head=0.7).shape == (0, 68, 3)


@pytest.mark.parametrize(("scales", "told"), [
    ({"head": -1}, "--head-scale must be 0 or more, got -1"), ({"head": np.nan}, "--head-scale must be 0 or more, got nan"),
    ({"lips": np.inf}, "--lip-scale must be 0 or more, got inf"), ({"lips": -0.5}, "--lip-scale must be 0 or more, got -0.5"),
])
def test_wrong_scales_are_refused(scales, told):
    with pytest.raises(ValueError) as caught:
        scale_motion(moving(3), canonical_face(), **scales)
    assert str(caught.value) == told


def test_wrong_faces_are_refused():
    lost, flat = moving(3), moving(3)
    lost[1, 5, 2], flat[2] = np.nan, 7
    for points, told in ((moving(3)[:, :67], r"\(3, 67, 3\)"), (lost, "finite"), (flat, "frame 2")):
        with pytest.raises(ValueError, match=told):
            scale_motion(points, canonical_face(), head=0.5)
    with pytest.raises(ValueError, match="landmarks"):
        scale_motion(moving(3), canonical_face()[:, :2])


def test_planted_motion_is_measured():
    turns, shifts = np.zeros((2, 101, 3))
    turns[:, 1], shifts[:, 0] = 0.1 * np.sin(np.arange(101)), np.arange(101) % 2
    points = turned(np.repeat(canonical_face()[None], 101, 0), turns, shifts)
    found = motion_statistics(points)
    assert np.allclose(found.rotation_deg, [0, np.degrees(turns[:, 1].std()), 0], atol=1e-3)
    assert np.allclose(found.translation_px, [shifts[:, 0].std(), 0, 0], atol=1e-3)     # turning is not wandering
    assert found.lip_opening < 1e-6
    only_shifted = motion_statistics(turned(np.repeat(canonical_face()[None], 101, 0), 0 * turns, shifts))
    assert only_shifted.jitter_px == pytest.approx(2)       # 0, 1, 0, 1, ...: second differences of 2
    assert found.jitter_px > only_shifted.jitter_px


def test_lip_opening_is_measured_without_the_heads_turning():
    faces = np.repeat(canonical_face()[None].astype(np.float64), 31, 0)
    faces[:, 66, 1] += 3 * noise(31).clip(-1, 1)
    found = motion_statistics(turned(faces, 0.2 * noise(31, 3, seed=1), np.zeros((31, 3))))
    assert found.lip_opening == pytest.approx(lip_opening(faces).std(), rel=1e-3)


def test_figures_do_not_depend_on_the_size_of_the_face():
    one, other = motion_statistics(moving(31)), motion_statistics(2.5 * moving(31))
    for name, value in one._asdict().items():
        assert np.allclose(getattr(other, name), value, rtol=1e-4), name


def test_figures_need_three_frames():
    assert motion_statistics(moving(3)).jitter_px > 0
    with pytest.raises(ValueError, match="at least 3 frames, got 2"):
        motion_statistics(moving(2))


def test_a_moved_face_stays_a_face_and_a_broken_one_does_not():
    start = turned(canonical_face()[None], noise(1, 3), noise(1, 3))[0]
    points = turned(np.repeat(start[None], 13, 0), 0.3 * noise(13, 3), 31 * noise(13, 3))
    assert face_shape_error(points, start).max() < 1e-3 and face_shape_error(points, start).shape == (13,)
    broken = points + (np.arange(13) / 3)[:, None, None] * noise(68, 3, seed=1)
    errors = face_shape_error(broken, start)
    assert (np.diff(errors) > 0).all() and errors[-1] == pytest.approx(4 * np.sqrt(3), rel=0.25)
    assert np.allclose(face_shape_error(2.5 * broken, 2.5 * start), errors, atol=1e-4)    # in the canonical face's size
    grown = turned(start[None], np.zeros((1, 3)), np.zeros((1, 3)), 1.1)
    assert face_shape_error(grown, start)[0] > 3


@pytest.mark.skipif(not (CORPUS / "landmarks").is_dir(), reason="no built corpus here")
def test_real_heads_stand_still_and_lips_do_not_pull_at_them():
    for path in sorted((CORPUS / "landmarks").glob("*.npz"))[:7]:
        points = LandmarkSequence.load(path).points
        still, mute = scale_motion(points, points[0], head=0), scale_motion(points, points[0], lips=0)
        fit = rigid_fit(points[0, FIT], still[:, FIT])
        assert np.abs(fit.translation).max() < 1e-3 and np.abs(rotation_vector(fit.rotation)).max() < 1e-5
        assert motion_statistics(still).rotation_deg.max() < 0.2    # against another face than the start
        assert lip_opening(mute).std() < 0.3 * lip_opening(points).std() + 0.01
        assert np.array_equal(head_pose(mute, indices=RIGID17).h, head_pose(points, indices=RIGID17).h)
