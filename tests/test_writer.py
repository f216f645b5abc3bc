"""Shows that a written video has every frame and a label, plays everywhere, and is whole or not there."""

import os
import re
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_files import (
    ODD_NAMES,
    frame_number,
    noise,
    numbered_frame,
    packets,
    quadrants,
    write_audio,
    write_video,
    written,
)

from headsync.media import SYNTHETIC_COMMENT, VideoWriter, read_frames, video_info

ROOT = Path(__file__).parents[1]
SIZE = (31, 47)
WAV = {"codec": "pcm_s16le", "sample_format": "s16"}

def comment_of(path):
    with av.open(f"file:{path}") as container:
        return container.metadata.get("comment")


@pytest.mark.parametrize("rate", [25, Fraction(30000, 1001), 60, Fraction(120000, 1001)])
@pytest.mark.parametrize("count", [1, 2, 53])
def test_every_frame_is_written_at_its_time(tmp_path, count, rate):
    path = written(tmp_path / "a.mp4", count, rate=rate)
    info = video_info(path)
    assert (info.frames, info.rate) == (count, rate) and info.duration_s == pytest.approx(float(count / rate), abs=1e-4)
    read = list(read_frames(path, rate=rate))
    assert [frame_number(frame) for frame in read] == [number % 8 for number in range(count)]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 16), (37, 53), (64, 31)])
def test_odd_sizes_become_even_by_repeating_the_edge(tmp_path, size):
    picture = np.full((*size, 3), (190, 60, 30), np.uint8)
    with VideoWriter(tmp_path / "a.mp4", size=size) as writer:
        writer.write(picture)
    read = next(read_frames(tmp_path / "a.mp4"))
    assert read.shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    np.testing.assert_allclose(read.reshape(-1, 3), np.broadcast_to((190, 60, 30), (read[..., 0].size, 3)), atol=8)


def test_players_get_what_they_all_understand(tmp_path):
    picture = quadrants((64, 96))
    with VideoWriter(tmp_path / "a.mp4", size=(64, 96)) as writer:
        for _ in range(5):
            writer.write(picture)
    with av.open(f"file:{tmp_path / 'a.mp4'}") as container:
        context = container.streams.video[0].codec_context
        assert (context.codec.canonical_name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.colorspace, context.color_range) == (1, 1)   # BT.709, limited
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    read = list(read_frames(tmp_path / "a.mp4"))
    assert all(np.median(np.abs(frame.astype(int) - picture)) <= 4 for frame in read)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read where Linux tells it")
def test_memory_does_not_grow_with_length(tmp_path):
    """Runs apart, as the peak is one of a whole process; 8 times the length may cost only noise."""
    peaks = {}
    for frame_count in (500, 4000):
        audio = write_audio(tmp_path / f"{frame_count}.wav", noise(640 * frame_count, seed=4), rate_hz=16000,
                            codec="pcm_s16le", sample_format="s16")
        code = ("import sys, numpy as np\n"
                "from headsync.media import VideoWriter, read_frames, stream_audio, stream_features, Level\n"
                "frame, (audio, out, count) = np.zeros((48, 48, 3), np.uint8), sys.argv[1:]\n"
                "with VideoWriter(out, size=(48, 48), audio=audio, preset='ultrafast') as writer:\n"
                "    for _ in range(int(count)): writer.write(frame)\n"
                "assert sum(1 for _ in read_frames(out)) == int(count)\n"
                "rows = stream_features(stream_audio(out), Level(0., 1.))\n"
                "assert sum(len(piece) for piece in rows) == 4 * int(count)\n"
                "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n")
        run = subprocess.run([sys.executable, "-c", code, audio, tmp_path / f"{frame_count}.mp4", str(frame_count)],
                             capture_output=True, text=True, check=True, cwd=ROOT)
        peaks[frame_count] = int(run.stdout)
    assert peaks[4000] <= 1.1 * peaks[500]


def test_synthetic_media_say_so(tmp_path):
    assert comment_of(written(tmp_path / "a.mp4", 2)) == SYNTHETIC_COMMENT
    assert SYNTHETIC_COMMENT.startswith("synthetic media: made by headsync")
    assert comment_of(written(tmp_path / "b.mp4", 2, comment="ünïcödé")) == f"{SYNTHETIC_COMMENT}; ünïcödé"
    assert comment_of(written(tmp_path / "c.mp4", 2, synthetic=False, comment="recorded")) == "recorded"
    assert comment_of(written(tmp_path / "d.mp4", 2, synthetic=False)) is None


