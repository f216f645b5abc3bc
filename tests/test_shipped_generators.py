"""The shipped generators: in sync by syncers that did not train them, at rest in silence, still a face after a minute."""

from pathlib import Path

import numpy as np
import pytest

from headsync.landmarks.lips import lip_opening
from headsync.landmarks.motion import face_shape_error, motion_statistics
from headsync.media import read_audio
from landmark_stage import MODELS, MotionControl, generate_landmarks, load_generator, start_face, stream_landmarks
from syncers import as_sync_sample, level_profiles, load_syncers, static

SPEECH = Path(__file__).parents[1] / "examples/speech.flac"
BOTH = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(scope="module")
def generators():
    return {model: load_generator(model) for model in MODELS}


@BOTH
@pytest.mark.parametrize("seed", [0, 1])
def test_motion_is_in_sync_at_every_scale(generators, model, seed):
    sequence = generate_landmarks(SPEECH, generator=generators[model], control=MotionControl(seed=seed))
    sample, syncers = as_sync_sample(SPEECH, sequence), load_syncers("metric")
    found, still = level_profiles(syncers, sample), level_profiles(syncers, static(sample))
    assert [profile.offset for profile in found] == [0, 0, 0, 0]
    assert all(ours.confidence > 2 * theirs.confidence for ours, theirs in zip(found, still))
    assert found[0].confidence > 1      # real people reach 0.9


@BOTH
def test_lips_rest_in_silence(generators, model):
    speech = read_audio(SPEECH)
    speaking, silent = (lip_opening(generate_landmarks(waveform, generator=generators[model]).points[25:75]).std()
                        for waveform in (speech, np.zeros_like(speech)))
    assert silent < 0.2 * speaking


@BOTH
def test_heads_move_and_faces_stay_faces(generators, model):
    long = np.tile(read_audio(SPEECH), 10)      # a minute
    points = generate_landmarks(long, generator=generators[model]).points
    assert 1 < motion_statistics(points).rotation_deg.max() < 15
    assert face_shape_error(points[-250:], points[0]).max() < 7         # 95 % of real frames are under 7 px
    assert 0 < points[..., :2].min() and points[..., :2].max() < 256    # and have not left the canvas
    away = np.linalg.norm(points - points[0], axis=-1).mean(1)
    assert away[-500:].mean() < 1.5 * away[250:750].mean() + 5


@BOTH
def test_seeds_change_the_head_more_than_the_lips(generators, model):
    made = [generate_landmarks(SPEECH, generator=generators[model], control=MotionControl(seed=seed)).points
            for seed in range(4)]
    lips, nose = np.stack([lip_opening(one) for one in made]), np.stack([one[:, 30, 0] for one in made])
    assert lips.std(0).mean() < 0.5 * lips.std(1).mean()
    assert nose.std(0).mean() > 0.3 * nose.std(1).mean()


@BOTH
def test_streamed_equals_whole(generators, model):
    whole = generate_landmarks(SPEECH, generator=generators[model]).points
    blocks = np.concatenate(list(stream_landmarks(SPEECH, generator=generators[model], block_frames=7)))
    np.testing.assert_allclose(blocks, whole, atol=1e-3)


def test_the_start_is_kept():
    start = start_face()
    assert np.array_equal(generate_landmarks(SPEECH, start).points[0], start.points[0])
