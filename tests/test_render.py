"""Sequences become videos: as many frames as there is sound, block by block like the whole, whole files or none."""

from fractions import Fraction

import av
import numpy as np
import pytest

from headsync import media
from headsync.landmarks import LandmarkSequence, canonical_face, crop_picture
from headsync.landmarks.detection import extract, make_detector
from headsync.media.pixels import CARE
from render_stage.alignment import crop_placement
from render_stage.contract import Drive
from render_stage.references import Reference, ReferenceSet, SeenFace, SeenSource, read_references
from render_stage.retiming import frames_at, rate_of, retimed
from render_stage.video import SURVEY_FRAMES, align, canvas_blocks, open_motion, render_video, shown_frames
from tests import media_files
from tests.face_files import shaking, write_tone, write_video
from tests.media_files import seconds, write_audio, write_picture

PIXELS = 94


class Dots:
    """A renderer that shows the first reference with a bright square at every landmark."""

    needs, margin_frames = frozenset({"points"}), 0

    def __init__(self, *, fails_at: int | None = None):
        self.prepared, self.blocks, self.fails_at = [], [], fails_at

    def prepare(self, references):
        self.prepared.append(references)
        return references[0].picture

    def frames(self, identity, drive):
        points = drive.points
        self.blocks.append(points)
        if self.fails_at is not None and sum(map(len, self.blocks)) > self.fails_at:
            raise ValueError("the renderer failed")
        frames = identity[None].repeat(len(points), 0)
        places = (points[..., :2] * len(identity) / 256).astype(int).clip(1, len(identity) - 2)
        for frame, face in zip(frames, places):
            for x, y in face:
                frame[y - 1 : y + 2, x - 1 : x + 2] = 255
        return frames


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("references")


@pytest.fixture(scope="module")
def face(place):
    """References made by hand: the canonical face somewhere in a grey picture of 300 x 200."""
    picture = np.random.default_rng(3).integers(90, 110, (200, 300, 3)).astype(np.uint8)
    points = canonical_face().astype(np.float64) * 0.7 + [70, 10, 0]
    seen = SeenFace(picture, (0, 0), 1.0, points, np.zeros((468, 3)))
    path = write_picture(place / "grey.png", picture)
    return ReferenceSet((SeenSource(path, (200, 300), 1, (70.0, 10.0, 249.2, 189.2), (seen,), points[:, :2]),), PIXELS)


def at_home(frames: int, face: ReferenceSet) -> LandmarkSequence:
    """A motion of the hand-made reference on its own canvas."""
    points = face.on_canvas()[0].points[None].repeat(frames, 0)
    points[:, :, 0] += 6 * np.sin(np.arange(frames) / 5)[:, None].astype(np.float32)
    points[:, [65, 66, 67], 1] += 5 * (1 - np.cos(np.arange(frames)))[:, None].astype(np.float32)
    crop = face.sources[0].crop
    return LandmarkSequence(points, np.ones(frames, bool), 25.0, (256, 256), crop)


def abroad(frames: int) -> LandmarkSequence:
    """The motion of somebody else on a canvas of another size."""
    random = np.random.default_rng(5)
    points = canonical_face()[None] + 4 * random.standard_normal((1, 68, 3)) + np.zeros((frames, 1, 1))
    points[:, :, 0] += 25 * np.sin(np.arange(frames) / 7)[:, None]
    points = (points * 131 / 256).astype(np.float32)
    return LandmarkSequence(points, np.ones(frames, bool), 25.0, (131, 131), (0.0, 0.0, 131.0, 131.0))


def shown(path) -> np.ndarray:
    return np.stack(list(media.read_frames(path)))


def test_a_motion_at_home_is_used_bit_for_bit(tmp_path, face):
    motion, renderer = at_home(131, face), Dots()
    report = render_video(motion, face, tmp_path / "v.mp4", renderer=renderer)
    assert not report.carried and report.frames == 131 and report.wall_s > 0
    assert np.array_equal(np.concatenate(renderer.blocks), motion.points)
    (one,) = renderer.prepared[0]
    assert isinstance(one, Reference) and np.array_equal(one.picture, face.on_canvas()[0].picture)
    frames = shown(tmp_path / "v.mp4")
    assert frames.shape == (131, PIXELS, PIXELS, 3)
    expected = Dots().frames(one.picture, Drive(motion.points))
    assert np.abs(frames.astype(int) - expected).mean() < 6


def test_other_people_s_motions_are_carried_over_and_stay_inside(tmp_path, face):
    motion, renderer = abroad(83), Dots()
    assert render_video(motion, face, tmp_path / "v.mp4", renderer=renderer).carried
    points = np.concatenate(renderer.blocks)
    assert points.shape == (83, 68, 3) and points[..., :2].min() > 4 and points[..., :2].max() < 252
    assert np.allclose(points[0][17:48], renderer.prepared[0][0].points[17:48], atol=0.5)     # it starts on the reference


