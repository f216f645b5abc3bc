"""Shows that sound of any file comes out as 16 kHz mono on the time line of its pictures, or is refused in one line."""

import logging
import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_files import (
    ODD_NAMES,
    add_audio,
    assert_refused,
    click_times,
    clicks,
    noise,
    numbered_frame,
    tone,
    truncate,
    write_audio,
    write_video,
)

from headsync.media import frames_for_samples, read_audio, read_frames, stream_audio

AT_S = [0.5, 1.25, 2.0]
SECONDS = 2.517
WAV = {"codec": "pcm_s16le", "sample_format": "s16"}
READERS = (read_audio, lambda file: next(stream_audio(file)))
CORPUS = Path(os.environ.get("HEADSYNC_CORPUS", Path(__file__).parents[1] / "../shared/corpus"))
# name, codec, rate, sample format, what the codec itself delays without saying so in its container (ms)
FORMATS = [
    ("8k.wav", "pcm_s16le", 8000, "s16", 0), ("192k.wav", "pcm_s24le", 192000, "s32", 0),
    ("float.wav", "pcm_f32le", 44100, "flt", 0), ("double.wav", "pcm_f64le", 22050, "dbl", 0),
    ("u8.wav", "pcm_u8", 11025, "u8", 0), ("a.flac", "flac", 48000, "s16", 0), ("24.flac", "flac", 96000, "s32", 0),
    ("a.mp3", "libmp3lame", 44100, "fltp", 0), ("a.m4a", "aac", 44100, "fltp", 0), ("16k.m4a", "aac", 16000, "fltp", 0),
    ("a.mkv", "aac", 48000, "fltp", 0), ("a.webm", "libopus", 48000, "flt", 0), ("a.opus", "libopus", 48000, "flt", 0),
    ("alac.m4a", "alac", 44100, "s16p", 0),
    ("a.aac", "aac", 48000, "fltp", 1024 / 48), ("a.ac3", "ac3", 48000, "fltp", 256 / 48),
]


def frames(count, size=(32, 48)):
    return [numbered_frame(number, size=size) for number in range(count)]


@pytest.mark.parametrize("name, codec, rate_hz, sample_format, delay_ms", FORMATS)
def test_clicks_are_where_they_were_planted(tmp_path, name, codec, rate_hz, sample_format, delay_ms):
    path = write_audio(tmp_path / name, clicks(SECONDS, rate_hz=rate_hz, at_s=AT_S), rate_hz=rate_hz, codec=codec,
                       sample_format=sample_format)
    waveform = read_audio(path)
    assert waveform.dtype == np.float32 and waveform.ndim == 1
    np.testing.assert_allclose(np.array(click_times(waveform)) - delay_ms / 1000, AT_S, atol=1e-3)
    if not delay_ms:   # a container that tells what to skip gives the exact length back
        assert abs(len(waveform) - SECONDS * 16000) <= 16


@pytest.mark.parametrize("samples", [1, 624, 656, 7919])
def test_16_khz_comes_back_sample_for_sample(tmp_path, samples):
    sound = np.round(noise(samples, seed=2) * 32767) / 32768
    path = write_audio(tmp_path / "a.wav", sound.astype(np.float32), rate_hz=16000, **WAV)
    np.testing.assert_allclose(read_audio(path), sound[0], atol=1.01 / 32768)
    assert len(read_audio(path)) == samples


