"""Every figure of one clip against its own definition: pictures and landmarks in memory, no detector, no files."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from headsync.evaluation.clip import clip_profiles, landmark_figures, motion_figures, picture_figures
from headsync.evaluation.items import Item, Material
from headsync.evaluation.sides import Reference, Side, clip_sound, open_generated
from headsync.landmarks import GROUPS, LandmarkSequence, canonical_face, head_pose, rotation_matrix
from headsync.landmarks.lips import lip_opening
from headsync.media import extract_features, samples_for_frames, write_flac
from headsync.metrics.behaviour import silent_frames
from headsync.metrics.blur import cpbd
from headsync.metrics.flicker import flicker
from headsync.metrics.landmark_error import (
    aligned_mouth_distance,
    frontal_distance,
    landmark_distance,
    opening_difference,
    pose_distance,
    rotation_error_deg,
    turned_mouth_distance,
)
from headsync.metrics.regions import hull_mask
from syncers import load_syncers
from tests.talking import made_up_sample

FRAMES, SIZE = 11, 96
CROP = (8.0, 5.0, 88.0, 85.0)       # of the canvas in a picture of 96 pixels


def moving(frames: int = FRAMES, *, turns=None, seed: int = 0) -> np.ndarray:
    """A face whose mouth moves and whose head turns as told (T, 3)."""
    points = np.repeat(canonical_face()[None].astype(np.float64), frames, 0)
    random = np.random.default_rng(seed)
    points[:, list(GROUPS["mouth"])] += 3 * random.standard_normal((frames, 20, 3))
    points[:, 6:11] += 2 * random.standard_normal((frames, 5, 3))       # the chin
    turns = np.zeros((frames, 3)) if turns is None else turns
    middle = points.mean((0, 1))
    return (points - middle) @ np.swapaxes(rotation_matrix(turns), 1, 2) + middle


def side(points: np.ndarray, pictures=None, *, lost=()) -> Side:
    visible = np.ones(len(points), bool)
    visible[list(lost)] = False
    return Side(points.astype(np.float32), visible, None if pictures is None else lambda: iter(pictures))


def pictures(seed: int, *, noise: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(1)
    coarse = random.integers(40, 216, (FRAMES, 12, 12, 3)).repeat(8, 1).repeat(8, 2).astype(float)
    growing = noise * np.linspace(0.5, 2, FRAMES)[:, None, None, None]
    frames = coarse + growing * np.random.default_rng(seed).standard_normal(coarse.shape)
    return np.clip(frames, 0, 255).astype(np.uint8)


def embed(shown: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A stand-in for an encoder: mean colours of the canvas, and where the nose is."""
    found = np.concatenate([shown.mean((1, 2)), points[:, 30, :2]], axis=1)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_picture_figures_are_what_their_names_say():
    ours, theirs, points = pictures(3, noise=14), pictures(4, noise=3), moving()
    told, embedded = picture_figures(side(points, ours), side(points, theirs), crop=CROP, every=4, embed=embed)
    chosen, pixels = range(0, FRAMES, 4), points * (80 / 256) + (8, 5, 0)
    maps = [structural_similarity(ours[t], theirs[t], channel_axis=2, gaussian_weights=True, sigma=1.5, full=True,
                                  use_sample_covariance=False, data_range=255)[1].mean(2) for t in chosen]
    inner = np.zeros((SIZE, SIZE), bool)
    inner[5:-5, 5:-5] = True
    mouths = [hull_mask(pixels[t, list(GROUPS["mouth"])], (SIZE, SIZE), grow_px=80 / 43) & inner for t in chosen]
    faces = [hull_mask(pixels[t], (SIZE, SIZE)) & inner for t in chosen]
    assert told["ssim"] == pytest.approx(np.mean([one[inner].mean() for one in maps]), abs=1e-5)
    assert told["ssim_mouth"] == pytest.approx(np.mean([one[mask].mean() for one, mask in zip(maps, mouths)]), abs=1e-5)
    assert told["ssim_face"] == pytest.approx(np.mean([one[mask].mean() for one, mask in zip(maps, faces)]), abs=1e-5)
    together = peak_signal_noise_ratio(theirs[list(chosen)], ours[list(chosen)], data_range=255)    # of all pixels at once
    assert told["psnr_db"] == pytest.approx(together, abs=1e-4)
    sharpness = [np.mean([cpbd(one[t]).cpbd for t in chosen]) for one in (ours, theirs)]
    assert told["cpbd"] == pytest.approx(sharpness[0]) and sharpness[0] != pytest.approx(sharpness[1], abs=0.01)
    flickering = flicker(ours, theirs)
    assert told["flicker"] == pytest.approx(flickering.share) and told["flicker_error"] == pytest.approx(flickering.error)
    assert embedded.generated.shape == (3, 5) == embedded.real.shape
    assert told["csim"] == pytest.approx((embedded.generated * embedded.real).sum(1).mean()) and told["csim"] < 1 - 1e-6