@pytest.mark.parametrize("kept", [True, False])
def test_files_and_any_blocks_give_the_whole(tmp_path, face, kept):
    frames = SURVEY_FRAMES + 37
    sequence = at_home(frames, face) if kept else abroad(frames)
    sequence.save(tmp_path / "s.npz")
    memory, file = open_motion(sequence), open_motion(tmp_path / "s.npz")
    alignments = align(memory, face), align(file, face)
    assert alignments[0].crop == alignments[1].crop and (alignments[0].carry is None) == kept
    whole = np.concatenate(list(canvas_blocks(memory, alignments[0], frames=frames, block_frames=frames)))
    for size in (7, 50):
        blocks = list(canvas_blocks(file, alignments[1], frames=frames, block_frames=size))
        assert {len(block) for block in blocks[:-1]} == {size}
        assert np.array_equal(np.concatenate(blocks), whole) and whole.dtype == np.float32
    crop = alignments[0].crop
    assert kept == (crop == sequence.crop) and crop_placement(crop).scale > 0


@pytest.mark.parametrize("extra, frames", [(0, 31), (1, 32), (-1, 31), (-639, 31), (-640, 30), (640, 32)])
def test_there_are_as_many_frames_as_sound(tmp_path, face, extra, frames):
    """A sequence of 31 frames with sound of 31 * 640 + extra samples."""
    noise = np.random.default_rng(1).uniform(-0.1, 0.1, (1, 31 * 640 + extra)).astype(np.float32)
    sound = write_audio(tmp_path / "a.flac", noise, rate_hz=16000, codec="flac", sample_format="s16")
    renderer = Dots()
    report = render_video(at_home(31, face), face, tmp_path / "v.mp4", audio=sound, renderer=renderer)
    made = np.concatenate(renderer.blocks)
    assert report.frames == frames == len(made) == len(shown(tmp_path / "v.mp4"))
    assert np.array_equal(made[31:], made[30:31].repeat(max(0, frames - 31), 0))
    lengths = [seconds(tmp_path / "v.mp4", kind) for kind in ("video", "audio")]
    assert abs(lengths[0] - lengths[1]) <= 0.04 and lengths[0] == pytest.approx(frames / 25)


@pytest.mark.parametrize("frames", [29, 33])
def test_sound_of_another_length_is_one_line(tmp_path, frames):
    sound = write_tone(tmp_path / "a.flac", 31)
    with pytest.raises(ValueError, match=f"lasts 31 frames \\(1.24 s\\) but the sequence has {frames}"):
        shown_frames(frames, media.open_sound(sound))


def test_the_video_says_that_it_is_synthetic_and_is_silent_without_sound(tmp_path, face):
    render_video(at_home(11, face), face, tmp_path / "v.mp4", renderer=Dots())
    with av.open(str(tmp_path / "v.mp4")) as container:
        assert media.SYNTHETIC_COMMENT in container.metadata["comment"] and not container.streams.audio
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p" and container.streams.video[0].average_rate == 25


def test_larger_pictures_come_in_smaller_blocks(tmp_path, face):
    sizes = []
    for pixels, frames in ((94, 53), (256, 53), (512, 13), (1024, 5)):
        renderer = Dots()
        render_video(at_home(frames, face), face._replace(pixels=pixels), tmp_path / "v.mp4", renderer=renderer)
        sizes.append(len(renderer.blocks[0]))
    assert sizes == [50, 50, 12, 3] and shown(tmp_path / "v.mp4").shape == (5, 1024, 1024, 3)


def test_pasting_back_changes_only_the_head(tmp_path, face):
    picture = media.read_image(face.sources[0].path)
    render_video(at_home(23, face), face, tmp_path / "v.mp4", renderer=Dots(), paste_back=True)
    frames = shown(tmp_path / "v.mp4").astype(int)
    assert frames.shape == (23, 200, 300, 3)
    assert np.abs(frames[:, :, :60] - picture[:, :60]).mean() < 6       # beside the canvas, but for the coding
    middle = face.points()[0, 30, :2].astype(int)
    assert frames[:, middle[1] - 3 : middle[1] + 4, middle[0] - 9 : middle[0] + 10].max(axis=(1, 2, 3)).min() > 180


def test_pasting_back_into_a_video_runs_with_it(tmp_path):
    clip = write_video(tmp_path / "clip.mp4", shaking(17))
    detector = make_detector()
    try:
        sequence = extract(clip, detector=detector).sequence
        references = read_references(clip, count=3, size=PIXELS, detector=detector, progress=False)
    finally:
        detector.close()

    class Original(Dots):
        """Shows the frames that the motion came from."""

        def frames(self, identity, drive):
            points = drive.points
            start = sum(map(len, self.blocks))
            self.blocks.append(points)
            source = [*media.read_frames(clip)][start : start + len(points)]
            return np.stack([crop_picture(frame, sequence.crop, PIXELS) for frame in source])

    report = render_video(sequence, references, tmp_path / "v.mp4", renderer=Original(), paste_back=True)
    assert not report.carried
    there, back = shown(clip).astype(int), shown(tmp_path / "v.mp4").astype(int)
    assert there.shape == back.shape
    errors = np.array([[np.abs(one - other).mean() for other in back] for one in there])
    assert (errors.argmin(1) == np.arange(17)).all() and errors.diagonal().max() < 5


