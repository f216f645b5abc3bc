"""Shows that features have 4 rows a frame, follow the library they come from, and are the same streamed as whole."""

import numpy as np
import pytest
import python_speech_features
from media_files import noise

from headsync.media import Level, extract_features, frames_for_samples, measure_level, pad_waveform, stream_features

KINDS = ["fbank26", "mfcc26"]
LENGTHS = [1, 624, 640, 656, 7919, 16_001]   # one sample, 39 ms, one frame, 41 ms, primes


def voice(samples, seed=3):
    return noise(samples, seed=seed)[0] * np.hanning(samples + 2)[1:-1].astype(np.float32) + 0.01


def blocks_of(waveform, sizes):
    start = 0
    for size in sizes:
        yield waveform[start:start + size]
        start += size
    yield waveform[start:]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("samples", LENGTHS)
def test_four_rows_for_every_frame(samples, kind):
    features = extract_features(voice(samples), kind=kind)
    assert features.shape == (4 * frames_for_samples(samples), 26) and features.dtype == np.float32
    assert np.isfinite(features).all()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_of_the_library(kind):
    waveform = voice(7919).astype(np.float64)
    centred = waveform - waveform.mean()
    padded = pad_waveform(centred / np.abs(centred).max(), frames_for_samples(7919))
    if kind == "mfcc26":
        expected = python_speech_features.mfcc(padded, 16000, nfilt=26, numcep=26, nfft=512)
    else:
        expected = python_speech_features.logfbank(padded, 16000, nfilt=26, nfft=512)
    np.testing.assert_allclose(extract_features(waveform, kind=kind), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [[1] * 53, [640] * 11, [641, 0, 7, 1999], [160_000], [880, 400, 240, 3]])
@pytest.mark.parametrize("samples", [1, 656, 16_001])
def test_streamed_equals_whole(samples, sizes, kind):
    waveform = voice(samples)
    pieces = list(stream_features(blocks_of(waveform, sizes), measure_level([waveform]), kind=kind))
    assert all(len(piece) % 4 == 0 for piece in pieces)
    np.testing.assert_allclose(np.concatenate(pieces), extract_features(waveform, kind=kind), rtol=1e-6, atol=1e-6)


def test_long_sound_is_worked_on_in_chunks_without_seams():
    waveform = voice(640 * 613 + 17)
    whole = next(iter(stream_features([waveform], measure_level([waveform]))))
    np.testing.assert_allclose(extract_features(waveform)[:len(whole)], whole, rtol=1e-6, atol=1e-6)


def test_streaming_is_lazy():
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield voice(640 * 5)

    stream = stream_features(endless(), Level(0.0, 1.0))
    assert [len(next(stream)) for _ in range(3)] == [16, 20, 20] and len(taken) == 3


def test_level_is_the_same_in_any_blocks():
    waveform = voice(7919)
    whole, split = measure_level([waveform]), measure_level(blocks_of(waveform, [1, 0, 31, 4001]))
    assert whole == pytest.approx(split, rel=1e-12)
    assert whole.mean == pytest.approx(float(waveform.astype(np.float64).mean()))
    assert whole.peak == pytest.approx(float(np.abs(waveform - waveform.mean(dtype=np.float64)).max()))


def test_loudness_and_offset_do_not_matter():
    waveform = voice(7919).astype(np.float64)
    np.testing.assert_allclose(extract_features(waveform), extract_features(0.003 * waveform + 0.2), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("samples", [1, 7919])
def test_silence_and_constants_are_zeros(samples, kind):
    silence = extract_features(np.zeros(samples, np.float32), kind=kind)
    assert np.isfinite(silence).all() and (silence == silence[0]).all()
    for constant in (0.1, -0.7, 3e4, 1e10 / 3):
        same = extract_features(np.full(samples, constant), kind=kind)
        np.testing.assert_array_equal(same, silence)


def test_dither_stays_silent():
    dither = np.random.default_rng(1).integers(-1, 2, 7919) / np.float32(32768)
    np.testing.assert_array_equal(extract_features(dither), extract_features(np.zeros(7919)))


def test_bad_waveforms_are_refused_in_one_line():
    for waveform, cause in ((np.zeros(0), "no samples"), (np.zeros((3, 2)), "one channel"),
                            (np.full(5, np.nan), "finite")):
        with pytest.raises(ValueError, match=cause) as caught:
            extract_features(waveform)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="no samples"):
        list(stream_features([np.zeros(0)], Level(0.0, 1.0)))
    with pytest.raises(ValueError, match="fbank26, mfcc26"):
        extract_features(np.zeros(7), kind="mel")
    with pytest.raises(ValueError, match="fbank26, mfcc26"):
        stream_features([], Level(0.0, 1.0), kind="mel")
