"""The parts of an evaluation against planted answers: sets, people, lags, ranks, pictures of one side in another size."""

import numpy as np
import pytest
import torch

from headsync.evaluation.anchors import MISMATCHED, REAL, SHIFTED, STILL, Anchors, FaceCollection
from headsync.evaluation.catalogue import FIGURES, badness, groups
from headsync.evaluation.clip import clip_profiles
from headsync.evaluation.clip_sets import LipSet
from headsync.evaluation.curves import Curves
from headsync.evaluation.motion_sets import LENGTHS, FeatureSet, MotionSet, embedded_motion, flat_motion, motion_picture
from headsync.evaluation.sides import ItsSound, Reference, Side
from headsync.evaluation.worst import ranking_figure
from headsync.landmarks import canonical_face
from headsync.landmarks.layouts import INNER_PAIRS
from syncers import load_syncers, separation
from tests.talking import made_up_sample


def motions(count: int, frames: int) -> list[np.ndarray]:
    return [made_up_sample(frames, seed=seed).flat.reshape(frames, 68, 3)[..., :2].flatten(1).numpy() for seed in range(count)]


def test_pieces_do_not_overlap_and_the_same_motion_has_distance_0():
    found = MotionSet(seed=7)
    for number, clip in enumerate(motions(5, 97)):
        found.add(clip, clip, f"person{number}")
    assert [len(found.pairs[frames]) for frames in LENGTHS] == [2 * 5, 5, 0]
    figures = found.figures(draws=3)
    assert set(figures) == {f"{kind}_{frames}" for kind in ("positions", "velocities", "windows") for frames in (40, 80)}
    assert all(figure.value == pytest.approx(0, abs=1e-6) for figure in figures.values())


def mouths(openings: np.ndarray) -> Side:
    """Canonical faces whose inner lips are so far apart, in eye distances."""
    faces = np.repeat(canonical_face()[None].astype(np.float64), len(openings), 0)
    upper, lower = (list(side) for side in zip(*INNER_PAIRS))
    faces[:, lower] = faces[:, upper]
    faces[:, lower, 1] += np.linalg.norm(faces[0, 45, :2] - faces[0, 36, :2]) * openings[:, None]
    return Side(faces.astype(np.float32), np.ones(len(faces), bool), None)


def test_motion_that_is_added_to_the_first_frames_mouth_is_seen():
    random = np.random.default_rng(5)
    starts, real = random.uniform(0, 0.3, 7), random.uniform(0, 0.2, (7, 23))
    real[:, 0] = starts
    lips = {name: LipSet(seed=7) for name in ("added", "absolute", "few")}
    for number, start in enumerate(starts):
        lips["added"].add(mouths(start + 0.5 * (real[number] - start)), mouths(real[number]))
        lips["absolute"].add(mouths(real[::-1][number]), mouths(real[number]))
    added, absolute = lips["added"].figures(draws=31), lips["absolute"].figures(draws=31)
    assert added["lips_first_r"].value > 0.95 > 0.8 > abs(absolute["lips_first_r"].value)
    assert absolute["lips_deviation"].value == pytest.approx(1, abs=1e-4) == pytest.approx(absolute["lips_p95"].value, abs=1e-4)
    for one in (*added.values(), *absolute.values()):
        assert one.low <= one.value + 0.1 and one.high >= one.value - 0.1 and one.high > one.low and one.samples == 7
    lips["few"].add(mouths(real[0]), mouths(real[0]))
    assert lips["few"].figures() == {}


def test_lips_of_frames_without_a_face_do_not_count():
    one, other = LipSet(seed=7), LipSet(seed=7)
    for number in range(5):
        openings = np.random.default_rng(number).uniform(0, 0.2, 13)
        seen = mouths(openings)
        one.add(seen, seen)
        openings = np.append(openings, 5.0)
        other.add(mouths(openings)._replace(visible=np.arange(14) < 13), mouths(np.append(openings[:13], 0.1)))
    assert other.figures(draws=5) == one.figures(draws=5)


def test_floors_keep_people_apart():
    found = MotionSet(seed=7)
    for number, clip in enumerate(motions(9, 83)):
        found.add(clip, clip, f"person{number % 3}")
    floor = found.floors()["velocities_40"]
    assert floor.value > 0 and floor.low <= floor.value <= floor.high and floor.samples == 6
    alone = MotionSet(seed=7)
    for clip in motions(9, 83):
        alone.add(clip, clip, "one")
    assert alone.floors() == {}


def test_real_clips_without_motion_have_no_distances_and_end_nothing():
    found, still = MotionSet(seed=7), np.repeat(motions(1, 1)[0], 47, 0)
    for number in range(11):
        found.add(motions(1, 47)[0], still, f"person{number}")
    assert found.figures(draws=2) == {} == found.floors()


def test_features_that_are_moved_lie_as_far_apart_as_they_were_moved():
    random, found = np.random.default_rng(3), FeatureSet(seed=7, meaning="test")
    real = random.standard_normal((211, 5))
    found.add(real + [0, 3, 0, 0, 4], real)
    figure = found.figure()
    assert figure.value == pytest.approx(25, rel=1e-6) and figure.samples == 211
    assert 0 <= found.floor().value < 1 and FeatureSet(seed=7, meaning="").figure() is None


