"""Shows that a written video carries the original sound, bit by bit where it can, in its place and to its end."""

from fractions import Fraction

import av
import numpy as np
import pytest
from media_files import (
    click_times,
    clicks,
    noise,
    numbered_frame,
    packets,
    seconds,
    truncate,
    write_audio,
    write_video,
    written,
)

from headsync.media import frames_for_samples, read_audio, video_info
from headsync.media.soundtrack import copies_sound

SIZE = (31, 47)
WAV = {"codec": "pcm_s16le", "sample_format": "s16"}
AT_S = [0.5, 1.25, 2.0]
COPIED = [("a.m4a", "aac", 44100, "fltp"), ("16k.m4a", "aac", 16000, "fltp"), ("a.mkv", "aac", 48000, "fltp"),
          ("a.mp3", "libmp3lame", 44100, "fltp")]
ENCODED = [("8k.wav", "pcm_s16le", 8000, "s16"), ("192k.wav", "pcm_s24le", 192000, "s32"),
           ("float.wav", "pcm_f32le", 44100, "flt"), ("a.flac", "flac", 44100, "s16"),
           ("alac.m4a", "alac", 44100, "s16p"),
           ("a.opus", "libopus", 48000, "flt"), ("a.webm", "libopus", 48000, "flt"), ("a.ac3", "ac3", 48000, "fltp")]


def sound_of(path):
    """Codec, rate in Hz and channels of a file's first sound."""
    with av.open(f"file:{path}") as container:
        context = container.streams.audio[0].codec_context
        return context.codec.canonical_name, context.sample_rate, context.channels


def write_dubbed(tmp_path, audio):
    """A video as long as the sound in `audio`: ceil(25 d) frames."""
    return written(tmp_path / "out.mp4", frames_for_samples(len(read_audio(audio))), audio=audio)


@pytest.mark.parametrize("name, codec, rate_hz, sample_format", COPIED)
def test_sound_is_copied_bit_by_bit(tmp_path, name, codec, rate_hz, sample_format):
    sound = clicks(2.517, rate_hz=rate_hz, at_s=AT_S) + noise(round(2.517 * rate_hz), seed=1, loudness=0.01)
    audio = write_audio(tmp_path / name, sound, rate_hz=rate_hz, codec=codec, sample_format=sample_format)
    assert copies_sound(audio)
    path = write_dubbed(tmp_path, audio)
    assert packets(path, "audio") == packets(audio, "audio")
    np.testing.assert_allclose(click_times(read_audio(path)), click_times(read_audio(audio)), atol=1e-3)


@pytest.mark.parametrize("name, codec, rate_hz, sample_format", ENCODED)
def test_other_sound_becomes_aac_at_48_khz(tmp_path, name, codec, rate_hz, sample_format):
    sound = clicks(2.517, rate_hz=rate_hz, at_s=AT_S)
    audio = write_audio(tmp_path / name, sound, rate_hz=rate_hz, codec=codec, sample_format=sample_format)
    path = write_dubbed(tmp_path, audio)
    assert sound_of(path) == ("aac", 48000, 1)
    np.testing.assert_allclose(click_times(read_audio(path)), click_times(read_audio(audio)), atol=1e-3)


@pytest.mark.parametrize("layout, channels, kept", [("stereo", 2, 2), ("5.1", 6, 6), ("7.1", 8, 2)])
def test_channels_survive(tmp_path, layout, channels, kept):
    audio = write_audio(tmp_path / "a.wav", noise(7919, seed=2, channels=channels), rate_hz=48000, codec="pcm_s16le",
                        sample_format="s16", layout=layout)
    assert sound_of(write_dubbed(tmp_path, audio))[2] == kept


@pytest.mark.parametrize("suffix, codec, sample_format", [("wav", "pcm_s16le", "s16"), ("m4a", "aac", "fltp"),
                                                          ("mp3", "libmp3lame", "fltp")])
