"""Shows that HDR, wide colours, untagged HD and interlaced video come out as the picture that they were made from."""

from fractions import Fraction

import av
import numpy as np
import pytest
from media_files import write_video

from headsync.media import read_frames, read_image
from headsync.media.colours import HLG, PQ, ColourConverter, _compressed
from headsync.media.fields import progressive

TO_XYZ = {"BT.709": ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041)),
          "BT.2020": ((0.6369580, 0.1446169, 0.1688810), (0.2627002, 0.6779981, 0.0593017), (0.0, 0.0280727, 1.0609851))}
LUMA = np.array([0.2627, 0.6780, 0.0593])
SKIN = (224, 172, 140)


def patches():
    """A picture (128, 192, 3): skin, greys and moderate colours in squares."""
    colours = [SKIN, (255, 255, 255), (0, 0, 0), (128, 128, 128), (90, 40, 30), (200, 60, 60), (60, 140, 70), (40, 60, 150),
               (240, 220, 60), (30, 30, 30), (180, 120, 180), (110, 180, 210)]
    return np.repeat(np.repeat(np.array(colours, np.uint8).reshape(3, 4, 3), 48, 1)[:, :192], 43, 0)[:128]


def hdr(picture, transfer):
    """The 10-bit BT.2020 frame of an sRGB picture whose white is 203 cd/m2 (PQ) or 75 % of the signal (HLG)."""
    coded = picture / 255
    light = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    light = np.clip(light @ (np.linalg.inv(TO_XYZ["BT.2020"]) @ TO_XYZ["BT.709"]).T, 0, 1)
    if transfer == PQ:
        power = (light * 203 / 10000) ** 0.1593017578125
        signal = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    else:
        scene = light * 0.2648
        signal = np.where(scene <= 1 / 12, np.sqrt(3 * scene),
                          0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073)
    luma = signal @ LUMA
    blue, red = (signal[..., 2] - luma) / 1.8814, (signal[..., 0] - luma) / 1.4746
    frame = av.VideoFrame(picture.shape[1], picture.shape[0], "yuv420p10le")
    halves = [plane.reshape(len(plane) // 2, 2, -1, 2).mean((1, 3)) for plane in (blue, red)]
    for plane, values in zip(frame.planes, (876 * luma + 64, 896 * halves[0] + 512, 896 * halves[1] + 512), strict=True):
        rows = np.zeros((plane.height, plane.line_size // 2), "<u2")
        rows[:, :values.shape[1]] = np.rint(values).clip(0, 1023)
        plane.update(rows.tobytes())
    frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range = 9, 9, transfer, 1
    return frame


def coded(path, frame, codec, options, count=1):
    """`path`, now a file of this frame, tagged as it is."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, frame.format.name
        context = stream.codec_context
        context.options = options
        context.colorspace, context.color_primaries = int(frame.colorspace), int(frame.color_primaries)
        context.color_trc, context.color_range = int(frame.color_trc), int(frame.color_range)
        for number in range(count):
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_hdr_comes_out_as_the_picture_that_it_was_made_from(tmp_path, transfer):
    path = coded(tmp_path / "a.mkv", hdr(patches(), transfer), "libx265",
                 {"crf": "8", "preset": "ultrafast", "x265-params": "log-level=none"}, count=2)
    read = next(read_frames(path))
    assert np.abs(read.astype(int) - patches()).mean() < 4
    assert np.abs(read[20, 20].astype(int) - SKIN).max() < 5


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_hdr_stills_too(tmp_path, transfer):
    path = coded(tmp_path / "a.avif", hdr(patches(), transfer), "libsvtav1", {"crf": "8", "preset": "10"})
    assert np.abs(read_image(path).astype(int) - patches()).mean() < 4
    assert np.abs(read_image(path, max_side=96)[10, 10].astype(int) - SKIN).max() < 6


def test_highlights_are_compressed_and_stay_in_order():
    light = np.linspace(0, 50, 4001)
    shown = _compressed(light)
    assert (np.diff(shown) >= 0).all() and shown[-1] <= 1
    np.testing.assert_array_equal(shown[light < 0.9], light[light < 0.9])
    ramp = np.repeat(np.linspace(0, 65535, 256).astype(np.uint16)[None, :, None], 3, 2)
    levels = ColourConverter(PQ, 9).converted(ramp)[0, :, 1].astype(int)
    assert (np.diff(levels) >= 0).all() and levels[0] == 0 and levels[-1] == 255


def test_p3_becomes_srgb():
    """P3 (0.9176, 0.2003, 0.1386) is sRGB's red, CSS Color 4."""
    red = np.rint(65535 * np.array([0.9176, 0.2003, 0.1386])).astype(np.uint16)[None, None]
    assert np.abs(ColourConverter(13, 12).converted(red)[0, 0].astype(int) - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize("size, matrix", [((720, 64), "ITU709"), ((576, 64), "ITU601"), ((64, 1280), "ITU709")])
def test_video_without_colour_tags_is_read_by_its_size(tmp_path, size, matrix):
    frame = av.VideoFrame.from_ndarray(np.full((*size, 3), SKIN, np.uint8), format="rgb24")
    frame = frame.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range="MPEG")
    frame.colorspace = frame.color_primaries = frame.color_trc = 2
    path = coded(tmp_path / "a.mp4", frame, "libx264", {"crf": "8", "preset": "ultrafast"})
    assert np.abs(next(read_frames(path)).mean((0, 1)) - SKIN).max() < 2.5


def combs(picture):
    """How much neighbouring lines differ from the lines on both of their sides."""
    grey = picture.astype(float).mean(2)
    return float(np.abs(2 * grey[1:-1] - grey[:-2] - grey[2:]).mean())


def moving(number, *, interlaced):
    """A bright bar that goes to the right, six pixels a frame; interlaced, its lower field is half a frame later."""
    picture = np.full((96, 160, 3), 40, np.uint8)
    picture[::2, 20 + 6 * number : 60 + 6 * number] = 220
    later = 3 if interlaced else 0
    picture[1::2, 20 + 6 * number + later : 60 + 6 * number + later] = 220
    return picture


def test_interlaced_video_is_made_whole(tmp_path):
    frames = 9
    path = tmp_path / "a.mpg"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 160, 96, "yuv420p", 6_000_000
        stream.codec_context.options = {"flags": "+ildct+ilme", "field_order": "tt"}
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(moving(number, interlaced=True), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    read = list(read_frames(path))
    assert len(read) == frames
    combed, whole = combs(moving(3, interlaced=True)), combs(moving(3, interlaced=False))
    assert whole < 0.1 and combed > 8
    assert max(map(combs, read[1:-1])) < 0.25 * combed


def test_progressive_frames_pass_untouched(tmp_path):
    path = write_video(tmp_path / "a.mp4", [moving(number, interlaced=False) for number in range(5)])
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert [id(frame) for frame in progressive(frames)] == [id(frame) for frame in frames]


def test_a_last_frame_does_not_last_for_days(tmp_path):
    """Of an mp4 whose header gives its last packet 2^31 - 1 ticks."""
    path = write_video(tmp_path / "a.mp4", [moving(number, interlaced=False) for number in range(7)])
    data = path.read_bytes()
    table = data.index(b"stts") + 4
    assert data[table + 4 : table + 8] == b"\0\0\0\1"
    ticks = int.from_bytes(data[table + 12 : table + 16], "big")
    entries = b"".join(number.to_bytes(4, "big") for number in (2, 6, ticks, 1, 2**31 - 1))
    moov = data.index(b"moov") - 4
    grown = bytearray(data[:table + 4] + entries + data[table + 16 :])
    place = moov
    for box in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"):
        place = data.index(box, place)
        grown[place - 4 : place] = (int.from_bytes(data[place - 4 : place], "big") + 8).to_bytes(4, "big")
    path.write_bytes(grown)
    with av.open(str(path)) as container:
        assert max(frame.duration for frame in container.decode(video=0)) > 2**30
    assert sum(1 for _ in read_frames(path)) <= 7 + 60 * 25
