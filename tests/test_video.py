"""Shows that pictures of any video come upright, in order and at their time, one after the other, or not at all."""

import itertools
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_files import (
    ODD_NAMES,
    add_audio,
    assert_refused,
    encode_audio,
    frame_number,
    near,
    noise,
    noise_frame,
    numbered_frame,
    quadrants,
    truncate,
    write_audio,
    write_video,
)

from headsync.media import FPS, read_frames, video_info
from headsync.media.containers import decoded, open_media, video_stream

READERS = (lambda file: next(read_frames(file)), video_info)
CORPUS = Path(os.environ.get("HEADSYNC_CORPUS", Path(__file__).parents[1] / "../shared/corpus"))
RATES = [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(50),
         Fraction(60000, 1001), Fraction(60)]


def frames(count, size=(32, 48)):
    return (numbered_frame(number, size=size) for number in range(count))


def test_info_tells_what_will_be_read(tmp_path):
    path = write_video(tmp_path / "a.mp4", frames(31), rate=Fraction(30000, 1001), audio=noise(48_000, seed=1))
    info = video_info(path)
    assert (info.width, info.height, info.rate, info.frames) == (48, 32, Fraction(30000, 1001), 31)
    assert (info.has_audio, info.audio_codec, info.rotation_degrees) == (True, "aac", 0)
    assert info.duration_s == pytest.approx(31 * 1001 / 30000, abs=1e-3)
    mute = video_info(write_video(tmp_path / "b.mkv", frames(7)))
    assert (mute.has_audio, mute.audio_codec) == (False, None)
    assert mute.duration_s == pytest.approx(0.28, abs=0.05)


@pytest.mark.parametrize("codec, suffix, pixel_format", [
    ("libx264", "mp4", "yuv420p"), ("libx264", "mkv", "yuv444p"), ("libx264", "mov", "yuv422p10le"),
    ("libx265", "mp4", "yuv420p10le"), ("libvpx-vp9", "webm", "yuv420p"), ("ffv1", "avi", "bgr0"),
    ("mpeg4", "avi", "yuv420p"), ("mjpeg", "mov", "yuvj420p"), ("png", "mov", "rgb24"), ("ffv1", "mkv", "gray")])
def test_every_frame_comes_once_in_order(tmp_path, codec, suffix, pixel_format):
    size = (64, 128) if codec == "libx265" else (34, 46)   # that encoder writes past its memory on smaller pictures
    path = write_video(tmp_path / f"a.{suffix}", frames(23, size=size), codec=codec, pixel_format=pixel_format)
    read = list(read_frames(path))
    assert [frame_number(frame) for frame in read] == [number % 8 for number in range(23)]
    assert all(frame.shape == (*size, 3) and frame.dtype == np.uint8 and frame.flags.c_contiguous for frame in read)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (17, 31), (37, 53)])
