"""Shows that stills of tiles, with transparency, too large or moving come out as they are meant, from every codec."""

import struct
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from media_files import assert_refused, near, quadrants, truncate, write_picture
from PIL import Image
from still_files import write_heic

from headsync.commands.checks import contents
from headsync.landmarks.detection import extract
from headsync.media import is_image, pictures, read_frames, read_image, tiles, video_info

SIZE = (150, 214)


@pytest.mark.parametrize("turns, mirror", [(0, None), (1, None), (3, None), (2, 1), (0, 0)])
def test_tiles_are_put_together_and_turned(tmp_path, turns, mirror):
    path = write_heic(tmp_path / "a.heic", quadrants(SIZE), tile=64, quarter_turns=turns, mirror=mirror)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 12
    expected = np.rot90(quadrants(SIZE), turns)
    assert is_image(path) and near(read_image(path), expected if mirror is None else np.flip(expected, mirror))
    small = read_image(path, max_side=107)
    assert max(small.shape) == 107 and near(small[::10, ::10], cv2.resize(
        expected if mirror is None else np.ascontiguousarray(np.flip(expected, mirror)), small.shape[1::-1])[::10, ::10])


def test_a_phone_photo_in_tiles_shows_its_face(tmp_path):
    photo = read_image("examples/astronaut.jpg")[:510, :506]
    path = write_heic(tmp_path / "a.heic", photo, tile=128, quarter_turns=3)
    assert np.abs(read_image(path).astype(int) - np.rot90(photo, 3)).mean() < 3
    assert extract(write_heic(tmp_path / "b.heic", photo, tile=128)).sequence.visible.all()


def test_damaged_tiles_are_refused(tmp_path, monkeypatch):
    path = write_heic(tmp_path / "a.heic", quadrants(SIZE), tile=64)
    data = path.read_bytes()
    grid = b"\0\0\2\3\0\xd6\0\x96"
    for number, (old, new) in enumerate(((grid, b"\0\0\7" + grid[3:]), (b"iloc", b"xloc"), (b"ipma", b"xpma"))):
        broken = data.replace(old, new)
        assert broken != data
        (tmp_path / f"{number}.heic").write_bytes(broken)
        assert_refused(tmp_path / f"{number}.heic", "save it again|cannot be read", (read_image,))
    assert_refused(truncate(path, share=0.7), "cut off|cannot be read", (read_image,))
    monkeypatch.setattr(tiles, "MOST_PIXELS", 99)
    assert_refused(write_heic(tmp_path / "c.heic", quadrants(SIZE), tile=64), "more than", (read_image,))


def see_through():
    """A picture (150, 214, 4): quadrants, of which the upper half is transparent over what must not be seen."""
    alpha = np.full(SIZE, 255, np.uint8)
    alpha[:75] = 0
    return np.dstack([quadrants(SIZE), alpha])


