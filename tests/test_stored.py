"""Frames as they are stored: what is changed is changed where it should be, and all else comes out as it went in.

Shapes: H W pixels.
"""

from fractions import Fraction

import av
import numpy as np
import pytest

from headsync import media
from headsync.media.planes import FORMATS, PlanarFrames, add_colour, coding_of, kept_format, plane
from headsync.media.quality import encoder_options
from headsync.media.stored import backwards, stamp, stored_form, stored_frames
from headsync.media.stored_writer import StoredWriter
from tests.face_files import write_tone
from tests.media_files import frame_number, numbered_frame, quadrants, stream_ends, write_video

SIZE = (46, 62)


def random_frame(name: str, *, seed: int = 0, matrix: int = 1, full: bool = False) -> av.VideoFrame:
    """A smooth frame of a planar format."""
    made, random = av.VideoFrame(SIZE[1], SIZE[0], name), np.random.default_rng(seed)
    made.colorspace, made.color_range = matrix, 2 if full else 1
    largest = 2 ** made.format.components[0].bits - 1
    for number in range(3):
        one = plane(made, number)
        one[:] = (largest * (0.3 + 0.4 * random.random())) + 3 * np.arange(one.shape[1]) % 40
    return made


def planes_of(frame: av.VideoFrame) -> list[np.ndarray]:
    return [plane(frame, number).copy() for number in range(3)]