def test_odd_sizes_are_read(tmp_path, size):
    path = write_video(tmp_path / "a.mkv", [quadrants(size)] * 3, codec="ffv1", pixel_format="bgr0")
    read = list(read_frames(path))
    assert len(read) == 3
    np.testing.assert_array_equal(read[1], quadrants(size))


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_pictures_are_upright(tmp_path, degrees):
    stored = quadrants((64, 96))
    path = write_video(tmp_path / "a.mp4", [stored] * 3, rotation_degrees=degrees)   # counterclockwise
    shown = np.rot90(stored, degrees // 90)
    assert near(next(read_frames(path)), shown)
    info = video_info(path)
    assert (info.height, info.width) == shown.shape[:2] and info.rotation_degrees == -degrees % 360
    small = next(read_frames(path, max_side=48))
    assert max(small.shape) == 48 and near(small, np.ascontiguousarray(shown[::2, ::2]))


@pytest.mark.parametrize("sar, size", [(Fraction(2), (32, 96)), (Fraction(1, 2), (64, 48)), (Fraction(1), (32, 48))])
def test_oblong_pixels_become_square(tmp_path, sar, size):
    path = write_video(tmp_path / "a.mp4", [quadrants((32, 48))] * 2, sar=sar)
    assert next(read_frames(path)).shape == (*size, 3)
    assert (video_info(path).height, video_info(path).width) == size


@pytest.mark.parametrize("max_side, shape", [(24, (16, 24)), (48, (32, 48)), (997, (32, 48)), (1, (1, 1))])
def test_pictures_are_reduced_never_enlarged(tmp_path, max_side, shape):
    path = write_video(tmp_path / "a.mp4", frames(2))
    assert next(read_frames(path, max_side=max_side)).shape == (*shape, 3)


@pytest.mark.parametrize("matrix, name", [(1, "ITU709"), (6, "ITU601")])
def test_colours_follow_the_declared_matrix(tmp_path, matrix, name):
    colour = np.full((32, 48, 3), (200, 30, 90), np.uint8)
    with av.open(f"file:{tmp_path / 'a.mp4'}", "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        context = stream.codec_context
        context.options = {"crf": "4"}
        context.colorspace, context.color_range = matrix, 1
        picture = av.VideoFrame.from_ndarray(colour, format="rgb24").reformat(format="yuv420p", dst_colorspace=name)
        picture.pts, picture.time_base = 0, Fraction(1, 25)
        output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    np.testing.assert_allclose(next(read_frames(tmp_path / "a.mp4")).mean((0, 1)), (200, 30, 90), atol=4)


@pytest.mark.parametrize("rate", RATES)
def test_any_rate_becomes_25_without_drift(tmp_path, rate):
    count = round(11 * rate)
    path = write_video(tmp_path / "a.mp4", frames(count, size=(16, 16)), rate=rate)
    read = [frame_number(frame) for frame in read_frames(path)]
    assert abs(len(read) / FPS - count / rate) <= Fraction(1, 50)
    for number, found in enumerate(read):
        nearest = round(min(count - 1, number * rate / FPS))
        assert found in {nearest % 8, *((nearest + side) % 8 for side in (-1, 1) if (number * 2 * rate / FPS) % 2 == 1)}


def test_ten_minutes_stay_in_step(tmp_path):
    rate = Fraction(30000, 1001)
    count = round(600 * rate)
    stills = [numbered_frame(number, size=(16, 16)) for number in range(8)]
    path = write_video(tmp_path / "a.mp4", (stills[number % 8] for number in range(count)), rate=rate)
    total = 0
    for frame in read_frames(path):
        if total % 997 == 0 or total >= 14_990:
            assert frame_number(frame) == round(min(count - 1, total * rate / FPS)) % 8
        total += 1
    assert abs(total / FPS - count / rate) <= Fraction(1, 50)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("start_s", [Fraction(0), Fraction(13, 10)])
def test_variable_rate_is_read_by_time_stamps(tmp_path, suffix, start_s):
    random, times = np.random.default_rng(3), [start_s]
    for step in random.integers(7, 121, 96):
        times.append(times[-1] + Fraction(int(step), 1000))
    path = write_video(tmp_path / f"a.{suffix}", frames(97, size=(16, 16)), times=times)
    read = [frame_number(frame) for frame in read_frames(path)]
    assert abs(len(read) / FPS - (times[-1] - times[0])) < Fraction(3, 25)
    for number, found in enumerate(read):
        apart = [abs(time - times[0] - Fraction(number, FPS)) for time in times]
        fitting = {index % 8 for index, distance in enumerate(apart) if distance <= min(apart) + Fraction(2, 1000)}
        assert found in fitting
    assert len(list(read_frames(path, rate=None))) == 97


def test_frames_shown_twice_are_separate(tmp_path):
    read = list(read_frames(write_video(tmp_path / "a.mp4", frames(2), rate=5)))
    assert len(read) == 10
    read[0][:] = 0
    assert frame_number(read[1]) == 0 and read[1].mean() > 10
    assert all(frame.flags.writeable for frame in read)


def test_reading_is_lazy(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", frames(499, size=(16, 16)))
    decoded = []
    monkeypatch.setattr("headsync.media.video.frame_time", lambda frame: decoded.append(1) or frame.pts * frame.time_base)
    stream = read_frames(path)
    next(stream)
    assert len(decoded) <= 2
    stream.close()


def test_a_cover_picture_is_no_video(tmp_path):
    with av.open(f"file:{tmp_path / 'song.mp3'}", "w") as output:
        sound = add_audio(output, "libmp3lame", rate_hz=44100, layout="mono")
        cover = output.add_stream("png", rate=1)
        cover.height, cover.width, cover.pix_fmt = 32, 48, "rgb24"
        picture = av.VideoFrame.from_ndarray(quadrants((32, 48)), format="rgb24")
        picture.pts, picture.time_base = 0, Fraction(1)
        output.mux(cover.encode(picture))
        encode_audio(output, sound, noise(44_101, seed=1))
    with pytest.raises(ValueError, match="song.mp3: there are no pictures"):
        next(read_frames(tmp_path / "song.mp3"))


def test_a_cut_off_video_is_read_as_far_as_it_goes(tmp_path, recwarn):
    path = write_video(tmp_path / "a.mp4", (noise_frame(number) for number in range(53)), faststart=True)
    assert 10 < len(list(read_frames(truncate(path, share=0.5)))) < 50
    assert not recwarn


def test_what_lies_before_a_break_is_read_to_its_end(tmp_path, monkeypatch, caplog):
    path = write_video(tmp_path / "a.mp4", frames(53))
    from_whole = av.container.InputContainer.demux

    class Breaking:
        def __init__(self, container):
            self.demux = lambda stream: self.broken(from_whole(container, stream))

        def broken(self, packets):
            yield from itertools.islice(packets, 31)
            raise av.InvalidDataError(1, "broken on purpose")

    with open_media(path) as container:
        stream = video_stream(container)
        stream.thread_type = "AUTO"
        assert len(list(decoded(Breaking(container), stream, path))) == 31
    assert "broken on purpose" in caplog.text


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "new\nline.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is a text, not a video\n" * 99)
    (tmp_path / "text.txt").write_text("this is a text, not a video\n" * 99)
    (tmp_path / "noise.mkv").write_bytes(np.random.default_rng(7).bytes(7919))
    assert_refused(tmp_path / "empty.mp4", "0 bytes", READERS)
    assert_refused(tmp_path / "none.mp4", "no such file", READERS)
    assert_refused(tmp_path, "not a file", READERS)
    for name in ("text.mp4", "text.txt", "noise.mkv"):
        assert_refused(tmp_path / name, "video|media", READERS)
    cut = truncate(write_video(tmp_path / "cut.mp4", frames(31)), share=0.9)   # its index is at the end
    assert_refused(cut, "media", READERS)
    song = write_audio(tmp_path / "a.m4a", noise(44_101, seed=1), rate_hz=44100, codec="aac")
    assert_refused(song, "no pictures", READERS)
    with pytest.raises(ValueError, match="0 bytes") as caught:
        video_info(tmp_path / "new\nline.mp4")
    assert "\n" not in str(caught.value)


def test_impossible_wishes_are_refused_at_once(tmp_path):
    with pytest.raises(ValueError, match="above 0"):
        read_frames(tmp_path / "a.mp4", rate=0)
    with pytest.raises(ValueError, match="max_side"):
        read_frames(tmp_path / "a.mp4", max_side=0)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_names(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / f"{name}.mp4", frames(3))
    assert len(list(read_frames(f"{name}.mp4"))) == 3


@pytest.mark.skipif(not (CORPUS / "clips").is_dir(), reason="no corpus of real clips here")
def test_real_clips_are_25_frames_a_second():
    for path in sorted((CORPUS / "clips").glob("*.mp4"))[:3]:
        info = video_info(path)
        assert (info.height, info.width, info.rate, info.has_audio) == (256, 256, 25, True)
        assert sum(1 for _ in read_frames(path, max_side=32)) == info.frames
