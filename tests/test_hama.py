"""hama's blocks: the ONNX file number for number, the same rows streamed as at once, quiet sounds as loud ones."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from headsync.media import measure_level
from headsync.media.hama import HAMA_FEATURES, HamaStream, levelled_mel, load_hama_encoder
from headsync.media.kinds import FEATURE_KINDS, sound_features
from headsync.media.mel import log_mel

ONNX = Path(__file__).parents[1] / "../shared/models/hama_5blocks.onnx"
SECOND = 16000
ROWS, COLUMNS = (0, 25, 75, 140), (0, 17, 101, 255)
GOLDEN = [[-0.0985, -0.1693, -0.3260, -0.1698], [-0.0928, -0.3357, 0.1871, -0.1333],
          [-0.0927, -0.3357, 0.1961, -0.1333], [-0.0934, -0.2901, 0.1187, -0.1082]]


@pytest.fixture(scope="module")
def encoder():
    return load_hama_encoder()


def tones(samples: int) -> np.ndarray:
    """Four tones whose loudness swings three times a second, as syllables do."""
    time = np.arange(samples) / SECOND
    swing = 0.1 * (1 + np.sin(6 * np.pi * time))
    return (swing * sum(np.sin(2 * np.pi * hz * time + hz) for hz in (137, 411, 953, 2311)) / 4).astype(np.float32)


def noise(samples: int) -> np.ndarray:
    return (0.1 * tones(samples) * np.random.default_rng(3).standard_normal(samples)).astype(np.float32)


def test_golden_values():
    rows = sound_features(tones(3 * SECOND + 777), "hama")
    assert rows.shape == (154, HAMA_FEATURES) and rows.dtype == np.float32
    np.testing.assert_allclose(rows[np.ix_(ROWS, COLUMNS)], GOLDEN, atol=2e-3)
    assert float(rows.std()) == pytest.approx(0.3877, abs=2e-3)


@pytest.mark.skipif(not ONNX.exists(), reason="the ONNX file lies in shared/, which is not here")
def test_it_says_what_the_onnx_file_says(encoder):
    """The file computes in half precision: rows agree to that."""
    session = pytest.importorskip("onnxruntime").InferenceSession(ONNX)
    wave = tones(2 * SECOND) + 10 * noise(2 * SECOND)
    expected = session.run(None, {"waveform": wave[None]})[0][0].T.astype(np.float32)           # (P, 256)
    mel = math.log(10) * log_mel(np.pad(wave, 200), encoder.mel_filters.numpy())
    rows = encoder(torch.from_numpy(mel.astype(np.float32))[None])[0].numpy()
    assert rows.shape == expected.shape
    assert np.abs(rows - expected).mean() < 5e-3 < 0.05 * np.abs(expected).mean()


@pytest.mark.parametrize("samples", [1, 639, 641, SECOND, SECOND + 1, 3 * SECOND + 777])
def test_two_rows_for_each_frame(samples):
    rows = sound_features(noise(samples), "hama")
    assert rows.shape == (2 * -(-samples // 640), HAMA_FEATURES) and np.isfinite(rows).all()


@pytest.mark.parametrize("cuts", [[7, 1000, 50641], list(range(1600, 150000, 1600))])
def test_streamed_it_is_the_same(encoder, cuts):
    wave = noise(11 * SECOND + 123)      # more than one batch of windows
    stream = HamaStream(measure_level(wave).loudness, encoder)
    pieces = [*map(stream.push, np.split(wave, cuts)), stream.finish()]
    assert sum(len(piece) > 0 for piece in pieces) > 1
    np.testing.assert_allclose(np.concatenate(pieces), sound_features(wave, "hama"), atol=1e-4)


def test_quiet_sounds_give_what_loud_ones_do_and_silence_is_finite():
    wave = tones(2 * SECOND) + noise(2 * SECOND)
    np.testing.assert_allclose(sound_features(0.1 * wave, "hama"), sound_features(wave, "hama"), atol=0.02)
    assert np.isfinite(sound_features(np.zeros(SECOND, np.float32), "hama")).all()


def test_rows_beyond_the_ends_of_a_sound_take_no_part(encoder):
    """Channels are weighed by their means over the sound alone, not over the silence of a window around it."""
    wave, side = noise(SECOND), 3 * SECOND
    loudness, filters = measure_level(wave).loudness, encoder.mel_filters.numpy()

    def at_once(samples):
        return encoder(torch.from_numpy(levelled_mel(samples, loudness, filters))[None])[0].numpy()

    alone, rows = at_once(np.pad(wave, (200, 40))), sound_features(wave, "hama")
    around = at_once(np.pad(wave, side + 200))[150:200]
    apart, diluted = (np.abs(one[10:-10] - alone[10:-10]).mean() for one in (rows, around))     # the stem differs at the ends
    assert apart < 0.3 * diluted


def test_kinds_are_what_they_say():
    wave = noise(SECOND + 1)
    for name, kind in FEATURE_KINDS.items():
        assert sound_features(wave, name).shape == (26 * kind.rows_per_frame, kind.features), name
    with pytest.raises(ValueError, match="choose one of fbank26, mfcc26, hama, whisper"):
        sound_features(wave, "logfbank")
