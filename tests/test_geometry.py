"""Fits recover what was planted, never mirror a face, and do not care where the camera stood."""

import numpy as np
import pytest

from headsync.landmarks.canonical import canonical_face
from headsync.landmarks.geometry import (
    HeadPose,
    frontalise,
    head_pose,
    pose_points,
    rigid_fit,
    rotation_matrix,
    rotation_vector,
    similarity_fit,
)
from headsync.landmarks.layouts import GROUPS, MIRROR, RIGID17, RIGID27


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def talking(frames: int, *, seed: int = 0) -> np.ndarray:
    """A canonical face (T, 68, 3) whose mouth moves and whose rigid points do not."""
    faces = np.repeat(canonical_face()[None].astype(np.float64), frames, axis=0)
    faces[:, list(GROUPS["mouth"])] += 3 * noise(frames, 20, 3, seed=seed)
    return faces


def planted_pose(frames: int, scale: float, *, seed: int = 1) -> HeadPose:
    """Turns of up to 1.2 radians and shifts of tens of pixels."""
    turns, shifts = noise(2, frames, 3, seed=seed)
    return HeadPose(np.concatenate([0.4 * turns.clip(-1.7, 1.7), 31 * shifts], axis=1), scale)


def posed(front: np.ndarray, pose: HeadPose) -> np.ndarray:
    """The frames in which this front is seen under this pose, in float64: l = R' (p - T) / s."""
    return (front - pose.h[:, None, 3:]) @ rotation_matrix(pose.h[:, :3]) / pose.scale


def test_rotation_vectors_and_matrices_are_inverse():
    vectors = noise(5, 7, 3)
    vectors *= np.minimum(1, 3 / np.linalg.norm(vectors, axis=-1, keepdims=True))
    matrices = rotation_matrix(vectors)
    assert matrices.shape == (5, 7, 3, 3) and np.allclose(np.linalg.det(matrices), 1)
    assert np.allclose(rotation_vector(matrices), vectors)


def test_a_quarter_turn_turns_the_right_way():
    assert np.allclose(rotation_matrix([0, 0, np.pi / 2]) @ [1, 0, 0], [0, 1, 0])


def test_a_planted_similarity_is_found():
    source, rotation = noise(5, 7, 11, 3), rotation_matrix(noise(5, 7, 3, seed=1))
    scale, shift = 0.1 + noise(5, 7, seed=2) ** 2, 19 * noise(5, 7, 3, seed=3)
    target = scale[..., None, None] * source @ np.swapaxes(rotation, -1, -2) + shift[..., None, :]
    fit = similarity_fit(source, target)
    assert np.allclose(fit.scale, scale) and np.allclose(fit.rotation, rotation) and np.allclose(fit.translation, shift)
    assert np.allclose(fit.apply(source), target)


def test_a_planted_rigid_motion_is_found_though_the_size_differs():
    source, rotation = noise(5, 11, 3), rotation_matrix(noise(5, 3, seed=1))
    target = source @ np.swapaxes(rotation, -1, -2) + [[[3, -5, 7]]]
    fit = rigid_fit(source, target)
    assert np.allclose(fit.apply(source), target) and (fit.scale == 1).all()
    grown = rigid_fit(source, 1.7 * target)
    assert np.allclose(grown.rotation, rotation)
    assert np.allclose(grown.apply(source).mean(1), 1.7 * target.mean(1)), "centres must meet"


@pytest.mark.parametrize("fit", [similarity_fit, rigid_fit])
def test_one_target_serves_many_sources(fit):
    source, target = noise(5, 11, 3), noise(11, 3, seed=1)
    together = fit(source, target)
    assert together.rotation.shape == (5, 3, 3) and together.translation.shape == (5, 3)
    assert np.allclose(together.rotation[3], fit(source[3], target).rotation)


@pytest.mark.parametrize("fit", [similarity_fit, rigid_fit])
def test_a_reflection_never_comes_back(fit):
    source = noise(97, 13, 3)
    for target in (source * [-1, 1, 1], source * [1, 1, -1], -source, noise(97, 13, 3, seed=5)):
        found = fit(source, target)
        assert np.allclose(np.linalg.det(found.rotation), 1) and (found.scale > 0).all()
        assert np.allclose(found.rotation @ np.swapaxes(found.rotation, 1, 2), np.eye(3))


def test_the_proper_rotation_is_the_best_one():
    source, target = noise(13, 3), noise(13, 3) * [-1, 1, 1]        # a mirror image: the naive fit would reflect
    found = rigid_fit(source, target)
    error = np.square(found.apply(source) - target).sum()
    for vector in 0.05 * noise(53, 3, seed=2):
        nearby = found._replace(rotation=rotation_matrix(vector) @ found.rotation)
        moved = nearby.apply(source)
        assert np.square(moved - moved.mean(0) + target.mean(0) - target).sum() >= error - 1e-9


