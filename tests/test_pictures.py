"""Shows that still pictures are known by their content and come upright, as RGB, or are refused in one line."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from media_files import ODD_NAMES, assert_refused, near, noise_frame, quadrants, truncate, write_picture, write_video

from headsync.media import is_image, read_image

FILM = [quadrants((32, 48)), noise_frame(1), noise_frame(2)]


@pytest.mark.parametrize("codec, pixel_format", [
    ("png", "rgb24"), ("png", "rgb48be"), ("png", "rgba"), ("bmp", "bgr24"), ("tiff", "rgb24"), ("tiff", "rgb48le"),
    ("mjpeg", "yuvj444p"), ("libwebp", "yuv420p"), ("jpeg2000", "rgb24"), ("qoi", "rgb24"), ("ppm", "rgb24")])
def test_pictures_are_known_by_content(tmp_path, codec, pixel_format):
    path = write_picture(tmp_path / "my.face.mp4", quadrants((46, 62)), codec=codec, pixel_format=pixel_format)
    assert is_image(path)
    assert near(read_image(path), quadrants((46, 62)))
    assert read_image(path, max_side=31).shape == (23, 31, 3)


@pytest.mark.parametrize("pixel_format", ["gray", "gray16be", "monob"])
def test_gray_pictures_become_rgb(tmp_path, pixel_format):
    white = np.full((7, 11, 3), 255, np.uint8)
    read = read_image(write_picture(tmp_path / "a.png", white, pixel_format=pixel_format))
    np.testing.assert_array_equal(read, white)


def test_transparency_lies_on_white(tmp_path):
    picture = np.dstack([quadrants((6, 10)), np.repeat([[0, 51, 255, 255, 255, 255, 255, 255, 255, 255]], 6, 0)])
    read = read_image(write_picture(tmp_path / "a.png", picture.astype(np.uint8), pixel_format="rgba"))
    np.testing.assert_array_equal(read[:, 0], 255)
    np.testing.assert_array_equal(read[:, 2:], quadrants((6, 10))[:, 2:])
    np.testing.assert_allclose(read[:, 1].astype(float), 0.2 * quadrants((6, 10))[:, 1] + 0.8 * 255, atol=1)


@pytest.mark.parametrize("orientation, turns", [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_photos_are_upright(tmp_path, orientation, turns):
    path = write_picture(tmp_path / "a.jpg", quadrants((46, 62)), codec="mjpeg", pixel_format="yuvj444p")
    data = path.read_bytes()
    entry = struct.pack("<HHHII", 1, 0x112, 3, 1, orientation) + bytes(4)
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8) + entry
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    assert near(read_image(path), np.ascontiguousarray(np.rot90(quadrants((46, 62)), turns)))


PROFILED = """
import gc, sys
from headsync.media import read_frames, read_image
for _ in range(7):
    read_image(sys.argv[1])
    sum(len(frame) for frame in read_frames(sys.argv[2]))
    gc.collect()
"""


def test_a_colour_profile_kills_nobody(tmp_path):
    """PyAV frees its name twice where the frame's side data is read, and a collection of garbage finds what is left."""
    def profiled(content):
        data = b"iCCP" + b"sRGB IEC61966-2.1\0\0" + zlib.compress(bytes(128))
        return content[:33] + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data)) + content[33:]

    still, moving = write_picture(tmp_path / "a.png", quadrants((46, 62))), tmp_path / "b.png"
    write_video(tmp_path / "b.apng", FILM, codec="apng", pixel_format="rgb24").rename(moving)
    for path in (still, moving):
        path.write_bytes(profiled(path.read_bytes()))
    assert is_image(still) and not is_image(moving)
    done = subprocess.run([sys.executable, "-c", PROFILED, still, moving], cwd=Path(__file__).parents[1],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_moving_pictures_are_no_stills(tmp_path):
    assert not is_image(write_video(tmp_path / "a.mp4", FILM).rename(tmp_path / "a.png"))
    moving = write_video(tmp_path / "a.gif", FILM, codec="gif", pixel_format="rgb8")
    still = write_video(tmp_path / "b.gif", [quadrants((32, 48))], codec="gif", pixel_format="rgb8")
    assert not is_image(moving) and is_image(still)
    assert read_image(still).shape == (32, 48, 3)
    (tmp_path / "text.jpg").write_text("BM is how a bitmap begins, and a text may too")
    assert not is_image(tmp_path / "text.jpg")


def test_what_is_no_picture_is_assert_refused(tmp_path):
    path = write_picture(tmp_path / "a.png", noise_frame(1))
    assert_refused(truncate(path, share=0.3), "a.png", (read_image,))
    assert_refused(write_video(tmp_path / "a.mp4", FILM), "not a still picture", (read_image,))
    for read in (read_image, is_image):
        assert_refused(tmp_path / "none.png", "no such file", (read,))
        (tmp_path / "empty.jpg").touch()
        assert_refused(tmp_path / "empty.jpg", "0 bytes", (read,))
    with pytest.raises(ValueError, match="max_side"):
        read_image(path, max_side=0)


def test_absurdly_large_pictures_are_refused_before_they_are_decoded(tmp_path):
    path = write_picture(tmp_path / "a.bmp", quadrants((4, 4)), codec="bmp", pixel_format="bgr24")
    data = bytearray(path.read_bytes())
    data[18:26] = struct.pack("<ii", 16_001, 16_001)
    path.write_bytes(data)
    assert_refused(path, "a.bmp", (read_image,))


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_names(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_picture(tmp_path / f"{name}.png", quadrants((5, 7)))
    np.testing.assert_array_equal(read_image(f"{name}.png"), quadrants((5, 7)))
