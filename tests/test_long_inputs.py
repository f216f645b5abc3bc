"""Long inputs and headers that lie about length or size: exact frames, sound and picture ending together, flat memory."""

import ctypes
import gc
import json
import re
import resource
import struct
import subprocess
import sys
import zipfile
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from headsync import media
from headsync.landmarks import SequenceWriter, canonical_face, read_header
from landmark_stage import start_face, stream_landmarks, write_landmarks, write_preview
from landmark_stage.ms_sync.stream import MotionStream
from render_stage.references import ReferenceSet, SeenFace, SeenSource
from render_stage.video import render_video
from tests.fuzz_material import sequence, still_frames
from tests.fuzz_mutations import npy, png_file
from tests.media_files import noise, stream_ends, write_audio, write_picture, written

ROOT = Path(__file__).parents[1]
SIDE = 64


class Still:
    """A renderer whose face never moves."""

    needs, margin_frames = frozenset({"points"}), 0

    def prepare(self, references):
        return references[0].picture

    def frames(self, identity, drive):
        return identity[None].repeat(len(drive.points), 0)


def references(folder: Path) -> ReferenceSet:
    """A face made by hand, on a canvas of SIDE pixels."""
    picture = np.random.default_rng(3).integers(90, 110, (SIDE, SIDE, 3)).astype(np.uint8)
    seen = SeenFace(picture, (0, 0), 1.0, canonical_face().astype(np.float64) * SIDE / 256, np.zeros((468, 3)))
    path = write_picture(folder / "grey.png", picture)
    return ReferenceSet((SeenSource(path, (SIDE, SIDE), 1, (0.0, 0.0, SIDE, SIDE), (seen,), seen.points[:, :2]),), SIDE)


def write_sound(path: Path, samples: int) -> Path:
    """Noise as FLAC, made a second at a time."""
    media.write_flac(path, np.resize(noise(min(samples, 16000), seed=1)[0], samples))
    return path


def write_motion(path: Path, frames: int) -> Path:
    """A face that nods, written block by block."""
    with SequenceWriter(path, frames=frames, fps=25.0, size=(256, 256), crop=(0, 0, SIDE, SIDE)) as writer:
        for start in range(0, frames, 250):
            t = np.arange(start, min(frames, start + 250))
            points = np.repeat(canonical_face()[None].astype(np.float32), len(t), 0)
            points[..., 1] += 3 * np.sin(t / 5)[:, None].astype(np.float32)
            writer.write(points)
    return path


