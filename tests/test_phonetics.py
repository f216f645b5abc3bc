"""Phonetic features: the published encoder number for number, the same rows streamed as at once, nothing from afar."""

from pathlib import Path

import numpy as np
import pytest
import torch

from headsync.media import measure_level
from headsync.media.mel import log_mel
from headsync.media.phonetics import (
    PHONETIC_FEATURES,
    WINDOWS,
    PhoneticStream,
    load_phonetic_encoder,
    log_scaled,
    phonetic_features,
)

GOLDEN = Path(__file__).parents[1] / "../shared/models/whisper_golden.npz"
SECOND = 16000


@pytest.fixture(scope="module")
def encoder():
    return load_phonetic_encoder()


def sound(samples: int, seed: int = 0) -> np.ndarray:
    """Noise whose loudness swings three times a second, as syllables do."""
    swing = 0.1 * (1 + np.sin(np.arange(samples) * 6 * np.pi / SECOND))
    return (swing * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


@pytest.mark.skipif(not GOLDEN.exists(), reason="the golden values lie in shared/, which is not here")
def test_golden_values_of_the_recogniser(encoder):
    golden = np.load(GOLDEN, allow_pickle=False)
    mel = log_mel(np.pad(golden["wave"], 200, mode="reflect"))[:, :-1]
    assert np.abs(log_scaled(mel, float(mel.max())) - golden["logmel"]).max() < 1e-3
    rows = encoder(torch.from_numpy(golden["logmel"])[None])[0].numpy()
    assert rows.shape == golden["block2"].shape == (150, PHONETIC_FEATURES)
    assert np.abs(rows - golden["block2"]).max() < 1e-2 < 0.1 * np.abs(golden["block2"]).max()


def test_mel_filters_find_a_tone_in_its_band():
    tone = np.sin(2 * np.pi * 1000 * np.arange(SECOND) / SECOND)
    mel = log_mel(tone)
    assert mel.shape == (80, 98)
    assert {25, 26} >= set(mel.argmax(0).tolist()) and float(mel.max() - mel[60].max()) > 3     # 15 of 45.2 mel


@pytest.mark.parametrize("samples", [1, 639, 641, SECOND, SECOND + 1, 3 * SECOND + 777])
def test_two_rows_for_each_frame(encoder, samples):
    rows = phonetic_features(sound(samples), encoder)
    assert rows.shape == (2 * -(-samples // 640), PHONETIC_FEATURES) and rows.dtype == np.float32 and np.isfinite(rows).all()


@pytest.mark.parametrize("cuts, name, samples", [   # more than one batch of windows each
    ([7, 1000, 50641], "full", 18 * SECOND + 123), ([SECOND], "full", 18 * SECOND + 123),
    (list(range(1600, 60000, 1600)), "full", 18 * SECOND + 123), ([7, 1000, 20641], "live", 2 * SECOND + 123),
    (list(range(640, 32000, 640)), "live", 2 * SECOND)])
def test_streamed_it_is_the_same(encoder, cuts, name, samples):
    wave, window = sound(samples), WINDOWS[name]
    blocks = np.split(wave, cuts)
    level = measure_level(wave)
    assert measure_level(blocks).loudness == pytest.approx(level.loudness, abs=1e-6)
    assert level.loudness == pytest.approx(float(log_mel(wave).max()), abs=1e-6)
    whole = phonetic_features(wave, encoder, window)
    stream = PhoneticStream(level.loudness, encoder, window)
    pieces = [*map(stream.push, blocks), stream.finish()]
    assert sum(len(piece) > 0 for piece in pieces) > 1 or len(blocks) < 3
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-4)    # windows are computed in other batches


@pytest.mark.parametrize("name, core", [("full", 2), ("live", 19)])
def test_a_row_covers_its_window_and_nothing_later(encoder, name, core):
    """Samples after the core number `core`, its rows after it and half a mel frame change nothing up to its end."""
    window, wave = WINDOWS[name], sound(4 * SECOND)
    end = core * window.core_samples + window.after_samples
    def rows(waveform):
        stream = PhoneticStream(measure_level(wave).loudness, encoder, window)
        return np.concatenate([stream.push(waveform), stream.finish()])
    one, two = rows(wave), rows(np.concatenate([wave[:end], sound(4 * SECOND - end, seed=1)]))
    last = 2 * core * window.core_frames
    np.testing.assert_array_equal(one[:last], two[:last])
    assert np.abs(one[last:] - two[last:]).max() > 0.1
    needed = end - (core - 1) * window.core_samples
    assert (window.look_ahead_frames - 1) * 640 < needed <= window.look_ahead_frames * 640
    stream = PhoneticStream(measure_level(wave).loudness, encoder, window)
    assert not len(stream.push(wave[: needed - 1])) and len(stream.push(wave[:1])) == 2 * window.core_frames


def test_what_is_no_sound_is_refused_in_one_line(encoder):
    for wrong, told in ((np.zeros((2, 7)), "one channel"), (np.full(700, np.nan), "not finite"), (np.zeros(0), "no samples")):
        with pytest.raises(ValueError, match=told):
            phonetic_features(wrong, encoder)