def film(path, codec, pixel_format, form="rgba"):
    """`path`, a video of three such pictures."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = *SIZE, pixel_format
        if path.suffix == ".webm":
            stream.metadata["alpha_mode"] = "1"
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(see_through(), format=form).reformat(format=pixel_format)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("make", [
    lambda folder: write_picture(folder / "a.png", see_through(), pixel_format="rgba"),
    lambda folder: write_picture(folder / "a.webp", see_through(), codec="libwebp", pixel_format="yuva420p"),
    lambda folder: write_heic(folder / "a.heic", see_through()[..., :3], alpha=see_through()[..., 3]),
    lambda folder: write_heic(folder / "a.heic", see_through()[..., :3], tile=64, alpha=see_through()[..., 3]),
    lambda folder: saved(folder / "a.avif", see_through(), quality=90),
    lambda folder: film(folder / "a.webm", "libvpx-vp9", "yuva420p"),
    lambda folder: film(folder / "a.mov", "prores_ks", "yuva444p10le"),
    lambda folder: film(folder / "a.mov", "qtrle", "argb"),
], ids=["png", "webp", "heic", "heic tiles", "avif", "vp9", "prores", "qtrle"])
@pytest.mark.parametrize("background", [(255, 255, 255), (0, 200, 100)])
def test_what_is_transparent_lies_on_the_background_whatever_the_codec(tmp_path, make, background):
    path = make(tmp_path)
    read = read_image(path, background=background) if is_image(path) else next(read_frames(path, background=background))
    expected = quadrants(SIZE)
    expected[:75] = background
    # FFmpeg's ProRes gets 8 pixels of a slice wrong now and then
    wrong = np.abs(read[:60].astype(int) - background).max(-1) >= 9
    assert near(read, expected) and wrong.mean() < 0.002


def saved(path, picture, **wishes):
    """`path`, written by Pillow."""
    Image.fromarray(picture).save(path, **wishes)
    return path


def moving_webp(path, durations_ms=(100, 50, 200, 50)):
    """An animated WebP whose frames are of one grey each."""
    frames = [Image.fromarray(np.full((46, 62, 3), 40 + 50 * number, np.uint8)) for number in range(len(durations_ms))]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=list(durations_ms), lossless=True)
    return path


def test_animated_webp_is_a_clip(tmp_path):
    path = moving_webp(tmp_path / "a.webp")
    assert not is_image(path) and contents(path) == {"pictures"}
    info = video_info(path)
    assert (info.width, info.height, info.frames, info.duration_s) == (62, 46, 4, 0.4) and not info.has_audio
    greys = [round((float(frame.mean()) - 40) / 50) for frame in read_frames(path)]
    assert greys == [0, 0, 1, 1, 2, 2, 2, 3, 3, 3]      # shown from 0, 100, 150 and 350 ms on; each moment its nearest
    assert len(list(read_frames(path, rate=None))) == 4


def test_animated_avif_is_a_clip(tmp_path):
    frames = [Image.fromarray(np.full((64, 96, 3), 40 + 50 * number, np.uint8)) for number in range(4)]
    frames[0].save(tmp_path / "a.avif", save_all=True, append_images=frames[1:], duration=80, quality=90)
    assert not is_image(tmp_path / "a.avif")
    greys = [round((float(frame.mean()) - 40) / 50) for frame in read_frames(tmp_path / "a.avif")]
    assert greys == [0, 0, 1, 1, 2, 2, 3, 3]


def test_damaged_animated_webp_ends_in_one_line(tmp_path):
    assert_refused(truncate(moving_webp(tmp_path / "a.webp"), share=0.2), "a.webp", (lambda path: list(read_frames(path)),))
    huge = bytearray(moving_webp(tmp_path / "b.webp").read_bytes())
    huge[24:30] = b"\xff\xff\0\xff\xff\0"
    (tmp_path / "b.webp").write_bytes(huge)
    assert_refused(tmp_path / "b.webp", "65536 x 65536 pixels", (lambda path: list(read_frames(path)),))


def test_a_jpeg_of_too_many_pixels_is_decoded_smaller(tmp_path, monkeypatch):
    path = write_picture(tmp_path / "a.jpg", quadrants((160, 240)), codec="mjpeg", pixel_format="yuvj444p")
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8) + struct.pack("<HHHII", 1, 0x112, 3, 1, 6) + bytes(4)
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    pixels = (160 + 128) * (240 + 128)
    for most, size in ((pixels + 1, (240, 160)), (pixels - 1, (120, 80)), (pixels // 4 - 1, (60, 40))):
        monkeypatch.setattr(pictures, "MOST_PIXELS", most)
        assert near(read_image(path), np.ascontiguousarray(np.rot90(quadrants(size[::-1]), 3)))
    assert read_image(path, max_side=30).shape == (30, 20, 3)


def test_a_jpeg_in_a_tiff_is_seen(tmp_path):
    path = saved(tmp_path / "a.tif", quadrants((160, 240)), compression="jpeg", quality=95)
    assert near(read_image(path), quadrants((160, 240)))
    for other in ("raw", "tiff_lzw", "tiff_deflate", "packbits"):
        assert near(read_image(saved(tmp_path / "b.tif", quadrants((160, 240)), compression=other)), quadrants((160, 240)))
    assert_refused(truncate(path, share=0.4), "cannot be read", (read_image,))