def test_the_size_is_the_best_one_though_a_mirror_would_fit_better():
    source = noise(13, 3)
    for target in (source * [-1, 1, 1], 3 * noise(13, 3, seed=1)):
        found = similarity_fit(source, target)
        errors = []
        for factor in (0.97, 1.0, 1.03):
            moved = found._replace(scale=factor * found.scale).apply(source)
            errors.append(np.square(moved - moved.mean(0) + target.mean(0) - target).sum())
        assert errors[1] < min(errors[0], errors[2])


def test_flat_faces_are_fitted_without_a_mirror():
    flat = noise(7, 11, 3) * [1, 1, 0]
    rotation = rotation_matrix(noise(7, 3, seed=1))
    found = rigid_fit(flat, flat @ np.swapaxes(rotation, 1, 2))
    assert np.allclose(np.linalg.det(found.rotation), 1)
    assert np.allclose(found.apply(flat), flat @ np.swapaxes(rotation, 1, 2))


@pytest.mark.parametrize(("source", "told"), [
    (np.zeros((5, 3)), "coincide"), (noise(2, 3), "at least 3 points"), (noise(5, 2), "3 coordinates"),
    (noise(3), "at least 3 points"), (np.full((5, 3), np.nan), "finite"),
])
def test_hopeless_points_are_refused(source, told):
    with pytest.raises(ValueError, match=told):
        similarity_fit(source, source)


@pytest.mark.parametrize("scale", [0.37, 1.0, 2.3])
@pytest.mark.parametrize("indices", [RIGID27, RIGID17])
def test_a_planted_head_pose_is_found(scale, indices):
    pose = planted_pose(23, scale)
    assert np.linalg.norm(pose.h[:, :3], axis=1).max() > 0.8
    found = head_pose(posed(talking(23), pose), indices=indices)
    assert np.abs(found.h - pose.h).max() < 1e-4 and abs(found.scale - scale) < 1e-6


def test_float32_frames_give_the_pose_too():
    pose = planted_pose(23, 1.3)
    found = head_pose(posed(talking(23), pose).astype(np.float32))
    assert np.abs(found.h[:, :3] - pose.h[:, :3]).max() < 1e-4
    assert np.abs(found.h[:, 3:] - pose.h[:, 3:]).max() < 1e-3      # of 256 pixels


def test_one_scale_holds_for_the_clip():
    frames = posed(talking(23), planted_pose(23, 1.0))
    frames[:5] *= 1.5           # fewer than half of the frames
    assert np.isclose(head_pose(frames).scale, 1)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_pose_is_named_by_the_axis_it_turns_about(axis):
    vector = np.zeros((1, 6))
    vector[0, axis] = 0.3
    found = head_pose(posed(talking(1), HeadPose(vector, 1.0)))
    assert np.allclose(found.h, vector, atol=1e-6)


def test_another_canonical_face_can_be_given():
    face = canonical_face() + 2 * noise(68, 3)
    assert np.abs(head_pose(face[None], canonical=face).h).max() < 1e-9


def test_posing_undoes_frontalising():
    frames = posed(talking(23), planted_pose(23, 0.7)).astype(np.float32)
    pose = head_pose(frames)
    assert np.abs(pose_points(frontalise(frames, pose), pose) - frames).max() < 1e-3
    front = talking(23).astype(np.float32)
    assert np.abs(frontalise(pose_points(front, pose), pose) - front).max() < 1e-3


def test_frontalising_leaves_only_the_expression():
    front = talking(23)
    frames = posed(front, planted_pose(23, 0.7))
    assert np.abs(frontalise(frames, head_pose(frames)) - front).max() < 1e-3


def test_where_the_camera_stood_does_not_show():
    frames = posed(talking(23), planted_pose(23, 1.0)) + 0.5 * noise(23, 68, 3, seed=9)    # not exactly rigid
    seen = 1.9 * frames @ rotation_matrix([0.3, -0.5, 0.2]).T + [11, -23, 41]
    assert np.allclose(frontalise(seen, head_pose(seen)), frontalise(frames, head_pose(frames)), atol=1e-3)
    assert np.isclose(head_pose(seen).scale * 1.9, head_pose(frames).scale)


def test_a_mirrored_clip_has_the_mirrored_pose():
    frames = posed(talking(7), planted_pose(7, 1.0)) + 0.5 * noise(7, 68, 3, seed=9)
    mirrored = frames[:, MIRROR] * [-1, 1, 1] + [256, 0, 0]
    found, expected = head_pose(mirrored).h, head_pose(frames).h
    assert np.allclose(found[:, :3], expected[:, :3] * [1, -1, -1], atol=1e-5)