def test_pasting_back_keeps_the_rate_and_the_grain_of_a_video(tmp_path, face):
    """Of 29.97 frames a second with grain: 45 dB away from the head by default, and the motion runs as fast as before."""
    random, rate = np.random.default_rng(3), Fraction(30000, 1001)
    grainy = [np.clip(100 + random.normal(0, 5, (200, 300, 1)) + np.zeros(3), 0, 255).astype(np.uint8) for _ in range(30)]
    clip = media_files.write_video(tmp_path / "clip.mp4", grainy, rate=rate)
    home = face.sources[0]._replace(path=clip, frames=25)
    motion = at_home(25, face)
    report = render_video(motion, face._replace(sources=(home,)), tmp_path / "v.mp4", renderer=Dots(), paste_back=True)
    assert (report.frames, report.rate) == (30, rate) and media.video_info(tmp_path / "v.mp4").rate == rate
    there, back = (np.stack([*media.read_frames(path, rate=None)])[:, :, :60].astype(float)
                   for path in (clip, tmp_path / "v.mp4"))
    assert there.shape == back.shape
    assert 10 * np.log10(255**2 / np.square(there - back).mean()) >= (45 if all(CARE) else 41)
    seen = np.concatenate(list(retimed([motion.points], rate)))
    assert np.abs(seen[6] - (0.994 * motion.points[5] + 0.006 * motion.points[6])).max() < 0.1


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(50), Fraction(60)])
@pytest.mark.parametrize("cuts", [(131,), (1, 1, 2, 127), (37, 0, 94)])
def test_a_motion_at_another_rate_goes_through_its_frames_however_it_is_cut(rate, cuts):
    times = np.arange(131) / 25
    motion = np.stack([np.sin(2 * times), np.cos(3 * times), times], 1).astype(np.float32)    # (131, 3)
    pieces = np.split(motion, np.cumsum(cuts)[:-1])
    seen = np.concatenate(list(retimed(pieces, rate)))
    assert len(seen) == frames_at(131, rate) and seen.dtype == np.float32
    at = np.arange(len(seen)) / float(rate)
    inside = (times[1] <= at) & (at <= times[-2])       # both neighbours are there
    expected = np.stack([np.sin(2 * at), np.cos(3 * at), at], 1)
    assert np.abs(seen - expected)[inside].max() < 2e-3
    for number, moment in enumerate(at):
        if moment * 25 % 1 == 0 and moment * 25 < 131:
            np.testing.assert_allclose(seen[number], motion[int(moment * 25)], atol=1e-6)


@pytest.mark.parametrize("rate, shown_at", [(Fraction(30000, 1001), Fraction(30000, 1001)), (Fraction(25), Fraction(25)),
                                            (Fraction(120), Fraction(60)), (Fraction(10), Fraction(20)),
                                            (Fraction(15), Fraction(30))])
def test_rates_that_are_no_video_s_are_doubled_or_halved(tmp_path, rate, shown_at):
    clip = media_files.write_video(tmp_path / "v.mp4", [np.zeros((32, 32, 3), np.uint8)] * 12, rate=rate)
    assert rate_of(clip) == shown_at
    assert rate_of(write_picture(tmp_path / "p.png", np.zeros((32, 32, 3), np.uint8))) == 25


@pytest.mark.parametrize("fails_at", [0, 60, 130])
def test_a_failure_leaves_nothing(tmp_path, face, fails_at):
    with pytest.raises(ValueError, match="the renderer failed"):
        render_video(at_home(131, face), face, tmp_path / "v.mp4", renderer=Dots(fails_at=fails_at))
    assert not list(tmp_path.iterdir())


def test_an_encoder_s_failure_is_told(tmp_path, face, monkeypatch):
    def write(self, frame):
        raise ValueError("the disk is full")

    monkeypatch.setattr(media.VideoWriter, "write", write)
    renderer = Dots()
    with pytest.raises(ValueError, match="the disk is full"):
        render_video(at_home(331, face), face, tmp_path / "v.mp4", renderer=renderer)
    assert not list(tmp_path.iterdir()) and len(renderer.blocks) <= 2       # and found out early


@pytest.mark.parametrize("change, words", [
    ({"fps": 30.0}, "has 30 frames per second"), ({"size": (256, 200)}, "canvas of \\(256, 200\\)")])
def test_sequences_of_another_form_are_one_line(face, change, words):
    with pytest.raises(ValueError, match=words):
        open_motion(at_home(7, face).replace(**change))


def test_landmarks_far_outside_are_one_line(tmp_path, face):
    sequence = at_home(300, face)
    sequence.points[277] += 5000
    with pytest.raises(ValueError, match="landmark 0 of frame 277 lies at x"):
        render_video(sequence, face, tmp_path / "v.mp4", renderer=Dots())
    assert not list(tmp_path.iterdir())