def test_landmark_figures_are_the_distances_of_frames_with_both_faces():
    ours, theirs = moving(seed=1, turns=np.linspace(0, 0.3, FRAMES)[:, None] * [[0.2, 1, 0]]), moving(seed=2)
    spoilt = ours.copy()
    spoilt[[2, 7]] += 70
    told = landmark_figures(side(spoilt, lost=[2]), side(theirs, lost=[7]))

    seen = [t for t in range(FRAMES) if t not in (2, 7)]
    pair = ours[seen].astype(np.float32), theirs[seen].astype(np.float32)
    mouth, jaw = GROUPS["mouth"], GROUPS["jaw"]
    expected = {"lmd": landmark_distance(*pair), "lmd_mouth": landmark_distance(*pair, indices=mouth),
                "lmd_mouth_turned": turned_mouth_distance(*pair), "lmd_frontal": frontal_distance(*pair),
                "lmd_mouth_frontal": frontal_distance(*pair, indices=mouth), "lmd_jaw": landmark_distance(*pair, indices=jaw),
                "lmd_mouth_aligned": aligned_mouth_distance(*pair), "lmd_pose": pose_distance(*pair),
                "opening_error": opening_difference(*pair)}
    assert {name: told[name] for name in expected} == pytest.approx({name: one.px for name, one in expected.items()}, abs=1e-4)
    assert told["rotation_error_deg"] == pytest.approx(rotation_error_deg(*map(head_pose, pair)), abs=1e-4)
    assert len({round(one.px, 3) for one in expected.values()}) == len(expected), "no two may be taken for each other"


@pytest.mark.parametrize(("axis", "name"), [(0, "nod_deg"), (1, "turn_deg"), (2, "tilt_deg")])
def test_motion_is_named_by_its_axis_and_in_degrees(axis, name):
    wave = np.sin(np.arange(61) / 7)
    turns = 0.2 * wave[:, None] * np.eye(3)[axis]
    told = motion_figures(side(moving(61, turns=turns), lost=range(6)), None)
    assert told[name] == pytest.approx(np.degrees(0.2 * wave.std()), rel=0.02)
    assert all(told[other] < 0.02 * told[name] + 0.05 for other in {"nod_deg", "turn_deg", "tilt_deg"} - {name})
    assert told["face_rate"] == pytest.approx(55 / 61) and "silent_open_share" not in told
    assert motion_figures(side(moving(3)), None) == {}


def test_shifts_are_of_the_plane_and_lips_count_in_silence():
    points = moving(61)
    shift = np.stack([5 * np.sin(np.arange(61) / 5), 12 * np.sin(np.arange(61) / 9), 40 * np.sin(np.arange(61) / 6)], axis=1)
    quiet = np.full((4 * 61, 26), -3.0)
    quiet[4 * 20 : 4 * 40] = -30
    told = motion_figures(side(points + shift[:, None]), quiet)
    assert told["shift_px"] == pytest.approx(np.hypot(*shift[:, :2].std(0)), rel=0.02)
    opening = lip_opening(points)[20:40]
    assert silent_frames(quiet).sum() == 20 and told["silent_open_share"] == pytest.approx((opening > 0.03).mean())
    assert told["silent_restlessness"] == pytest.approx(np.sqrt(np.square(np.diff(opening)).mean()), rel=1e-3)


def test_offsets_have_no_sign_and_know_what_is_late():
    sample, pyramid = made_up_sample(151, seed=4), load_syncers("loss")
    points = 256 * sample.flat.reshape(-1, 68, 3).numpy()
    own = clip_profiles(points, sample.rows.numpy(), pyramid).of_mode["valid"][0].offset
    for late in (-6, 6):
        rows = np.roll(sample.rows.numpy(), 4 * late, axis=0)
        found = clip_profiles(points, rows, pyramid)
        assert found.of_mode["valid"][0].offset == own + late and found.figures()["av_off_200_valid"] == abs(own + late)
        assert clip_profiles(points, rows, pyramid, late_frames=late).of_mode["valid"][0].offset == own
    assert isinstance(found.of_mode["syncnet"][0].distances, torch.Tensor) and len(found.of_mode["syncnet"][0].lags) == 31


def test_a_sequence_lies_where_its_crop_says(tmp_path):
    points = moving()
    reference = Reference(side(points, pictures(3)), CROP, (SIZE, SIZE), None)
    seen = ((points * (80 / 256) + (8, 5, 0)) * (256 / SIZE)).astype(np.float32)
    wide = LandmarkSequence(points=seen, fps=25.0, size=(256, 256), visible=np.ones(FRAMES, bool),
                            crop=(0, 0, SIZE, SIZE))     # the whole picture is its canvas
    own = LandmarkSequence(points=points.astype(np.float32), fps=25.0, size=(256, 256), visible=np.ones(FRAMES, bool),
                           crop=(300, 300, 556, 556))       # of another picture: taken as the reference's canvas
    for name, sequence in (("wide", wide), ("own", own)):
        sequence.save(tmp_path / f"{name}.npz")
        item = Item("m", name, Material(sequence=tmp_path / f"{name}.npz"), Material())
        found = open_generated(item, reference, None)
        np.testing.assert_allclose(found.points, points, atol=0.01)
        assert found.frames is None


def test_sound_is_cut_or_filled_with_silence(tmp_path):
    sound = (0.2 * np.random.default_rng(1).standard_normal(samples_for_frames(9))).astype(np.float32)
    write_flac(tmp_path / "a.flac", sound)
    material = Material(audio=tmp_path / "a.flac")
    expected = extract_features(sound[: samples_for_frames(5)])
    np.testing.assert_allclose(clip_sound(material, frames=5).energies, expected, atol=0.05)
    rows = clip_sound(material, frames=13).energies
    assert len(rows) == 4 * 13 and rows[4 * 9 + 4 :].max() < rows[: 4 * 8].min()
    assert clip_sound(material._replace(silent=True), frames=5) is None and clip_sound(Material(), frames=5) is None


def test_a_held_clip_stands_in_its_first_frame():
    shown, points = pictures(3, noise=5), moving()
    held = side(points, shown, lost=[0]).held()
    assert (held.points == held.points[0]).all() and np.allclose(held.points[0], points[0]) and not held.visible.any()
    assert all((one == shown[0]).all() for one in held.frames()) and len(list(held.frames())) == FRAMES
