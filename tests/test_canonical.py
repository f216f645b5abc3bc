"""The canonical face: symmetric, upright, in its frame; and made from training people only."""

import hashlib
import re
import sys

import numpy as np
import pytest

from headsync.corpus import make_canonical
from headsync.corpus.corpus import Clip, write_table
from headsync.corpus.make_canonical import build_canonical, symmetrised
from headsync.landmarks import canonical
from headsync.landmarks.canonical import canonical_face
from headsync.landmarks.geometry import rotation_matrix, similarity_fit
from headsync.landmarks.layouts import GROUPS, MIRROR
from headsync.landmarks.sequence import LandmarkSequence


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def person(face: np.ndarray, frames: int, *, seed: int) -> np.ndarray:
    """This face (T, 68, 3) nodding about, at a size and place of its own."""
    random = np.random.default_rng(seed)
    turns = rotation_matrix(0.2 * random.standard_normal((frames, 3)))
    return (0.6 + random.random()) * face @ turns + 53 * random.standard_normal(3)


def another_face() -> np.ndarray:
    """A symmetric face that is not the shipped one."""
    return symmetrised(canonical_face() + 5 * noise(68, 3)) + [128, 0, 0]


def misfit(found: np.ndarray, planted: np.ndarray) -> float:
    """Largest distance in pixels after the best similarity."""
    return float(np.linalg.norm(similarity_fit(planted, found).apply(planted) - found, axis=1).max())


def test_the_shipped_face_is_symmetric():
    face = canonical_face()
    assert face.shape == (68, 3) and face.dtype == np.float32
    assert np.abs(face[MIRROR] * [-1, 1, 1] + [256, 0, 0] - face).max() < 1e-4


def test_the_shipped_face_is_upright_and_lies_in_its_frame():
    face = canonical_face()
    height = {name: face[list(group), 1].mean() for name, group in GROUPS.items()}
    assert height["right_brow"] < height["right_eye"] < height["nostrils"] < height["mouth"] < face[8, 1]
    assert 50 < face[:, :2].min() and face[:, :2].max() < 206 and np.isclose(np.ptp(face[:, 1]), 128, atol=0.01)
    assert 0.7 < np.ptp(face[:, 0]) / np.ptp(face[:, 1]) < 1.2


def test_the_nose_is_nearest_and_the_ears_are_farthest():
    z = canonical_face()[:, 2]
    assert z.argmin() == 30 and set(np.argsort(z)[-4:]) <= {0, 1, 2, 14, 15, 16} and abs(z.mean()) < 1e-3


def test_changing_a_copy_changes_nobody_elses():
    canonical_face()[:] = 0
    assert canonical_face().any()


def test_a_face_that_was_tampered_with_is_refused(monkeypatch):
    monkeypatch.setattr(canonical, "DIGEST", "0" * 64)
    with pytest.raises(ValueError, match="expected 000000000000"):
        canonical_face()


def test_symmetrising_takes_the_mean_with_the_mirror_image():
    crooked = noise(68, 3)
    face = symmetrised(crooked)
    assert np.allclose(face[MIRROR] * [-1, 1, 1], face) and np.allclose(symmetrised(face), face)
    assert np.allclose(face[8, 1:], crooked[8, 1:]), "the middle keeps its height and depth"


def test_a_planted_face_is_recovered_from_turned_clips():
    planted = another_face()
    found = build_canonical(person(planted, 31, seed=seed) for seed in range(7))
    assert misfit(found, planted) < 0.05 < misfit(canonical_face(), planted)


def test_the_mean_stands_in_the_frame_whatever_the_clips_did():
    crooked = canonical_face() + 3 * noise(68, 3)
    found = build_canonical([person(crooked, 31, seed=3)])
    low, high = found.min(0), found.max(0)
    assert np.allclose((low + high)[:2] / 2, [128, 140.8], atol=1e-3) and np.isclose(high[1] - low[1], 128)
    assert np.abs(found[MIRROR] * [-1, 1, 1] + [256, 0, 0] - found).max() < 1e-3 and found.dtype == np.float32


def test_people_count_alike_however_long_they_talk():
    one, other = canonical_face().astype(np.float64), another_face()
    even = build_canonical([person(one, 11, seed=1), person(other, 11, seed=2)])
    uneven = build_canonical([person(one, 11, seed=1), person(other, 211, seed=2)])
    assert misfit(uneven, even) < 0.1


def test_turned_frames_do_not_count():
    clip = person(another_face(), 41, seed=5)
    spoiled = clip.copy()
    far = np.linalg.norm(similarity_fit(clip, build_canonical([clip])).rotation - np.eye(3), axis=(1, 2)).argsort()[-7:]
    spoiled[far] = (clip[far] + [[0, 0, 1]] * clip[far] * 0.5)      # wrong depths where the head is turned away most
    assert misfit(build_canonical([spoiled]), build_canonical([clip])) < 0.5


def test_no_clip_is_an_error():
    with pytest.raises(ValueError, match="at least one clip"):
        build_canonical([])


def test_the_program_reads_training_people_only(tmp_path, monkeypatch, capsys):
    (tmp_path / "landmarks").mkdir()
    people = {"one": "train", "two": "train", "three": "val"}
    rows = []
    for seed, (name, split) in enumerate(people.items()):
        points = person(another_face() if split == "train" else 2 * noise(68, 3), 7, seed=seed).astype(np.float32)
        LandmarkSequence(points=points, visible=np.ones(7, bool), fps=25.0, size=(256, 256),
                         crop=(0.0, 0.0, 256.0, 256.0)).save(tmp_path / "landmarks" / f"{name}.npz")
        rows.append(Clip(name, name, split, 7, f"{name}.mp4", 0.0, False, 0, 1.0, 99.0, 0.0, 0.0, 0, -30.0, 0.1))
    write_table(tmp_path / "manifest.csv", Clip, rows)
    out = tmp_path / "face.npy"
    monkeypatch.setattr(sys, "argv", ["canonical", "--data", str(tmp_path), "--out", str(out)])
    make_canonical.main()
    face = np.load(out, allow_pickle=False)
    assert misfit(face, another_face()) < 0.05
    told = re.fullmatch(r"2 people; SHA-256 (\w{64})\n", capsys.readouterr().out)
    assert told and told[1] == hashlib.sha256(face.tobytes()).hexdigest()