@pytest.mark.parametrize("samples", [1, 624, 656, 7919, 16_001, 40_961])   # one sample, 39 ms, 41 ms, odd lengths
def test_pictures_and_sound_last_equally_long(tmp_path, samples, suffix, codec, sample_format):
    audio = write_audio(tmp_path / f"a.{suffix}", noise(samples, seed=3), rate_hz=16000, codec=codec,
                        sample_format=sample_format)
    path = write_dubbed(tmp_path, audio)
    assert abs(seconds(path, "video") - seconds(path, "audio")) <= 0.0401
    assert video_info(path).frames == frames_for_samples(len(read_audio(audio)))
    assert len(read_audio(path)) >= len(read_audio(audio)) - 16   # nothing said is lost


@pytest.mark.parametrize("suffix, codec, sample_format", [("wav", "pcm_s16le", "s16"), ("m4a", "aac", "fltp")])
def test_longer_sound_is_cut_where_the_pictures_end(tmp_path, suffix, codec, sample_format):
    audio = write_audio(tmp_path / f"a.{suffix}", noise(80_021, seed=3), rate_hz=16000, codec=codec,
                        sample_format=sample_format)
    path = written(tmp_path / "out.mp4", 53, audio=audio)
    assert abs(seconds(path, "audio") - 53 / 25) <= 0.04
    assert abs(len(read_audio(path)) - 53 * 640) <= 16


@pytest.mark.parametrize("start_s", [Fraction(0), Fraction(3, 10)])
@pytest.mark.parametrize("audio_codec", ["aac", "pcm_s16le"])
def test_sound_taken_from_a_video_keeps_its_place(tmp_path, start_s, audio_codec):
    source = write_video(tmp_path / "a.mkv", (numbered_frame(number, size=SIZE) for number in range(75)),
                         codec="ffv1", pixel_format="bgr0", audio=clicks(2.5, rate_hz=48000, at_s=AT_S),
                         audio_codec=audio_codec, audio_start_s=start_s)
    path = written(tmp_path / "out.mp4", 75, audio=source)
    np.testing.assert_allclose(click_times(read_audio(path)), np.array(AT_S) + float(start_s), atol=2e-3)
    np.testing.assert_allclose(click_times(read_audio(path)), click_times(read_audio(source)), atol=1e-3)


@pytest.mark.parametrize("audio_codec", ["aac", "pcm_s16le"])
def test_sound_before_the_first_picture_is_not_played(tmp_path, audio_codec):
    times = [Fraction(7) + Fraction(number, 25) for number in range(50)]
    source = write_video(tmp_path / "a.mkv", (numbered_frame(number, size=SIZE) for number in range(50)), times=times,
                         codec="ffv1", pixel_format="bgr0", audio=clicks(9.5, rate_hz=48000, at_s=[6.5, 7.5, 8.25]),
                         audio_codec=audio_codec)
    path = written(tmp_path / "out.mp4", 50, audio=source)
    np.testing.assert_allclose(click_times(read_audio(path)), [0.5, 1.25], atol=2e-3)


def test_a_cut_off_sound_is_used_as_far_as_it_goes(tmp_path, recwarn):
    audio = write_audio(tmp_path / "a.mp3", noise(100_003, seed=3), rate_hz=44100, codec="libmp3lame")
    path = write_dubbed(tmp_path, truncate(audio, share=0.6))
    assert abs(seconds(path, "video") - seconds(path, "audio")) <= 0.0401
    assert not recwarn


def test_streams_are_interleaved(tmp_path):
    audio = write_audio(tmp_path / "a.wav", noise(16_000 * 60, seed=4), rate_hz=16000, **WAV)
    path = written(tmp_path / "a.mp4", 1500, audio=audio)
    with av.open(f"file:{path}") as container:
        stored = sorted((packet.pos, packet.stream.type, float(packet.dts * packet.time_base))
                        for packet in container.demux() if packet.size)
    at = {"audio": 0.0, "video": 0.0}
    for _, kind, time in stored:
        at[kind] = time
        assert abs(at["audio"] - at["video"]) < 0.5
