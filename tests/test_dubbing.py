"""A dubbed video: only the mouth's mask changes, frames without the face pass through, lengths follow their policies.

Shapes: H W pixels of the video, P of a canvas, L = 68 landmarks.
"""

from fractions import Fraction
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import headsync
from headsync import media
from headsync.commands.program import main
from headsync.landmarks import LandmarkSequence, canonical_face
from headsync.landmarks.detection.shots import Probe, Scan, find_shots
from headsync.landmarks.geometry import frontal
from headsync.landmarks.quality import lip_opening
from headsync.media.planes import PlanarFrames, plane
from headsync.media.stored import stored_form, stored_frames
from landmark_stage import load_articulation
from landmark_stage.articulation.on_video import VideoLips, lips_of_sequence
from render_stage import Drive
from render_stage.dubbing.mask import coloured_alike, lower_mask, mouth_hull
from render_stage.dubbing.occlusion import lower_patch, occluded
from render_stage.dubbing.paste import canvas_to_stored, paste
from render_stage.dubbing.people import Portrait, other_people
from render_stage.dubbing.plan import length_ticks, shown_frames_of
from render_stage.dubbing.shot_references import pick_candidates
from render_stage.dubbing.survey import Survey
from tests.face_files import blank, shaking, write_tone
from tests.media_files import frame_number, numbered_frame, write_video

FACE = canonical_face()
RATE = Fraction(30000, 1001)
RATE_SIDE = 200


