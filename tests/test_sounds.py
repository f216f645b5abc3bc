"""Shows which sound of a file is used, which of its channels, and that silence is said."""

import logging
from fractions import Fraction

import av
import numpy as np
import pytest
from media_files import add_audio, clicks, encode_audio, noise, tone, write_audio

from headsync.media import VideoWriter, open_sound, read_audio

RATE_HZ = 16000


def sounds(path, *waveforms, default=None, codec="pcm_s16le"):
    """A file with several mono sounds, of which number `default` is marked."""
    with av.open(str(path), "w") as output:
        if path.suffix == ".mxf":       # a video must lie before it
            picture = output.add_stream("mpeg2video", rate=25)
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        streams = [add_audio(output, codec, rate_hz=48000 if path.suffix == ".mxf" else RATE_HZ, layout="mono",
                             sample_format="s16") for _ in waveforms]
        for number, stream in enumerate(streams):
            if default is not None:
                stream.disposition = int(number == default)
        for stream, samples in zip(streams, waveforms, strict=True):
            encode_audio(output, stream, samples)
        if path.suffix == ".mxf":
            for number in range(25):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40, np.uint8), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                output.mux(picture.encode(frame.reformat(format="yuv420p")))
            output.mux(picture.encode(None))
    return path


def hums(waveform, hz, *, rate_hz=RATE_HZ):
    """Whether a waveform is a tone of this pitch."""
    spectrum = np.abs(np.fft.rfft(waveform[:8000]))
    return abs(float(spectrum.argmax()) * rate_hz / 8000 - hz) < 5 and spectrum.max() > 100


def test_the_default_sound_is_used_and_said(tmp_path, caplog):
    silent, spoken = np.zeros((1, 16000), np.float32), tone(16000, rate_hz=RATE_HZ)
    path = sounds(tmp_path / "a.mkv", silent, spoken, default=1)
    assert hums(read_audio(path), 313)
    assert "of its 2 sounds number 1 is used, which is the file's default" in caplog.text
    other = sounds(tmp_path / "b.mkv", spoken, tone(16000, rate_hz=RATE_HZ, hz=911), default=1)
    assert hums(read_audio(other), 911) and hums(read_audio(other, stream=0), 313)


def test_a_silent_default_yields_to_an_audible_one(tmp_path, caplog):
    path = sounds(tmp_path / "a.mkv", np.zeros((1, 16000), np.float32), tone(16000, rate_hz=RATE_HZ), default=0)
    assert open_sound(path).stream == 1
    assert "first that is audible" in caplog.text


def test_the_third_of_four_mono_tracks_is_found(tmp_path, caplog):
    silent, spoken = np.zeros((1, 48000), np.float32), tone(48000, rate_hz=48000)
    path = sounds(tmp_path / "a.mxf", silent, silent, spoken, silent)
    assert hums(read_audio(path), 313)
    assert "of its 4 sounds number 2 is used" in caplog.text and "--audio-stream" in caplog.text


def test_a_sound_that_is_not_there_is_refused(tmp_path):
    path = sounds(tmp_path / "a.mkv", tone(9000, rate_hz=RATE_HZ), tone(9000, rate_hz=RATE_HZ))
    with pytest.raises(ValueError, match=r"no sound number 2; it has 2, counted from 0"):
        read_audio(path, stream=2)


def test_the_chosen_sound_is_the_one_that_is_written(tmp_path):
    path = sounds(tmp_path / "a.mkv", tone(16000, rate_hz=RATE_HZ), tone(16000, rate_hz=RATE_HZ, hz=911))
    for number, hz in ((0, 313), (1, 911)):
        with VideoWriter(tmp_path / f"{number}.mp4", size=(32, 32), audio=path, audio_stream=number) as writer:
            for _ in range(25):
                writer.write(np.zeros((32, 32, 3), np.uint8))
        assert hums(read_audio(tmp_path / f"{number}.mp4"), hz)


@pytest.mark.parametrize("louder, said", [(0, "left"), (1, "right")])
def test_channels_that_cancel_each_other_are_not_mixed(tmp_path, caplog, louder, said):
    one = np.concatenate([np.zeros((1, 7000), np.float32), noise(90001, seed=3)], axis=1)
    two = np.concatenate([one, -one])
    two[louder] *= 1.01
    path = write_audio(tmp_path / "a.wav", two, rate_hz=RATE_HZ, codec="pcm_s16le", sample_format="s16", layout="stereo")
    np.testing.assert_allclose(read_audio(path), two[louder], atol=2e-4)
    assert f"cancel each other when they are mixed; the {said} one is used" in caplog.text


def test_other_channels_are_mixed(tmp_path, caplog):
    two = np.concatenate([noise(90001, seed=3), noise(90001, seed=4)])
    path = write_audio(tmp_path / "a.wav", two, rate_hz=RATE_HZ, codec="pcm_s16le", sample_format="s16", layout="stereo")
    np.testing.assert_allclose(read_audio(path), two.sum(0) / 2**0.5, atol=2e-4)       # FFmpeg's mix of floats
    late = np.concatenate([clicks(5, rate_hz=RATE_HZ, at_s=[1, 4.5]), clicks(5, rate_hz=RATE_HZ, at_s=[2])])
    path = write_audio(tmp_path / "b.wav", late, rate_hz=RATE_HZ, codec="pcm_s16le", sample_format="s16", layout="stereo")
    np.testing.assert_allclose(read_audio(path), late.sum(0) / 2**0.5, atol=2e-4)
    assert not caplog.records


def test_silence_is_said(tmp_path, caplog):
    silent = np.zeros((1, 9001), np.float32)
    path = write_audio(tmp_path / "a.flac", silent, rate_hz=RATE_HZ, codec="flac", sample_format="s16")
    with caplog.at_level(logging.WARNING):
        assert open_sound(path).level.peak == 0
    assert "a.flac: digital silence is all that it holds" in caplog.text