@pytest.mark.parametrize("rate_hz", [8000, 44100, 48000, 192_000])
@pytest.mark.parametrize("samples", [1, 2, 31])
def test_the_shortest_sounds_are_sounds(tmp_path, samples, rate_hz):
    path = write_audio(tmp_path / "a.wav", tone(samples, rate_hz=rate_hz) + 0.2, rate_hz=rate_hz, **WAV)
    waveform = read_audio(path)
    assert len(waveform) == -(-samples * 16000 // rate_hz) and abs(waveform[0]) > 0.01


@pytest.mark.parametrize("rate_hz", [8000, 11025, 44100, 48000, 96_000])
@pytest.mark.parametrize("sample_format, codec", [("u8", "pcm_u8"), ("s16", "pcm_s16le"), ("flt", "pcm_f32le")])
def test_lengths_are_exact_and_ends_are_quiet(tmp_path, rate_hz, sample_format, codec):
    sound = tone(7919, rate_hz=rate_hz) * np.hanning(7919).astype(np.float32)
    path = write_audio(tmp_path / "a.wav", sound, rate_hz=rate_hz, codec=codec, sample_format=sample_format)
    waveform = read_audio(path)
    assert len(waveform) == -(-7919 * 16000 // rate_hz)
    assert np.abs(waveform[-16:]).max() < 0.03


@pytest.mark.parametrize("codec, sample_format", [("pcm_s16le", "s16"), ("pcm_f32le", "flt"), ("aac", "fltp")])
@pytest.mark.parametrize("layout, channels", [("stereo", 2), ("5.1", 6), ("7.1", 8)])
def test_channels_are_mixed_to_one(tmp_path, layout, channels, codec, sample_format):
    sound = np.repeat(tone(24_001, rate_hz=48000), channels, 0)
    path = write_audio(tmp_path / "a.mkv", sound, rate_hz=48000, codec=codec, sample_format=sample_format,
                       layout=layout)
    waveform = read_audio(path)
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    assert abs(spectrum.argmax() * 16000 / len(waveform) - 313) < 5 and np.abs(waveform).max() > 0.2


@pytest.mark.parametrize("channels", [3, 11])
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_channels_without_names_are_mixed_to_one(tmp_path, channels, bits):
    sound = np.repeat(tone(16_001, rate_hz=16000), channels, 0).T   # (N, C)
    kind, scale, zero = {8: (np.uint8, 127, 128), 16: (np.int16, 32767, 0), 32: (np.int32, 2**31 - 1, 0)}[bits]
    data = (sound.astype(np.float64) * scale + zero).astype(kind).tobytes()
    width = bits // 8 * channels
    (tmp_path / "a.wav").write_bytes(
        b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, channels, 16000, 16000 * width, width, bits) + b"data"
        + struct.pack("<I", len(data)) + data)
    waveform = read_audio(tmp_path / "a.wav")
    assert len(waveform) == 16_001
    assert np.corrcoef(waveform, sound[:, 0])[0, 1] > 0.99 and abs(waveform.mean()) < 0.02


@pytest.mark.parametrize("block_frames", [1, 7, 250])
def test_blocks_hold_whole_frames_and_join_to_the_whole(tmp_path, block_frames):
    path = write_audio(tmp_path / "a.mp3", noise(100_003, seed=4), rate_hz=44100, codec="libmp3lame")
    blocks, whole = list(stream_audio(path, block_frames=block_frames)), read_audio(path)
    assert {len(block) for block in blocks[:-1]} <= {640 * block_frames} and len(blocks[-1]) <= 640 * block_frames
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_streaming_is_lazy(tmp_path, monkeypatch):
    path = write_audio(tmp_path / "a.wav", noise(1_600_003, seed=4), rate_hz=16000, **WAV)
    pushed = []
    monkeypatch.setattr("headsync.media.timeline.frame_time", lambda frame: pushed.append(frame.samples))
    next(stream_audio(path, block_frames=2))
    assert sum(pushed) < 16_000


@pytest.mark.parametrize("late_s", [Fraction(3, 10), Fraction(0)])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_later_sound_is_preceded_by_silence(tmp_path, suffix, late_s):
    path = write_video(tmp_path / f"a.{suffix}", frames(75), audio=clicks(2.3, rate_hz=48000, at_s=AT_S),
                       audio_start_s=late_s)
    np.testing.assert_allclose(click_times(read_audio(path)), np.array(AT_S) + float(late_s), atol=2e-3)


@pytest.mark.parametrize("start_s", [Fraction(2, 5), Fraction(7)])
def test_sound_before_the_first_picture_is_cut(tmp_path, start_s):
    times = [start_s + Fraction(number, 25) for number in range(50)]
    sound = clicks(9.5, rate_hz=48000, at_s=[7.5, 8.25, 9])
    path = write_video(tmp_path / "a.mkv", frames(50), times=times, audio=sound)
    np.testing.assert_allclose(click_times(read_audio(path)), np.array([7.5, 8.25, 9]) - float(start_s), atol=2e-3)


@pytest.mark.parametrize("gap_s", [2, Fraction(1, 10)])
def test_a_gap_in_the_sound_becomes_silence(tmp_path, gap_s):
    click = clicks(1, rate_hz=48000, at_s=[0.5])
    with av.open(f"file:{tmp_path / 'a.mkv'}", "w") as output:
        stream = add_audio(output, "pcm_s16le", rate_hz=48000, layout="mono", sample_format="s16")
        for start in (0, int((1 + gap_s) * 48000)):
            frame = av.AudioFrame.from_ndarray((click * 32767).astype(np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = 48000, Fraction(1, 48000), start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    waveform = read_audio(tmp_path / "a.mkv")
    np.testing.assert_allclose(click_times(waveform), [0.5, float(gap_s) + 1.5], atol=2e-3)
    assert abs(len(waveform) - (2 + gap_s) * 16000) <= 16


def test_numbers_that_are_none_become_silence(tmp_path, caplog):
    sound = tone(16_001, rate_hz=16000)
    sound[0, 5000:5100], sound[0, 9000], sound[0, 9001] = np.nan, np.inf, -np.inf
    path = write_audio(tmp_path / "a.wav", sound, rate_hz=16000, codec="pcm_f32le", sample_format="flt")
    with caplog.at_level(logging.WARNING):
        waveform = read_audio(path)
    assert np.isfinite(waveform).all() and not waveform[5000:5100].any() and not waveform[9000:9002].any()
    np.testing.assert_allclose(waveform[:5000], sound[0, :5000], atol=1e-6)
    assert "102 samples" in caplog.text


def test_huge_floats_stay_finite(tmp_path):
    sound = np.full((1, 44_101), 3e38, np.float32)
    path = write_audio(tmp_path / "a.wav", np.repeat(sound, 2, 0), rate_hz=44100, codec="pcm_f32le",
                       sample_format="flt", layout="stereo")
    assert np.isfinite(read_audio(path)).all()


def test_loud_floats_keep_their_shape(tmp_path):
    sound = 32768 * tone(16_001, rate_hz=16000)
    path = write_audio(tmp_path / "a.wav", sound, rate_hz=16000, codec="pcm_f32le", sample_format="flt")
    np.testing.assert_allclose(read_audio(path), sound[0], rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_silence_and_constants_are_read(tmp_path, value):
    path = write_audio(tmp_path / "a.wav", np.full((1, 16_001), value, np.float32), rate_hz=16000, **WAV)
    np.testing.assert_allclose(read_audio(path), value, atol=1e-4)


def test_a_cut_off_file_is_read_as_far_as_it_goes(tmp_path, recwarn):
    whole = write_audio(tmp_path / "a.mp3", tone(441_001, rate_hz=44100), rate_hz=44100, codec="libmp3lame")
    length = len(read_audio(whole))
    assert 0.4 < len(read_audio(truncate(whole, share=0.5))) / length < 0.6
    clip = write_video(tmp_path / "a.mp4", frames(101), audio=noise(48_000 * 4, seed=5), faststart=True)
    length = len(read_audio(clip))
    assert 0.1 * length < len(read_audio(truncate(clip, share=0.5))) < 0.95 * length
    assert not recwarn


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_names(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_audio(tmp_path / f"{name}.wav", noise(7919, seed=6), rate_hz=16000, **WAV)
    assert len(read_audio(path)) == len(read_audio(f"{name}.wav")) == 7919


def test_what_is_no_sound_is_refused(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is a text, not a video\n" * 99)
    (tmp_path / "text.txt").write_text("this is a text, not a video\n" * 99)
    (tmp_path / "noise.wav").write_bytes(np.random.default_rng(7).bytes(7919))
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://localhost:1/x.ts\n#EXT-X-ENDLIST\n")
    cut = write_video(tmp_path / "cut.mp4", frames(31), audio=noise(48_000, seed=5))   # its index is at the end
    assert_refused(tmp_path / "empty.mp4", "0 bytes", READERS)
    assert_refused(tmp_path / "none.mp4", "no such file", READERS)
    assert_refused(tmp_path, "not a file", READERS)
    for name in ("text.mp4", "text.txt", "noise.wav", "list.m3u8"):
        assert_refused(tmp_path / name, "sound|media", READERS)
    assert_refused(truncate(cut, share=0.5), "media", READERS)
    assert_refused(write_video(tmp_path / "mute.mp4", frames(7)), "no sound", READERS)


def test_sound_without_samples_or_numbers_is_refused(tmp_path):
    path = write_audio(tmp_path / "nan.wav", np.full((1, 7919), np.nan, np.float32), rate_hz=16000, codec="pcm_f32le",
                       sample_format="flt")
    with pytest.raises(ValueError, match="nan.wav: every sample is NaN"):
        read_audio(path)
    header = b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    (tmp_path / "none.wav").write_bytes(header + b"data" + struct.pack("<I", 0))
    with pytest.raises(ValueError, match="none.wav"):
        read_audio(tmp_path / "none.wav")
    with pytest.raises(ValueError, match="block_frames=0"):
        stream_audio(path, block_frames=0)


@pytest.mark.skipif(not (CORPUS / "clips").is_dir(), reason="no corpus of real clips here")
def test_real_clips_have_as_much_sound_as_pictures():
    for path in sorted((CORPUS / "clips").glob("*.mp4"))[:3]:
        pictures = sum(1 for _ in read_frames(path, max_side=32))
        assert abs(frames_for_samples(len(read_audio(path))) - pictures) <= 2