class Painted:
    """A renderer that draws one colour, and remembers what it was told."""

    def __init__(self, needs=("points",), margin=0):
        self.needs, self.margin_frames, self.drives, self.references = frozenset(needs), margin, [], []

    def prepare(self, references):
        self.references.append(references)
        return len(references[0].picture)

    def frames(self, identity, drive: Drive):
        self.drives.append(drive)
        count = len(drive.points) - 2 * self.margin_frames
        return np.full((count, identity, identity, 3), (250, 20, 240), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Fourteen frames of the portrait, nine without a face, twelve of it again; 29.97 a second; and sounds."""
    folder = tmp_path_factory.mktemp("dub")
    frames = [*shaking(14, size=RATE_SIDE), *blank(9, size=RATE_SIDE), *shaking(12, size=RATE_SIDE)]
    write_video(folder / "v.mp4", frames, rate=RATE)
    write_video(folder / "blank.mp4", blank(5, size=RATE_SIDE))
    write_tone(folder / "a.flac", 31)
    write_tone(folder / "long.flac", 40)
    media.write_flac(folder / "short.flac", media.read_audio(folder / "a.flac")[:1600])
    return folder


@pytest.fixture(scope="module")
def dubbed(folder):
    renderer = Painted()
    made = headsync.dub(folder / "v.mp4", folder / "a.flac", folder / "o.mp4", renderer=renderer, quality="lossless")
    return SimpleNamespace(made=made, renderer=renderer, old=list(stored_frames(folder / "v.mp4")),
                           new=list(stored_frames(folder / "o.mp4")))


def test_only_the_mouth_of_frames_with_the_face_changes(dubbed):
    assert dubbed.made.frames == len(dubbed.new) == 38          # as long as the sound: it runs back by three
    changed = []
    for old, new in zip(dubbed.old, dubbed.new):
        where = plane(old, 0) != plane(new, 0)
        changed.append(where.any())
        if where.any():
            x, y, width, height = cv2.boundingRect(where.view(np.uint8))
            assert y > 0.3 * RATE_SIDE and y + height < 0.85 * RATE_SIDE and 40 < width < 0.6 * RATE_SIDE
            for number in (1, 2):
                chroma = plane(old, number) != plane(new, number)
                assert not (chroma & ~cv2.resize(where.view(np.uint8), chroma.shape[::-1], interpolation=cv2.INTER_AREA)
                            .astype(bool) & ~cv2.dilate(where.view(np.uint8), np.ones((5, 5)))[::2, ::2].astype(bool)).any()
    assert changed == [True] * 14 + [False] * 9 + [True] * 12
    assert dubbed.made.dubbed == 26 + 3 and [one[:3] for one in dubbed.made.passed] == [(14, 23, "no face")]


def test_rate_and_time_stamps_are_the_video_s(dubbed, folder):
    assert media.video_info(folder / "o.mp4").rate == RATE == dubbed.made.rate
    times = [float(frame.pts * frame.time_base) for frame in dubbed.new]
    assert np.abs(np.diff(times) - float(1 / RATE)).max() < 1e-6
    assert media.video_info(folder / "o.mp4").has_audio


def test_nothing_pops_where_the_face_goes_and_comes(dubbed):
    moved = [np.abs(plane(new, 0).astype(int) - plane(old, 0)).max() for old, new in zip(dubbed.old, dubbed.new)]
    assert moved[0] > 60 and moved[-1] > 60                                 # begins and ends with the video
    assert moved[23] > 60                                                   # a cut: nothing to fade
    assert moved[13] > 60


def test_a_renderer_that_draws_the_source_changes_nothing(folder):
    class Copy(Painted):
        def frames(self, identity, drive):
            return drive.source[self.margin_frames : len(drive.source) - self.margin_frames]

    headsync.dub(folder / "v.mp4", folder / "a.flac", folder / "copy.mp4", renderer=Copy(("points", "source")), size=256,
                 quality="lossless", longer="cut")
    for old, new in zip(stored_frames(folder / "v.mp4"), stored_frames(folder / "copy.mp4"), strict=True):
        apart = np.abs(plane(old, 0).astype(int) - plane(new, 0))
        assert apart.mean() < 0.5 and apart.max() < 60                      # what two resamplings cost


def test_what_a_renderer_asks_for_it_is_given(folder):
    renderer = Painted(("points", "rows", "pose", "source"), margin=2)
    headsync.dub(folder / "v.mp4", folder / "a.flac", folder / "m.mp4", renderer=renderer, size=256, shorter="cut",
                 longer="cut", references=3)
    drive = renderer.drives[3]
    assert drive.points.shape == (5, 68, 3) and drive.rows.shape == (20, 26) and drive.source.shape == (5, 256, 256, 3)
    assert drive.pose.shape == (5, 6)
    rows = np.concatenate(list(media.open_sound(folder / "a.flac").rows()))
    first = round(3 / float(RATE) * 100) - 8
    assert np.array_equal(drive.rows[-first:] if first < 0 else drive.rows, rows[max(0, first) : first + 20])
    assert all(2 <= len(one) <= 3 and one[0].picture.shape == (256, 256, 3) for one in renderer.references)


@pytest.mark.parametrize(("wishes", "said"), [
    ({"audio": "short.flac"}, "0.10 s of sound are too short to be said; give 0.2 s or more"),
    ({"video": "blank.mp4"}, r"no face found in .*blank.mp4 \(5 frames of 200x200\)"),
    ({"video": "a.flac"}, "there are no pictures in this file"),
    ({"longer": "stretch"}, "longer must be one of cut, bounce, loop, hold, got 'stretch'"),
    ({"quality": "best"}, "there is no quality 'best'"),
    ({"face": "left"}, "face must be 'largest', 'centre', an index counted from 0 at the left or a place x,y, got 'left'"),
    ({"keep_sound_bed": -6.0}, "there is no sound in this video; leave --keep-sound-bed out"),
])
def test_bad_input_is_one_line_and_leaves_nothing(folder, tmp_path, wishes, said):
    video, audio = folder / wishes.pop("video", "v.mp4"), folder / wishes.pop("audio", "a.flac")
    with pytest.raises(ValueError, match=said) as caught:
        headsync.dub(video, audio, tmp_path / "o.mp4", renderer=Painted(), **wishes)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


def test_the_command_lists_what_passed_through(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("headsync.dubbing.load_renderer", lambda source, device: Painted())
    places = (folder / "v.mp4", folder / "a.flac", tmp_path / "o.mp4", tmp_path / "p.avi")
    video, audio, made, other = map(str, places)
    code = main(["dub", "--video", video, "--audio", audio, "--out", made, "--longer", "cut", "--quiet"])
    out = capsys.readouterr().out.splitlines()
    assert code == 0 and out[0] == "frames 14 to 22 passed through: no face"
    assert "35 frames of 200x200 at 29.97 a second, 26 dubbed" in out[1]
    assert main(["dub", "--video", audio, "--audio", video, "--out", made]) == 2
    assert main(["dub", "--video", video, "--audio", audio, "--out", other]) == 2
    assert "name it" in capsys.readouterr().err and not (tmp_path / "p.avi").exists()


# ---- parts


def test_the_mask_covers_both_mouths_and_no_eye():
    opened = FACE.copy()
    opened[[*range(5, 12), *range(55, 60), *range(65, 68)], 1] += 12
    mask = cv2.resize(lower_mask(FACE, opened), (256, 256))
    for points in (FACE, opened):
        places = points[48:68, :2].round().astype(int)
        assert mask[places[:, 1], places[:, 0]].min() > 0.85
        chin = points[8, :2].round().astype(int)
        assert mask[chin[1], chin[0]] > 0.9
    eyes = FACE[17:48, :2].round().astype(int)
    assert mask[eyes[:14, 1], eyes[:14, 0]].max() == 0 and mask[eyes[19:, 1], eyes[19:, 0]].max() == 0
    assert mask[0].max() == mask[:, 0].max() == mask[:, -1].max() == 0
    assert np.abs(np.diff(mask, axis=0)).max() < 0.25 and mouth_hull(FACE)[:, 1].max() > FACE[8, 1]


def test_light_at_the_edge_is_carried_inside():
    source = cv2.GaussianBlur(np.random.default_rng(2).integers(60, 180, (256, 256, 3)).astype(np.uint8), (0, 0), 20)
    mask = lower_mask(FACE, FACE)
    darker = source.astype(np.float32) - (18, 10, 5)
    made = coloured_alike(darker, source, mask)
    inside = cv2.resize(mask, (256, 256)) > 0.5
    assert np.abs(made - source)[inside].mean() < 1.5 < np.abs(darker - source)[inside].mean()
    assert np.array_equal(coloured_alike(darker, source, np.zeros_like(mask)), darker)


@pytest.mark.parametrize("crop", [(30.0, 20.0, 158.0, 148.0), (-20.0, 60.0, 170.0, 250.0), (50.3, 40.6, 350.3, 340.6)])
def test_a_canvas_comes_to_its_crop(tmp_path, crop):
    ramp = np.zeros((301, 401, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.linspace(40, 200, 401)[None], np.linspace(60, 180, 301)[:, None]
    ramp[..., 2] = 90
    form = stored_form(write_video(tmp_path / "a.mkv", [ramp] * 2, codec="ffv1", pixel_format="yuv444p"))
    frame = next(stored_frames(tmp_path / "a.mkv"))
    stored = PlanarFrames().rgb(frame)
    canvas = headsync.landmarks.crop_picture(stored, crop, 256).astype(np.float32)
    mask = lower_mask(FACE, FACE)
    paste(frame, stored, canvas + 40, mask, form, crop)
    moved = PlanarFrames().rgb(frame).astype(int) - stored
    places = canvas_to_stored(form, crop, 256) @ np.array([*FACE[57, :2] - 0.5, 1])
    x, y = places.round().astype(int)
    assert np.abs(moved[y, x] - 40).max() <= 3 and np.abs(moved[max(0, int(crop[1]) - 1)]).max() == 0


def test_what_is_before_a_mouth_is_seen():
    frames = shaking(24)
    at = [FACE + (9 * np.sin(t / 5), 4.5 * np.cos(t / 7), 0) for t in range(24)]
    patches = np.stack([lower_patch(frame, points) for frame, points in zip(frames, at)])
    assert not occluded(patches).any()
    hidden = frames[7].copy()
    hidden[120:250, 60:200] = (190, 140, 120)
    hidden[150:170, 60:200] = (90, 60, 50)
    patches[7] = lower_patch(hidden, at[7])
    assert np.flatnonzero(occluded(patches)).tolist() == [7]
    assert not occluded(patches[6:9]).any()                     # too few to compare


def test_shots_of_another_person_are_told_by_the_face(monkeypatch):
    def embed(pictures, points):
        return np.stack([np.eye(2)[int(one.mean() > 128)] for one in pictures])

    monkeypatch.setattr("render_stage.dubbing.people.load_embedder", lambda device: embed)
    dark, bright = (Portrait.of(np.full((300, 300, 3), level, np.uint8), FACE) for level in (60, 200))
    assert dark.picture.shape == (128, 128, 3) and np.ptp(dark.points[:, 1]) == pytest.approx(128, abs=20)
    shots, seen = {0: [bright], 1: [dark, dark], 2: [dark]}, {0: 30, 1: 20, 2: 20}
    assert other_people(shots, weights=seen, first=False) == {0}
    assert other_people(shots, weights=seen, first=True) == {1, 2}
    assert other_people({0: [dark]}, weights={0: 5}, first=True) == set()


def made_up_survey(path, stamps, seconds_per_tick=Fraction(1, 25)):
    form = SimpleNamespace(path=path, time_base=seconds_per_tick, rate=Fraction(25))
    return Survey(form, list(stamps), [], [], {}, 0)


@pytest.mark.parametrize(("longer", "shorter", "sound", "length"), [
    ("cut", "silence", 30, 11), ("bounce", "silence", 30, 30), ("hold", "cut", 7, 7), ("loop", "silence", 7, 11)])
def test_lengths_follow_their_policies(longer, shorter, sound, length):
    survey = made_up_survey("", range(11))
    assert length_ticks(survey, Fraction(sound, 25), longer=longer, shorter=shorter) == length


@pytest.mark.parametrize(("longer", "order"), [
    ("bounce", [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3]), ("loop", [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]),
    ("hold", [0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4]), ("cut", [0, 1, 2, 3, 4])])
def test_the_picture_goes_on_as_it_is_told(tmp_path, longer, order):
    path = write_video(tmp_path / "a.mp4", (numbered_frame(number, size=(32, 48)) for number in range(5)))
    stamps = [frame.pts for frame in stored_frames(path)]
    survey = made_up_survey(path, stamps, stored_form(path).time_base)
    shown = list(shown_frames_of(survey, 12 * survey.usual, longer=longer))
    assert [one.number for one in shown] == order
    assert [frame_number(PlanarFrames().rgb(one.frame)) for one in shown] == order
    assert [one.pts for one in shown] == [place * survey.usual for place in range(len(order))]


def test_references_hold_the_widest_and_the_most_closed_mouth():
    points = np.repeat(FACE[None], 20, 0)
    opening = np.random.default_rng(4).permutation(20)
    points[:, 65:68, 1] += opening[:, None]
    picked = pick_candidates(points, 4)
    assert {int(opening.argmax()), int(lip_opening(points).argmin())} <= set(picked) and len(picked) <= 4
    assert pick_candidates(points, 1) == picked[:1]


def test_a_place_chooses_the_face_there():
    boxes = np.array([[10, 10, 60, 60], [200, 20, 230, 50], [300, 15, 340, 55]], float)
    scan = Scan(6, (100, 400), np.zeros(6), (Probe(0, boxes), Probe(5, boxes)))
    for place, expected in (("310,40", 300), ("205.5,30", 200), ("0,0", 10)):
        assert find_shots(scan, face=place)[0].boxes[0, 1] == expected


@pytest.fixture(scope="module")
def model():
    return load_articulation(device="cpu")


def test_lips_are_those_of_the_moment_at_any_rate(model):
    offsets = np.zeros((11, 37, 3), np.float32)
    offsets[:, [17 + 17, 17 + 18, 17 + 19], 1] = np.arange(11)[:, None]     # the lower inner lip
    lips = VideoLips(offsets, model)
    lips.meet(3, np.repeat(FACE[None], 5, 0))
    made = lips.on(np.repeat(FACE[None], 4, 0), np.array([0, 0.1, 0.3, 9.0]), 3)
    opened = frontal(made)[:, 66, 1] - frontal(made)[:, 62, 1]
    assert np.abs(opened - [0, 2.5, 7.5, 0]).max() < 0.05
    assert np.array_equal(made[:, 17:48], np.repeat(FACE[None, 17:48], 4, 0))


def test_a_sequence_s_lips_go_over_to_another_mouth(model):
    points = np.repeat(FACE[None], 9, 0)
    points[:, 65:68, 1] += np.array([0, 2, 4, 6, 8, 6, 4, 2, 0])[:, None]
    sequence = LandmarkSequence(points=points, visible=np.ones(9, bool), fps=25.0, size=(256, 256),
                                crop=(0.0, 0.0, 256.0, 256.0), producer="{}")
    lips = lips_of_sequence(sequence, model)
    lips.meet(0, points)
    again = lips.on(points, np.arange(9) / 25, 0)
    assert np.abs(frontal(again)[:, 48:] - frontal(points)[:, 48:]).max() < 1.0