@pytest.mark.parametrize("samples", [1, 639, 641, 16000, 7 * 640, 103 * 640 - 319])
def test_sound_and_picture_end_together(samples, tmp_path, monkeypatch):
    """Through both stages: ceil(25 x seconds) frames, and no stream a frame longer than the other."""
    monkeypatch.setattr(MotionStream, "_made", still_frames)
    sound, frames = write_sound(tmp_path / "a.flac", samples), -(-samples // 640)
    assert write_landmarks(sound, start_face(), tmp_path / "s.npz") == read_header(tmp_path / "s.npz").frames == frames
    made = render_video(tmp_path / "s.npz", references(tmp_path), tmp_path / "v.mp4", audio=sound, renderer=Still(),
                        progress=False)
    write_preview(tmp_path / "s.npz", tmp_path / "p.mp4", audio=sound)
    assert made.frames == frames
    for name in ("v.mp4", "p.mp4"):
        assert sum(1 for _ in media.read_frames(tmp_path / name, rate=None)) == frames
        told = stream_ends(tmp_path / name)
        assert told["video"] == pytest.approx(frames / 25) and abs(told["video"] - told["audio"]) <= 1 / 25 + 1e-9


def peak_mb(work) -> float:
    """Megabytes by which this process grows at most while it works; what it had freed and kept is given back before."""
    status = Path("/proc/self/status")
    gc.collect()
    getattr(ctypes.CDLL(None), "malloc_trim", int)(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = int(re.search(r"VmRSS:\s+(\d+)", status.read_text())[1])
    work()
    return (int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) - before) / 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_length(tmp_path, monkeypatch):
    """Six times as much sound, and as many frames: kept whole they would be 25 and 15 megabytes more."""
    assert peak_mb(lambda: np.ones(4_000_000).sum()) > 25
    monkeypatch.setattr(MotionStream, "_made", still_frames)
    face, grown = references(tmp_path), {}
    for seconds in (20, 80, 480):       # the first of each warms up
        sound = write_sound(tmp_path / f"{seconds}.flac", seconds * 16000)
        grown["sound", seconds] = peak_mb(lambda sound=sound: sum(map(len, stream_landmarks(sound, lips="generator"))))
        frames = seconds * 25 // 8
        motion = write_motion(tmp_path / f"{seconds}.npz", frames)
        grown["video", seconds] = peak_mb(lambda motion=motion: render_video(
            motion, face, tmp_path / "v.mp4", renderer=Still(), progress=False))
    assert grown["sound", 480] - grown["sound", 80] < 10 and grown["video", 480] - grown["video", 80] < 10, grown


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_of_the_articulation_learner_does_not_grow_with_length(tmp_path, monkeypatch):
    """Four times as much sound: samples and phonetic features kept whole would be 68 megabytes more."""
    monkeypatch.setattr(MotionStream, "_made", still_frames)
    sounds = {seconds: write_sound(tmp_path / f"{seconds}.flac", seconds * 16000) for seconds in (160, 640)}
    grown = {seconds: peak_mb(lambda sound=sound: sum(map(len, stream_landmarks(sound)))) for seconds, sound in sounds.items()}
    assert grown[640] - grown[160] < 35, grown


def test_a_declared_length_is_not_believed(tmp_path):
    """Ten hours in the header, a second in the file."""
    path = write_audio(tmp_path / "a.wav", noise(16000, seed=1), rate_hz=16000, codec="pcm_s16le", sample_format="s16")
    content = path.read_bytes()
    place = content.index(b"data") + 4
    path.write_bytes(content[:place] + struct.pack("<I", 10 * 3600 * 32000) + content[place + 4 :])
    assert media.count_audio_frames(path) == 25
    made = written(tmp_path / "v.mp4", 9, size=(32, 48))
    content = bytearray(made.read_bytes())
    for name, offset in ((b"mvhd", 16), (b"mdhd", 16), (b"tkhd", 20)):
        start = content.index(name) + 4 + offset
        content[start : start + 4] = struct.pack(">I", 0x7FFFFFFF)
    made.write_bytes(content)
    assert 9 <= sum(1 for _ in media.read_frames(made)) <= 10


LIMITED = """
import resource, sys
from pathlib import Path
from headsync import media
from headsync.landmarks import LandmarkSequence, OpenSequence, read_header
from headsync.experiment import load_weights
from headsync.commands.command import run_command
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (700 << 20),) * 2)
readers = {"picture": media.read_image, "video": lambda path: sum(1 for _ in media.read_frames(path)),
           "still": media.is_image, "weights": load_weights, "load": LandmarkSequence.load, "header": read_header,
           "blocks": lambda path: sum(map(len, OpenSequence(path).blocks())), "sound": media.count_audio_frames}
for line in sys.stdin:
    reader, path = line.rstrip("\\n").split(" ", 1)
    print(path, reader, run_command(lambda _: readers[reader](path) and None, []), flush=True)
"""


def big_pictures(folder: Path) -> dict[str, str]:
    """Files that say they hold a picture of 16k x 16k or more."""
    size = struct.pack(">II", 16384, 16384)
    row = zlib.compress(bytes(16384 * 3 + 1) * 64, 9)
    (folder / "a.png").write_bytes(png_file([(b"IHDR", size + b"\x08\x02\0\0\0"), (b"IDAT", row), (b"IEND", b"")]))
    (folder / "bomb.gif").write_bytes(b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\xf0\0\0" + bytes(6) + b"".join(
        b"\x2c" + struct.pack("<HHHH", 0, 0, 65535, 65535) + b"\0\x02\x02\x44\x01\0" for _ in range(2)) + b";")
    jpeg = bytearray(media.encode_jpeg(np.zeros((32, 48, 3), np.uint8), 90))
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = struct.pack(">HH", 65500, 65500)
    (folder / "a.jpg").write_bytes(jpeg)
    with av.open(str(folder / "a.avi"), "w") as output:     # a video of which every frame says so
        stream = output.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuvj420p"
        for number in range(2):
            packet = av.Packet(bytes(jpeg))
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 25)
            output.mux(packet)
    return {"a.png": "picture", "bomb.gif": "still", "a.jpg": "picture", "a.avi": "video"}


def big_sequences(folder: Path) -> dict[str, str]:
    """Sequences that claim more than they have."""
    sequence().save(folder / "good.npz")
    with zipfile.ZipFile(folder / "good.npz") as archive:
        good = {name: archive.read(name) for name in archive.namelist()}

    def packed(name: str, **changes: bytes) -> None:
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry, data in (good | {f"{key}.npy": value for key, value in changes.items()}).items():
                archive.writestr(entry, data)

    packed("billion.npz", points=npy("(1000000000, 68, 3)", "<f4", bytes(8 * 816)))
    packed("text.npz", producer=npy("()", "<U300000000", bytes(4_000)))
    return {"billion.npz": "load", "text.npz": "header"}


def big_tensors(folder: Path) -> dict[str, str]:
    """Safetensors of terabytes: by its header's length, and by a tensor's."""
    header = json.dumps({"__metadata__": {"schema": "weights/1", "config": "{}", "half": "false", "sha256": ""},
                         "a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    (folder / "tensor.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    (folder / "header.safetensors").write_bytes(struct.pack("<Q", 2**42) + header)
    return {"tensor.safetensors": "weights", "header.safetensors": "weights"}


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS") or not sys.platform.startswith("linux"), reason="needs RLIMIT_AS")
def test_sizes_in_headers_take_no_memory(tmp_path):
    """In a process that may grow by 700 MB: each is refused in one line, none ends the process."""
    jobs = big_pictures(tmp_path) | big_sequences(tmp_path) | big_tensors(tmp_path)
    given = "".join(f"{reader} {name}\n" for name, reader in jobs.items())
    run = subprocess.run([sys.executable, "-c", LIMITED], input=given + "load good.npz\n", cwd=tmp_path, text=True,
                         capture_output=True,
                         env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
    assert run.returncode == 0, run.stderr
    codes = {line.split()[0]: int(line.split()[2]) for line in run.stdout.splitlines()}
    assert codes.pop("good.npz") == 0
    codes.pop("bomb.gif")       # whether it moves; that it can be asked at all is what counts
    assert codes == dict.fromkeys([name for name in jobs if name != "bomb.gif"], 2)
    assert len([line for line in run.stderr.splitlines() if re.match("headsync: (?!note: )", line)]) == len(codes)
