"""The shipped learners of head motion and expression load, stream, are seeded, keep a person's manner and speak in sync."""

from pathlib import Path

import numpy as np
import pytest

from headsync.landmarks import RIGID17, canonical_face, rotation_matrix, smooth
from headsync.landmarks.lips import lip_opening
from headsync.landmarks.motion import head_track
from headsync.media import read_audio
from landmark_stage import (
    HeadReference,
    generate_expression,
    load_expression,
    load_head_motion,
    start_face,
    stream_expression,
    stream_heads,
)
from landmark_stage.head_motion.network import SMOOTHING_TAPS
from syncers import as_sync_sample, level_profiles, load_syncers, static

SPEECH = Path(__file__).parents[1] / "examples/speech.flac"
FIT = list(RIGID17)


@pytest.fixture(scope="module")
def waveform():
    return read_audio(SPEECH)


@pytest.fixture(scope="module")
def heads():
    return load_head_motion()


@pytest.fixture(scope="module")
def expression():
    return load_expression()


def person(degrees, *, taps=21, frames=75, seed=1):
    """A reference whose head swings by some degrees about an axis of its own: slower with more taps."""
    swing = smooth(np.random.default_rng(seed).standard_normal((frames, 3)), taps)
    swing = np.radians(degrees) * (swing - swing.mean(0)) / swing.std()
    face = canonical_face() - canonical_face().mean(0)
    return HeadReference((face @ np.swapaxes(rotation_matrix(swing), 1, 2) + canonical_face().mean(0)).astype(np.float32))


def predicted(waveform, model, **how):
    return np.concatenate(list(stream_heads(waveform, canonical_face(), model=model, **how)))


def test_heads_move_as_heads_do(waveform, heads):
    frames = -(-len(waveform) // 640)
    minute = predicted(np.tile(waveform, 10), heads)
    assert minute.shape[1] == 6 and np.isfinite(minute).all() and minute.dtype == np.float64
    assert (0.3 < np.degrees(minute[:, :3].std(0))).all() and np.degrees(np.abs(minute[:, :3])).max() < 30
    assert np.degrees(np.abs(np.diff(minute[:, :3], axis=0))).max() < 2       # a frame
    assert minute[-500:].std(0).max() < 3 * minute[:500].std(0).max()       # and do not wander off
    assert len(predicted(waveform, heads)) == frames


def test_heads_are_seeded_and_stream(waveform, heads):
    one, again, other = (predicted(waveform, heads, reference=person(3), seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(one, again) and np.degrees(np.abs(one - other)[:, :3]).max() > 1
    blocks = list(stream_heads(np.tile(waveform, 3), canonical_face(), model=heads, reference=person(3), seed=3))
    assert len(blocks) > 1
    # the longer sound is louder nowhere: the audio so far decides, up to the look-ahead at the end
    np.testing.assert_allclose(np.concatenate(blocks)[: len(one) - 6], one[:-6], atol=2e-3)


def test_heads_keep_a_persons_manner(waveform, heads):
    small, large = (predicted(waveform, heads, reference=person(degrees), seed=1) for degrees in (1, 5))
    assert large[:, :3].std() > 2 * small[:, :3].std()
    slow, fast = (predicted(waveform, heads, reference=person(3, taps=taps), seed=1) for taps in (35, 9))
    pace = [np.diff(one[:, :3], axis=0).std() / one[:, :3].std() for one in (slow, fast)]
    assert pace[1] > 1.25 * pace[0]
    for reference in (person(2), person(4, seed=5)):
        last = head_track(reference.points, taps=SMOOTHING_TAPS)[-1]
        made = predicted(waveform, heads, reference=reference)
        assert np.degrees(np.abs(made[0, :3] - last[:3])).max() < 0.1      # goes on where the reference ends


def test_lips_speak_in_sync_and_the_head_stands_still(waveform, expression):
    made = generate_expression(waveform, model=expression)
    sample, syncers = as_sync_sample(SPEECH, made), load_syncers("metric")
    ours, still = level_profiles(syncers, sample)[0], level_profiles(syncers, static(sample))[0]
    assert abs(ours.offset) <= 1 and ours.confidence > 2 * still.confidence
    moved = made.points - made.points[0]
    assert np.array_equal(made.points[0], canonical_face())
    assert np.sqrt(np.square(moved[:, FIT, :2]).sum(-1).mean()) < 0.5 < np.abs(moved[:, 48:]).max()


def test_lips_rest_in_silence(waveform, expression):
    speaking, silent = (lip_opening(generate_expression(sound, model=expression).points[10:]).std()
                        for sound in (waveform, np.zeros_like(waveform)))
    assert silent < 0.2 * speaking


def test_expressions_stream_and_know_a_persons_mouth(waveform, expression):
    whole = generate_expression(waveform, model=expression).points
    blocks = np.concatenate(list(stream_expression(waveform, model=expression, block_frames=7)))
    np.testing.assert_allclose(blocks, whole, atol=1e-3)
    wide = whole.copy()
    wide[:, 55:60, 1] += 6          # somebody whose lower lip hangs
    wide[:, 65:68, 1] += 6
    levels = [lip_opening(np.concatenate(list(stream_expression(
        waveform, start_face(), model=expression, reference=HeadReference(points, waveform))))[10:]).mean()
        for points in (whole, wide)]
    assert levels[1] > levels[0] + 0.03
