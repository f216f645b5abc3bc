"""Shows that moving a sound changes time stamps and nothing else, and what stands in its way."""

from fractions import Fraction

import av
import numpy as np
import pytest
from media_files import assert_refused, click_times, clicks, numbered_frame, packets, write_audio, write_video

from headsync.media import read_audio, read_frames, video_info
from headsync.media.resync import move_sound


@pytest.fixture(params=["a.mp4", "a.mkv", "a.mov"])
def clip(tmp_path, request):
    """Three seconds with clicks at 1 and 2 seconds."""
    frames = [numbered_frame(number, size=(48, 64)) for number in range(75)]
    return write_video(tmp_path / request.param, frames, audio=clicks(3, rate_hz=48000, at_s=[1, 2]), rotation_degrees=90
                       if request.param == "a.mp4" else 0)


@pytest.mark.parametrize("later_s", [Fraction(-1, 5), Fraction(1, 10), 0.0337, 0])
def test_a_sound_is_moved_and_nothing_else(clip, later_s):
    out = move_sound(clip, clip.with_stem("out"), later_s)
    assert packets(out, "video") == packets(clip, "video")
    before, after = click_times(read_audio(clip)), click_times(read_audio(out))
    assert len(after) == 2 and np.abs(np.array(after) - before - float(later_s)).max() < 2e-3
    assert video_info(out)[:3] == video_info(clip)[:3] and video_info(out).rotation_degrees == video_info(clip).rotation_degrees
    for one, other in zip(read_frames(clip), read_frames(out), strict=True):
        np.testing.assert_array_equal(one, other)


def test_pictures_that_begin_late_begin_at_zero(tmp_path):
    times = [Fraction(number, 25) + Fraction(7, 5) for number in range(30)]
    clip = write_video(tmp_path / "a.mkv", [numbered_frame(number, size=(48, 64)) for number in range(30)], times=times,
                       audio=clicks(1, rate_hz=48000, at_s=[0.5]), audio_start_s=Fraction(7, 5))
    out = move_sound(clip, tmp_path / "b.mp4", Fraction(1, 5))
    with av.open(str(out)) as container:
        assert next(container.decode(video=0)).time < 0.05
    assert abs(click_times(read_audio(out))[0] - click_times(read_audio(clip))[0] - 0.2) < 2e-3


def test_what_cannot_be_moved_is_refused(tmp_path):
    silent = write_video(tmp_path / "silent.mp4", [numbered_frame(0, size=(48, 64))] * 5)
    assert_refused(silent, "no sound in this file", (lambda path: move_sound(path, tmp_path / "o.mp4", 0.1),))
    sound = write_audio(tmp_path / "a.flac", clicks(1, rate_hz=16000, at_s=[0.5]), rate_hz=16000, codec="flac",
                        sample_format="s16")
    assert_refused(sound, "no pictures", (lambda path: move_sound(path, tmp_path / "o.mp4", 0.1),))
    clip = write_video(tmp_path / "a.mkv", [numbered_frame(0, size=(48, 64))] * 5, codec="ffv1",
                       audio=clicks(1, rate_hz=48000, at_s=[0.5]))
    for out, match in (("o.txt", "name it .mp4"), ("o.webm", "cannot be written")):
        with pytest.raises(ValueError, match=match):
            move_sound(clip, tmp_path / out, 0.1)
    with pytest.raises(ValueError, match="10 seconds at most"):
        move_sound(clip, tmp_path / "o.mkv", 11)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.flac", "a.mkv", "silent.mp4"]