@pytest.mark.parametrize("problem", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_an_error_leaves_nothing(tmp_path, problem):
    audio = write_audio(tmp_path / "a.wav", noise(16_001, seed=4), rate_hz=16000, **WAV)
    with pytest.raises(problem), VideoWriter(tmp_path / "out.mp4", size=SIZE, audio=audio) as writer:
        writer.write(numbered_frame(0, size=SIZE))
        raise problem
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_a_failed_rewrite_keeps_the_old_file(tmp_path):
    path = written(tmp_path / "a.mp4", 5)
    before = path.read_bytes()
    with pytest.raises(RuntimeError), VideoWriter(path, size=SIZE) as writer:
        writer.write(numbered_frame(0, size=SIZE))
        raise RuntimeError
    assert path.read_bytes() == before
    written(path, 3)
    assert video_info(path).frames == 3 and list(tmp_path.iterdir()) == [path]


def test_a_video_may_be_replaced_by_one_with_its_own_sound(tmp_path):
    path = write_video(tmp_path / "a.mp4", [quadrants((32, 48))] * 25, audio=noise(48_000, seed=1))
    before = packets(path, "audio")
    written(path, 25, audio=path)
    assert packets(path, "audio") == before and video_info(path).height == 32


def test_a_killed_writer_leaves_no_final_file(tmp_path):
    code = ("import sys, numpy as np\nfrom headsync.media import VideoWriter\n"
            "with VideoWriter(sys.argv[1], size=(64, 64), preset='ultrafast') as writer:\n"
            "    for number in range(10**9):\n"
            "        writer.write(np.random.randint(0, 255, (64, 64, 3), np.uint8))\n"
            "        if number == 300: print('going', flush=True)\n")
    run = subprocess.Popen([sys.executable, "-c", code, tmp_path / "a.mp4"], stdout=subprocess.PIPE,
                           cwd=ROOT)
    assert run.stdout.readline() == b"going\n"
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    names = [path.name for path in tmp_path.iterdir()]
    assert len(names) == 1 and re.fullmatch(rf"a\.mp4\.partial-{run.pid}-[\w-]+", names[0])


def test_two_writers_of_one_name_do_not_mix(tmp_path):
    path = tmp_path / "a.mp4"
    with VideoWriter(path, size=SIZE) as first, VideoWriter(path, size=SIZE) as second:
        for number in range(7):
            first.write(numbered_frame(number, size=SIZE))
            second.write(numbered_frame(number, size=SIZE))
    assert video_info(path).frames == 7 and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", [*ODD_NAMES, "n" * 240, "名" * 80])
def test_odd_names_are_names(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    audio = write_audio(tmp_path / f"{name}.wav", noise(7919, seed=6), rate_hz=16000, **WAV)
    written(f"{name}.mp4", 3, audio=audio.name)
    assert sorted(os.listdir()) == sorted([f"{name}.mp4", f"{name}.wav"])
    assert video_info(f"{name}.mp4").has_audio


@pytest.mark.parametrize("frame", [np.zeros((48, 32, 3), np.uint8), np.zeros((32, 48, 4), np.uint8),
                                   np.zeros((32, 48, 3), np.float32), np.zeros((32, 48), np.uint8)])
def test_frames_of_another_kind_are_refused(tmp_path, frame):
    with pytest.raises(ValueError, match=r"a.mp4: frame 0 must be uint8 \(32, 48, 3\), got"):
        with VideoWriter(tmp_path / "a.mp4", size=(32, 48)) as writer:
            writer.write(frame)
    assert not list(tmp_path.iterdir())


def test_views_of_frames_are_written_as_they_look(tmp_path):
    picture = quadrants((32, 48))
    with VideoWriter(tmp_path / "a.mp4", size=(32, 48)) as writer:
        writer.write(picture[::-1, ::-1])
    read = next(read_frames(tmp_path / "a.mp4"))
    assert np.median(np.abs(read.astype(int) - picture[::-1, ::-1])) <= 4


def test_impossible_videos_are_refused_in_one_line(tmp_path):
    mute, out = written(tmp_path / "mute.mp4", 2), tmp_path / "out.mp4"
    (tmp_path / "file").touch()
    (tmp_path / "text.wav").write_text("text" * 99)
    nan = write_audio(tmp_path / "nan.wav", np.full((1, 7919), np.nan, np.float32), rate_hz=16000, codec="pcm_f32le",
                      sample_format="flt")
    kept = sorted(tmp_path.iterdir())
    for wishes, cause in (
            ({"audio": mute}, "mute.mp4: there is no sound"),
            ({"audio": tmp_path / "none.wav"}, "none.wav: no such file"),
            ({"audio": tmp_path / "text.wav"}, "text.wav"), ({"audio": nan}, "nan.wav: every sample"),
            ({"size": (0, 5)}, "at least 1 x 1"), ({"rate": 0}, "frame rate"), ({"preset": "best"}, "veryfast"),
            ({"path": tmp_path / "no" / "a.mp4"}, "a.mp4: cannot be written"),
            ({"path": tmp_path}, "cannot be written"),
            ({"path": tmp_path / "file" / "a.mp4"}, "a.mp4: cannot be written")):
        with pytest.raises(ValueError, match=cause) as caught:
            with VideoWriter(**{"path": out, "size": SIZE, **wishes}) as writer:
                for number in range(13):
                    writer.write(numbered_frame(number, size=SIZE))
        assert "\n" not in str(caught.value)
        assert sorted(tmp_path.iterdir()) == kept


def test_a_video_without_frames_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a.mp4: no frame was written"), VideoWriter(tmp_path / "a.mp4", size=SIZE):
        pass
    with pytest.raises(ValueError, match="inside a `with"):
        VideoWriter(tmp_path / "a.mp4", size=SIZE).write(numbered_frame(0, size=SIZE))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_line(tmp_path):
    code = ("import resource, sys, numpy as np\nfrom headsync.media import VideoWriter\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (20_011, 20_011))\n"
            "try:\n"
            "    with VideoWriter(sys.argv[1], size=(64, 64), preset='ultrafast') as writer:\n"
            "        for _ in range(200): writer.write(np.random.randint(0, 255, (64, 64, 3), np.uint8))\n"
            "except ValueError as error:\n"
            "    print(error)\n")
    run = subprocess.run([sys.executable, "-c", code, tmp_path / "a.mp4"], capture_output=True, text=True, check=True,
                         cwd=ROOT)
    assert re.fullmatch(r".*a\.mp4: cannot be written \(.*space\n", run.stdout) and not run.stderr
    assert not list(tmp_path.iterdir())