@pytest.mark.parametrize("matrix", (1, 5, 9))
@pytest.mark.parametrize("full", (False, True))
@pytest.mark.parametrize("name", ("yuv420p", "yuv444p", "yuv422p10le", "yuv420p10le"))
def test_a_change_of_colour_is_what_swscale_sees(name, matrix, full):
    frame = random_frame(name, matrix=matrix, full=full)
    before, seen = planes_of(frame), PlanarFrames().rgb(frame).astype(int)
    change = np.zeros((20, 24, 3), np.float32)
    change[2:-2, 2:-2] = (9, -12, 17)
    add_colour(frame, (8, 12), change)
    moved = PlanarFrames().rgb(frame).astype(int) - seen
    inner = moved[18:26, 16:26]
    assert np.abs(np.median(inner, axis=(0, 1)) - (9, -12, 17)).max() <= 2
    outside = np.ones(SIZE, bool)
    outside[12:32, 8:32] = False
    assert not any((old != new).any() for old, new in zip(before[:1], planes_of(frame)[:1]) if (old != new)[outside].any())
    for number in (1, 2):
        old, new = before[number], planes_of(frame)[number]
        down, across = SIZE[0] // old.shape[0], SIZE[1] // old.shape[1]
        kept = np.ones(old.shape, bool)
        kept[12 // down : 32 // down, 8 // across : 32 // across] = False
        assert (old != new).any() and np.array_equal(old[kept], new[kept])


def test_no_change_changes_no_bit_and_the_decoder_s_frame_is_left_alone(tmp_path):
    path = write_video(tmp_path / "a.mp4", (quadrants(SIZE) for _ in range(5)))
    with av.open(str(path)) as container:
        first, second = [frame for frame in container.decode(video=0)][:2]
    again = planes_of(second)
    add_colour(first, (0, 0), np.zeros((*SIZE, 3), np.float32))
    assert all(map(np.array_equal, planes_of(first), planes_of(second)))
    add_colour(first, (0, 0), np.full((*SIZE, 3), 20, np.float32))
    assert all(map(np.array_equal, planes_of(second), again)) and not np.array_equal(planes_of(first)[0], again[0])


def test_formats_lose_nothing():
    assert {kept_format(av.VideoFrame(16, 16, name)) for name in FORMATS.values()} == set(FORMATS.values())
    others = ("rgb24", "gbrp10le", "nv12", "yuvj422p", "gray", "p010le")
    kept = {name: kept_format(av.VideoFrame(16, 16, name)) for name in others}
    assert kept == {"rgb24": "yuv444p", "gbrp10le": "yuv444p10le", "nv12": "yuv420p", "yuvj422p": "yuv422p", "gray": "yuv420p",
                    "p010le": "yuv420p10le"}
    assert coding_of(random_frame("yuv420p", matrix=2)).matrix == 5
    assert coding_of(av.VideoFrame(1280, 720, "yuv420p")).matrix == 1


@pytest.mark.parametrize("degrees", (0, 90, 180, 270))
@pytest.mark.parametrize("sar", (None, Fraction(4, 3)))
def test_places_as_shown_are_found_in_the_stored_frame(tmp_path, degrees, sar):
    picture = np.zeros((*SIZE, 3), np.uint8)
    picture[8:14, 40:46] = 255
    path = write_video(tmp_path / "a.mp4", [picture] * 2, rotation_degrees=degrees, sar=sar)
    form = stored_form(path)
    stored = PlanarFrames().rgb(next(stored_frames(path)))
    shown = form.shown(stored)
    assert shown.shape[:2] == form.shown_size == next(media.read_frames(path)).shape[:2]
    y, x = (np.average(np.arange(side), weights=shown[..., 0].astype(float).sum(1 - axis)) + 0.5
            for axis, side in enumerate(shown.shape[:2]))
    assert np.abs(form.to_stored() @ (x, y, 1) - (43, 11)).max() < 0.8


def rewritten(path, source, **wishes):
    form, frames = stored_form(source), list(stored_frames(source))
    usual = max(1, round(1 / form.rate / form.time_base))
    stamps = [frame.pts for frame in frames]
    with StoredWriter(path, form, audio=wishes.pop("audio", None), **wishes) as writer:
        for number, frame in enumerate(frames):
            last = stamps[number + 1] - stamps[number] if number + 1 < len(stamps) else usual
            writer.write(frame, stamps[number] - stamps[0], last)
    return path


@pytest.mark.parametrize("rate", (Fraction(30000, 1001), Fraction(50), Fraction(60000, 1001), Fraction(24000, 1001)))
def test_rates_and_lengths_stay(tmp_path, rate):
    source = write_video(tmp_path / "a.mp4", (numbered_frame(number, size=SIZE) for number in range(31)), rate=rate)
    made = rewritten(tmp_path / "b.mp4", source)
    assert media.video_info(made).rate == rate and media.video_info(made).frames == 31
    assert stream_ends(made)["video"] == pytest.approx(31 / float(rate), abs=2e-3)


def test_variable_time_stamps_stay(tmp_path):
    times = [Fraction(one, 1000) for one in (0, 40, 75, 200, 230, 233, 400)]
    source = write_video(tmp_path / "a.mp4", (numbered_frame(number, size=SIZE) for number in range(7)), times=times)
    made = rewritten(tmp_path / "b.mp4", source)
    found = [float(frame.pts * frame.time_base) for frame in stored_frames(made)]
    assert np.abs(np.array(found) - found[0] - [float(one) for one in times]).max() < 1e-4
    assert [frame_number(PlanarFrames().rgb(frame)) for frame in stored_frames(made)] == list(range(7))


@pytest.mark.parametrize("name", ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le"))
def test_lossless_is_that_and_depth_and_tags_stay(tmp_path, name):
    source = tmp_path / "a.mkv"
    with av.open(str(source), "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], name
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = 9, 1, 9, 16
        for number in range(4):
            frame = random_frame(name, seed=number, matrix=9)
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    made = rewritten(tmp_path / "b.mp4", source, quality="lossless")
    pairs = list(zip(stored_frames(source), stored_frames(made), strict=True))
    assert len(pairs) == 4 and all(all(map(np.array_equal, planes_of(one), planes_of(other))) for one, other in pairs)
    assert stored_form(made).format == name and stored_form(made).tags == (9, 1, 9, 16)


@pytest.mark.parametrize("degrees", (90, 180, 270))
def test_the_way_to_hold_it_stays(tmp_path, degrees):
    source = write_video(tmp_path / "a.mp4", [quadrants(SIZE)] * 3, rotation_degrees=degrees)
    made = rewritten(tmp_path / "b.mp4", source)
    assert stored_form(made).orientation == stored_form(source).orientation != (False, False, False)
    assert np.abs(next(media.read_frames(made)).astype(int) - next(media.read_frames(source))).mean() < 4


def test_odd_sides_are_made_even_by_their_last_line(tmp_path):
    picture = quadrants((45, 61))
    source = write_video(tmp_path / "a.mkv", [picture] * 3, codec="ffv1", pixel_format="yuv420p")
    made = rewritten(tmp_path / "b.mp4", source, quality="lossless")
    form, old, new = stored_form(made), next(stored_frames(source)), next(stored_frames(made))
    assert (form.height, form.width) == (46, 62)
    assert np.array_equal(plane(new, 0)[:45, :61], plane(old, 0)) and np.array_equal(plane(new, 0)[45, :61], plane(old, 0)[44])
    assert np.array_equal(plane(new, 1), plane(old, 1))


def test_backwards_is_the_reverse_in_pieces(tmp_path, monkeypatch):
    source = write_video(tmp_path / "a.mp4", (numbered_frame(number, size=SIZE) for number in range(23)))
    forwards = [(frame.pts, planes_of(frame)) for frame in stored_frames(source)]
    monkeypatch.setattr("headsync.media.stored.HELD_BYTES", 5 * SIZE[0] * SIZE[1] * 3)
    found = [(frame.pts, planes_of(frame)) for frame in backwards(source, [pts for pts, _ in forwards], 2, 22)]
    assert [pts for pts, _ in found] == [pts for pts, _ in forwards[2:22]][::-1]
    assert all(all(map(np.array_equal, one, other)) for (_, one), (_, other) in zip(found, forwards[2:22][::-1]))


def test_time_stamps_that_do_not_rise_are_replaced():
    frame = av.VideoFrame(16, 16, "yuv420p")
    assert stamp(frame, 40, None) == 0 and stamp(frame, 40, 7) == 47
    frame.pts = 9
    assert stamp(frame, 40, 7) == 9 and stamp(frame, 40, 9) == 49


def test_names_of_qualities():
    assert encoder_options("libx264", "lossless", "veryfast")["qp"] == "0"
    assert "lossless=1" in encoder_options("libx265", "lossless", "fast")["x265-params"]
    factors = [float(encoder_options("libx264", name, "fast").get("crf", 0)) for name in media.QUALITIES]
    assert factors == sorted(factors, reverse=True) and len(set(factors)) == 4
    with pytest.raises(ValueError, match="no quality 'best'; choose one of small, good"):
        encoder_options("libx264", "best", "fast")


def test_grain_survives_by_default(tmp_path):
    random = np.random.default_rng(5)
    smooth = quadrants((270, 480)).astype(float) / 2 + 60
    frames = [np.clip(smooth + random.normal(0, 6, (270, 480, 1)), 0, 255).astype(np.uint8) for _ in range(8)]
    source = write_video(tmp_path / "a.mkv", frames, codec="ffv1", pixel_format="yuv420p")
    made = rewritten(tmp_path / "b.mp4", source)
    apart = [np.square(plane(one, 0).astype(float) - plane(other, 0)).mean()
             for one, other in zip(stored_frames(source), stored_frames(made), strict=True)]
    assert 10 * np.log10(255**2 / np.mean(apart)) > 45


def test_a_new_voice_lies_over_the_old_background(tmp_path):
    tone = np.sin(2 * np.pi * 300 * np.arange(48000) / 48000).astype(np.float32) * 0.3
    wide = np.stack([tone, -tone])                              # nothing in the middle
    source = write_video(tmp_path / "a.mp4", [quadrants(SIZE)] * 25, audio=wide)
    write_tone(tmp_path / "voice.flac", 25)
    made = media.mixed_sound(tmp_path / "voice.flac", source, tmp_path / "m.flac", bed_db=-6.0, seconds=Fraction(1))
    voice = media.read_audio(tmp_path / "voice.flac")
    pieces = np.concatenate(list(media.audio.decode_audio(made, rate_hz=16000, layout="stereo")), axis=1)
    assert pieces.shape[1] == pytest.approx(16000, abs=20)
    side = (pieces[0] - pieces[1]) / 2
    assert 20 * np.log10(np.std(side[2000:14000]) / np.std(tone)) == pytest.approx(-6, abs=0.5)
    middle = (pieces[0] + pieces[1])[:16000] / 2
    assert np.corrcoef(middle[:15900], voice[:15900])[0, 1] > 0.98
    silent = write_video(tmp_path / "s.mp4", [quadrants(SIZE)] * 3)
    with pytest.raises(ValueError, match="s.mp4: there is no sound in this video; leave --keep-sound-bed out"):
        media.mixed_sound(tmp_path / "voice.flac", silent, tmp_path / "n.flac", bed_db=0.0, seconds=Fraction(1))
