"""A face follows one sound while another is played: lengths and rates that differ, in one line, and by both commands."""

import logging

import numpy as np
import pytest

from headsync import media
from headsync.commands.program import main
from headsync.landmarks import LandmarkSequence
from landmark_stage import MotionChoice, MotionControl, generate_landmarks, write_motion
from tests.face_files import PORTRAIT
from tests.media_files import write_audio, write_picture
from tests.test_generate import noisy, sound, weights  # noqa: F401 (fixture)

FRAMES = 23


def opened(frames: int, seed: int = 1) -> media.Sound:
    return media.open_sound(sound(640 * frames - 17, seed))


def test_a_sound_lasts_as_long_as_another():
    whole = opened(FRAMES)
    for samples in (640 * 7 + 3, whole.samples, 640 * 31 + 5):
        other = whole.lasting(samples)
        told = np.concatenate(list(other.blocks(4)))
        known = min(samples, whole.samples)
        assert other.samples == len(told) == samples and other.frames == media.frames_for_samples(samples)
        np.testing.assert_array_equal(told[:known], whole.waveform()[:known])
        assert not told[known:].any() and other.level == whole.level
    assert whole.samples == 640 * FRAMES - 17


def test_a_file_lasts_as_long_as_another(tmp_path):
    path = write_audio(tmp_path / "a.flac", sound(640 * 5)[None], rate_hz=16000, codec="flac", sample_format="s16")
    other = media.open_sound(path).lasting(640 * 9)
    assert len(other.waveform()) == 640 * 9 and not other.waveform()[640 * 5 :].any() and other.waveform()[: 640 * 5].any()


@pytest.mark.parametrize("frames, told", [(FRAMES, None), (11, "lips rest after it"), (40, "its end is left out")])
def test_other_lengths_are_told_in_one_line(caplog, frames, told):
    song, vocals = opened(FRAMES), opened(frames, seed=2)
    followed = media.followed_sound(song, vocals)
    assert followed.samples == song.samples and np.array_equal(followed.waveform(5), vocals.waveform(5))
    assert caplog.messages == [] if told is None else [told in one for one in caplog.messages] == [True]
    assert media.followed_sound(song, None) is song


def test_motion_is_that_of_what_is_followed(tmp_path):
    generator, song, vocals = noisy(), opened(FRAMES), opened(FRAMES + 6, seed=2)
    plain = generate_landmarks(vocals.lasting(song.samples), generator=generator, lips="generator").points
    led = generate_landmarks(song, generator=generator, lips="generator", lips_from=vocals.waveform()).points
    assert len(led) == FRAMES
    np.testing.assert_allclose(led, plain, atol=1e-3)
    assert np.abs(led - generate_landmarks(song, generator=generator, lips="generator").points).max() > 0.1
    frames = write_motion(song, None, tmp_path / "s.npz", speaker=generator, control=MotionControl(), motion=MotionChoice(),
                          lips="generator", lips_from=vocals)
    assert frames == FRAMES
    np.testing.assert_allclose(LandmarkSequence.load(tmp_path / "s.npz").points, led, atol=1e-3)


@pytest.fixture
def files(tmp_path, weights, monkeypatch):  # noqa: F811
    for name, rate_hz, frames, seed in (("song", 16000, FRAMES, 1), ("vocals", 44100, FRAMES + 4, 2)):
        at_s = np.arange(frames * rate_hz // 25) / rate_hz
        samples = np.interp(at_s, np.arange(frames * 640) / 16000, sound(frames * 640, seed))
        write_audio(tmp_path / f"{name}.flac", samples[None].astype(np.float32), rate_hz=rate_hz, codec="flac",
                    sample_format="s16")
    write_picture(tmp_path / "still.png", np.zeros((8, 8, 3), np.uint8))
    monkeypatch.chdir(tmp_path)
    return ["gen-landmarks", "--audio", "song.flac", "--out", "s.npz", "--model", str(weights), "--lips", "generator",
            "--blink", "off", "--lip-closure", "0"]


def test_a_command_follows_another_sound(files, capsys):
    assert main(files) == 0
    plain = LandmarkSequence.load("s.npz").points
    capsys.readouterr()
    assert main([*files, "--lips-from", "vocals.flac"]) == 0
    led = LandmarkSequence.load("s.npz").points
    assert len(led) == len(plain) == FRAMES and np.abs(led - plain).max() > 0.1
    notes = [line for line in capsys.readouterr().err.splitlines() if "note" in line]
    assert len(notes) == 1 and "vocals.flac lasts 1.08 s and song.flac 0.92 s; its end is left out" in notes[0]


@pytest.mark.parametrize("wrong, told", [
    (["--lips-from", "none.flac"], "none.flac"), (["--lips-from", "still.png"], "--lips-from still.png holds only pictures"),
    (["--lips-from", "vocals.flac", "--audio", "song.flac", "vocals.flac"], "goes with one --audio, got 2"),
    (["--lips-from", "s.npz"], "s.npz")])
def test_what_cannot_be_followed_is_refused_in_one_line(files, capsys, caplog, wrong, told):
    caplog.set_level(logging.ERROR)
    argv = [*files, *wrong]
    assert main(argv) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert len(lines) == 1 and told in lines[0]
    talk = ["talk", "--audio", "song.flac", "--out", "v.mp4", "--refs", str(PORTRAIT), *wrong]
    assert main(talk) == 2 and told in capsys.readouterr().err