def test_people_are_distinguished_by_pairs_of_two_clips_where_there_are_two():
    random, faces = np.random.default_rng(5), FaceCollection()
    for person in range(4):
        middle = np.eye(7)[person]
        for clip in range(2 if person else 1):
            vectors = middle + 0.1 * random.standard_normal((9, 7))
            faces.add(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), identity=f"p{person}", clip=f"p{person}c{clip}")
    found = faces.likeness()
    assert found.genuine > 0.85 and abs(found.impostor) < 0.2 and found.roc_area == 1
    assert found.genuine_pairs == 3 * 16 + 6        # across two clips of three people, within the only one of the first
    auroc = pytest.importorskip("torchmetrics.functional.classification").binary_auroc
    genuine, impostor = np.array([0.9, 0.4, 0.6, 0.6]), np.array([0.1, 0.6, 0.5])
    golden = auroc(torch.from_numpy(np.concatenate([genuine, impostor])), torch.tensor([1] * 4 + [0] * 3))
    assert separation(genuine, impostor) == pytest.approx(float(golden), abs=1e-6)
    alone = FaceCollection()
    alone.add(np.eye(7)[:3], identity="p", clip="c")
    assert alone.likeness() is None


@pytest.fixture(scope="module")
def sample():
    found = made_up_sample(151, seed=4)
    return 256 * found.flat.reshape(-1, 68, 3).numpy(), found.rows.numpy()


def test_sound_known_to_be_late_is_put_right(sample):
    points, rows = sample
    pyramid = load_syncers("loss")
    before = clip_profiles(points, rows, pyramid)
    late = np.concatenate([rows[:12], rows[:-12]])                                  # three frames late
    after = clip_profiles(points, late, pyramid, late_frames=3)
    assert set(before.figures()) >= {"av_off_200_valid", "av_conf_1600_syncnet"}
    for one, other in zip(before.of_mode["valid"], after.of_mode["valid"]):
        assert one.offset == other.offset
    assert clip_profiles(points[:4], rows, pyramid).figures() == {}


def test_shifted_sound_is_found_where_it_was_put_and_mismatched_audio_is_anothers(sample):
    points, rows = sample
    anchors = Anchors(load_syncers("loss"))
    side = Side(points, np.ones(len(points), bool), None)
    reference = Reference(side, (0.0, 0.0, 256.0, 256.0), (256, 256), ItsSound(rows, rows))
    told = [{row.anchor for row in anchors.rows(reference, identity=person, late_frames=0)} for person in ("ann", "ann", "bob")]
    assert told[0] == told[1] == {REAL, STILL, SHIFTED} and told[2] == {REAL, STILL, SHIFTED, MISMATCHED}
    fine = [shift for shift in anchors.shifts if shift.window_ms <= 400]
    assert len(fine) == 6 and fine[0].frames == 5 and all(abs(shift.frames - 5) <= shift.step_frames for shift in fine)


def test_a_mean_profile_is_as_deep_as_the_confidence(sample):
    points, rows = sample
    curves, profiles = Curves(), clip_profiles(points, np.roll(rows, 4 * 6, axis=0), load_syncers("loss"))   # six frames late
    curves.add("one", profiles)
    curves.add("one", None)
    curve = curves.lag_curve("one", 1)
    profile = profiles.of_mode["valid"][1]
    assert curve.clips == 1 and curve.lags[curve.distances.argmin()] == 2 * profile.offset != 0
    assert -curve.distances.min() == pytest.approx(profile.confidence, abs=1e-5)
    assert curves.lag_curve("other", 0) is None


def test_heads_turn_against_their_first_frame():
    curves = Curves()
    curves.add_head("one", "clip", np.repeat(canonical_face()[None], 7, 0))
    assert np.abs(curves.heads["one", "clip"]).max() < 1e-3


def test_every_figure_says_what_is_worse():
    assert badness("ssim", 0.9, None) < badness("ssim", 0.4, None)
    assert badness("lmd", 5.0, None) > badness("lmd", 1.0, None)
    assert badness("jitter_px", 0.1, 0.3) == pytest.approx(badness("jitter_px", 0.5, 0.3))
    assert badness("turn_deg", 1.0, None) is None
    assert badness("flicker", 0.5, None) == 0.5
    assert ranking_figure({"lmd_mouth_frontal", "jitter_px"}) == "lmd_mouth_frontal" and ranking_figure({"nod_deg"}) is None
    grouped = groups(set(FIGURES))
    assert sum(map(len, grouped.values())) == len(FIGURES) and all(figure.meaning for figure in FIGURES.values())


def test_a_motion_picture_is_brighter_where_the_face_stays():
    face = canonical_face()
    still = motion_picture(np.repeat(face[None], 31, 0))
    moving = motion_picture(np.stack([face + [t, 0, 0] for t in range(31)]))
    assert still.shape == (256, 256, 3) and still.max() == 255 and moving.max() < 255
    assert still.any(2).sum() < moving.any(2).sum()
    seen = embedded_motion([np.repeat(face[None], 5, 0)] * 2, lambda pictures, points: pictures[:, 0, :3, 0])
    assert seen.shape == (2, 3)


def test_motion_is_shares_of_the_canvas():
    flat = flat_motion(np.full((2, 68, 3), 128, np.float32))
    assert flat.shape == (2, 136) and (flat == 0.5).all()
