"""Seeded changes of a clip: the same draw twice, inside the canvas, and a mirrored face is a face."""

import numpy as np
import pytest
import torch

from headsync.landmarks.augment import Augmentation, AugmentationRanges, apply_augmentation, draw_augmentation, flip
from headsync.landmarks.canonical import canonical_face
from headsync.landmarks.geometry import rotation_vector
from headsync.landmarks.layouts import MIRROR

STILL = AugmentationRanges(scale=(1.0, 1.0), shift=False, yaw_degrees=0, pitch_degrees=0, roll_degrees=0, flip=0)
IDENTITY = Augmentation(1.0, np.eye(3), np.zeros(3), False)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clip(frames: int = 7, *, seed: int = 0) -> np.ndarray:
    """A face (T, 68, 3) in unit coordinates that wanders and moves."""
    random = np.random.default_rng(seed)
    walk = 0.01 * random.standard_normal((frames, 1, 3)).cumsum(0)
    return (canonical_face() / 256 + walk + 0.003 * random.standard_normal((frames, 68, 3))).astype(np.float32)


def distances(points: np.ndarray) -> np.ndarray:
    """Distances of all landmarks of all frames to the first of the first."""
    return np.linalg.norm(points.astype(np.float64) - points[0, 0], axis=-1)


def test_the_same_seed_gives_the_same_change():
    for seed in range(5):
        one, two = (draw_augmentation(seeded(seed), clip()) for _ in range(2))
        assert np.array_equal(apply_augmentation(clip(), one), apply_augmentation(clip(), two))


def test_draws_differ_and_the_generator_moves_on():
    generator = seeded(3)
    scales = [draw_augmentation(generator, clip()).scale for _ in range(11)]
    assert len(set(scales)) == 11 and draw_augmentation(seeded(4), clip()).scale not in scales


def test_ranges_do_not_change_how_much_is_drawn():
    one, two = seeded(3), seeded(3)
    draw_augmentation(one, clip())
    draw_augmentation(two, clip(), STILL)
    assert torch.equal(one.get_state(), two.get_state())


def test_global_random_numbers_are_left_alone():
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 the very state that must not move
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    apply_augmentation(clip(), draw_augmentation(seeded(1), clip()))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_the_whole_clip_stays_inside():
    places = []
    for seed in range(101):
        points = apply_augmentation(clip(), draw_augmentation(seeded(seed), clip()))
        assert points[..., :2].min() > -1e-6 and points[..., :2].max() < 1 + 1e-6
        places.append(points[..., :2].mean((0, 1)))
    assert (np.ptp(places, axis=0) > 0.2).all(), "shifts use the room there is"


def test_a_clip_larger_than_the_canvas_is_centred():
    large = 3 * clip()
    points = apply_augmentation(large, draw_augmentation(seeded(1), large))[..., :2]
    assert np.allclose((points.min((0, 1)) + points.max((0, 1))) / 2, 0.5, atol=1e-5)


def test_without_a_shift_the_centre_stays():
    ranges = AugmentationRanges(shift=False, flip=0)
    for seed in range(11):
        points = apply_augmentation(clip(), draw_augmentation(seeded(seed), clip(), ranges))
        assert np.allclose(points.mean((0, 1)), clip().mean((0, 1)), atol=1e-5)


def test_draws_keep_to_their_ranges_and_fill_them():
    draws = [draw_augmentation(seeded(seed), clip()) for seed in range(211)]
    scales = np.array([draw.scale for draw in draws])
    turns = np.degrees([rotation_vector(draw.rotation) for draw in draws])
    assert 0.9 <= scales.min() < 0.92 and 1.08 < scales.max() <= 1.1
    limits = np.array([10, 15, 10])     # about x: pitch, about y: yaw, about z: roll
    assert (np.abs(turns) <= limits + 1e-6).all() and (np.abs(turns).max(0) > 0.95 * limits).all()
    assert 0.4 < np.mean([draw.flip for draw in draws]) < 0.6


def test_motion_is_kept_up_to_scale():
    augmentation = draw_augmentation(seeded(3), clip(), AugmentationRanges(flip=0))
    expected = augmentation.scale * distances(clip())
    assert np.allclose(distances(apply_augmentation(clip(), augmentation)), expected, atol=1e-6)
    flipped = apply_augmentation(clip(), augmentation._replace(flip=True))
    assert np.allclose(distances(flipped[:, MIRROR]), expected, atol=1e-6)


def test_all_frames_change_alike():
    still = np.repeat(clip(1), 5, axis=0)
    changed = apply_augmentation(still, draw_augmentation(seeded(9), still))
    assert (changed == changed[0]).all()


def test_the_identity_changes_nothing_at_all():
    points = clip()
    same = apply_augmentation(points, IDENTITY)
    assert np.array_equal(same, points) and same.dtype == np.float32 and same is not points
    assert np.array_equal(apply_augmentation(points, Augmentation(1.0, np.eye(3), np.zeros(3), False)), points)
    assert np.array_equal(apply_augmentation(points, draw_augmentation(seeded(3), points, STILL)), points)


def test_flipping_twice_changes_nothing_at_all():
    points = clip()
    assert np.array_equal(flip(flip(points.astype(np.float64))), points)
    once = apply_augmentation(points, IDENTITY._replace(flip=True))
    thrice = once
    for _ in range(2):
        thrice = apply_augmentation(thrice, IDENTITY._replace(flip=True))
    assert np.array_equal(thrice, once), "in float32 the first flip may round to 2**-24, later ones never"
    assert np.abs(flip(once) - points).max() <= 2**-25


def test_a_flipped_face_is_a_face():
    face = canonical_face() / np.float32(256)
    assert np.abs(flip(face) - face).max() < 1e-6


def test_the_flip_exchanges_sides_and_keeps_height_and_depth():
    points = clip()
    flipped = flip(points)
    assert np.array_equal(flipped[..., 1:], points[:, MIRROR, 1:])
    assert np.array_equal(flipped[:, 36, 0], 1 - points[:, 45, 0])


def test_a_flip_commutes_with_time():
    points = clip(11)
    assert np.array_equal(flip(points[::-1]), flip(points)[::-1])


def test_the_clip_is_left_alone():
    points = clip()
    for change in (IDENTITY, draw_augmentation(seeded(3), points), IDENTITY._replace(flip=True)):
        apply_augmentation(points, change)[:] = 0
        assert np.array_equal(points, clip())


@pytest.mark.parametrize("wrong", [{"scale": (1.1, 0.9)}, {"scale": (0.0, 1.0)}, {"flip": 1.5}, {"flip": -0.1}])
def test_impossible_ranges_are_refused(wrong):
    with pytest.raises(ValueError, match="rising pair"):
        AugmentationRanges(**wrong)
