"""Real people: preprocessing and synchrony on a few clips of the development corpus, where there is one."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from headsync.corpus import build_corpus, find_sources
from headsync.landmarks import frontalise, head_pose
from headsync.landmarks.lips import lip_opening

CORPUS = Path(os.environ.get("HEADSYNC_CORPUS", Path(__file__).parents[1] / "../shared/corpus"))
CLIPS = ("id001_c01", "id054_c02", "id151_c01", "id131_c01")
pytestmark = pytest.mark.skipif(not (CORPUS / "clips").is_dir(), reason="no development corpus here")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    sources = find_sources([CORPUS / "clips"], manifests=[CORPUS / "manifest.csv"])
    return build_corpus([source for source in sources if source.stem in CLIPS], tmp_path_factory.mktemp("real"))


def test_good_clips_are_kept_whole_with_their_people(built):
    with open(CORPUS / "manifest.csv", newline="") as file:
        known = {row["clip_id"]: row for row in csv.DictReader(file)}
    assert [clip.clip for clip in built.corpus.clips] == sorted(CLIPS) and not built.rejections
    for clip in built.corpus.clips:
        assert clip.identity == known[clip.clip]["identity"] and clip.split == known[clip.clip]["split"]
        assert abs(clip.frames - int(known[clip.clip]["n_frames"])) <= 1 and clip.face_rate >= 0.98 and clip.has_audio


def test_landmarks_are_faces_that_talk(built):
    for clip in built.corpus.clips:
        sequence = built.corpus.landmarks(clip)
        assert 0 < sequence.points[..., :2].min() and sequence.points[..., :2].max() < 256
        steps = np.linalg.norm(np.diff(sequence.points[:, 30, :2], axis=0), axis=1)
        assert np.percentile(steps, 95) < 8                         # the nose does not jump
        assert np.ptp(lip_opening(sequence.points)) > 0.04          # the lips move
        front = frontalise(sequence.points, head_pose(sequence.points))
        assert front[:, 27:36].std(0).max() < 4                     # once frontal, the nose stands still


def test_features_belong_to_the_frames(built):
    for clip in built.corpus.clips:
        rows = built.corpus.features(clip)
        assert rows.shape == (4 * clip.frames, 26) and np.isfinite(rows).all() and rows.std() > 0.5
