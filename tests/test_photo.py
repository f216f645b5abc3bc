"""What a photo lets one expect is said in a line each, and nothing of a good one: pictures made from the shipped portrait."""

import logging

import cv2
import numpy as np
import pytest

from headsync.landmarks import canonical_face, pose_points
from headsync.landmarks.detection import extract, make_detector
from headsync.landmarks.detection.photo import (
    LEAST_DETAIL,
    MOST_TURN_DEGREES,
    SHUT,
    WIDE,
    cut_side,
    detail,
    faces_note,
    mouth_note,
    start_note,
    turn_degrees,
)
from headsync.landmarks.geometry import HeadPose, rotation_matrix
from headsync.landmarks.lips import lip_opening
from headsync.landmarks.motion.lips import closed_lips
from landmark_stage import start_face
from render_stage import Drive, load_renderer, read_references
from tests.face_files import portrait, shaking, write_video
from tests.media_files import write_picture
from tests.moving_faces import still_face


@pytest.fixture(scope="module")
def detector():
    held = make_detector()
    yield held
    held.close()


@pytest.fixture
def notes(detector, tmp_path, caplog):
    """The notes about a picture, or the pictures, of a person."""

    def read(*pictures, **options):
        caplog.clear()
        paths = [write_picture(tmp_path / f"photo{number}.png", one) for number, one in enumerate(pictures)]
        with caplog.at_level(logging.WARNING):
            read_references(paths, detector=detector, **options)
        return [record.getMessage() for record in caplog.records]

    return read


def reduced(picture, scale):
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def opened(points, opening):
    """The face (L, 3) with its inner lips so far apart, as a share of the eyes' distance; outer lips and chin follow."""
    moved = points.copy()
    way = (opening - lip_opening(points[None])[0]) * np.linalg.norm(points[45, :2] - points[36, :2])
    for chosen, share in (([61, 62, 63], -0.22), ([65, 66, 67], 0.78), ([50, 51, 52], -0.12), ([56, 57, 58], 0.7),
                          ([6, 7, 8, 9, 10], 0.3)):
        moved[chosen, 1] += share * way
    return moved


@pytest.fixture(scope="module")
def rendered():
    """The portrait with other landmarks, as the shipped renderer shows it."""
    face, renderer = still_face(), load_renderer("small")
    identity = renderer.prepare([face])
    return lambda points: renderer.frames(identity, Drive(points[None].astype(np.float32)))[0]


def test_nothing_is_said_of_a_good_photo(notes):
    assert notes(portrait()) == []


def test_of_two_faces_it_is_said_which_one_is_taken(notes):
    small, large = reduced(portrait(), 0.8), portrait()
    canvas = np.full((330, 264 + 330, 3), 200, np.uint8)
    canvas[:264, :264], canvas[:, 264:] = small, large
    [told] = notes(canvas)
    assert "2 faces are seen; the largest is taken, number 1 from the left" in told and "--face INDEX" in told
    [told] = notes(canvas, face="0")
    assert "largest" not in told and "number 0 from the left" in told
    boxes = np.array([[300, 0, 400, 100], [0, 0, 50, 50]], float)
    assert "number 0" in faces_note(boxes, np.full((68, 3), 25.0), "largest")
    assert "number 1" in faces_note(boxes, np.full((68, 3), 350.0), "largest") and faces_note(boxes[:1], boxes, "0") == ""


def test_a_clip_with_two_faces_says_so_too(detector, tmp_path, caplog):
    frames = []
    for one in shaking(6):
        canvas = np.full((256, 480, 3), 200, np.uint8)
        canvas[:, :256], canvas[:205, 275:] = one, reduced(one, 0.8)
        frames.append(canvas)
    with caplog.at_level(logging.WARNING):
        read_references(write_video(tmp_path / "two.mp4", frames), detector=detector, progress=False)
    [told] = [record.getMessage() for record in caplog.records]
    assert "two.mp4: 2 faces are seen; the largest is taken, number 0 from the left" in told


def test_a_small_face_is_soft_and_so_is_a_blurred_one(notes):
    assert notes(reduced(portrait(), 0.75)) == []
    [told] = notes(reduced(portrait(), 0.5))
    assert "44 pixels high" in told and "enlarged 2." in told and "soft" in told
    assert [one for one in notes(portrait(), size=512) if "or a smaller --size" in one]
    [told] = notes(cv2.GaussianBlur(portrait(), (0, 0), 1.5))
    assert "blurred" in told


def test_detail_falls_with_blur_and_does_not_depend_on_contrast():
    face = still_face()
    crop = (0.0, 0.0, 256.0, 256.0)
    found = [detail(face.picture if not sigma else cv2.GaussianBlur(face.picture, (0, 0), sigma), face.points, crop)
             for sigma in (0, 0.7, 2, 3)]
    assert found == sorted(found, reverse=True) and found[0] > 2 * LEAST_DETAIL > 3 * found[2]
    weak = (64 + face.picture / 2).round().astype(np.uint8)
    assert detail(weak, face.points, crop) == pytest.approx(found[0], rel=0.1)


def test_a_turned_face_is_said_to_be(notes, rendered):
    for degrees in (0, 17, -41, 60):
        h = np.array([[0, np.radians(degrees), 0, 0, 0, 0]])
        assert turn_degrees(pose_points(canonical_face()[None], HeadPose(h, 1.0))[0]) == pytest.approx(abs(degrees), abs=0.5)
    face = still_face()
    middle = face.points.mean(0)
    turn = rotation_matrix(np.array([0, np.radians(42), 0]))
    found = [one for one in notes(rendered((face.points - middle) @ turn.T + middle)) if "turned by" in one]
    assert found and "from the front" in found[0]
    assert not [one for one in notes(portrait()) if "turned" in one] and MOST_TURN_DEGREES == 30


def test_a_face_that_is_cut_off_is_said_to_be(notes, detector, tmp_path):
    found = extract(write_picture(tmp_path / "whole.png", portrait()), detector=detector).sequence
    rows = found.points[0, :, 1] / 256 * (found.crop[3] - found.crop[1]) + found.crop[1]
    assert any("cut off at the bottom" in one for one in notes(portrait()[: int(rows.max()) - 5]))
    assert any("cut off at the top" in one for one in notes(portrait()[int(rows.min()) - 4 :]))
    face = canonical_face()
    assert cut_side(face, (256, 256)) == "" and cut_side(face - (face[:, 0].min() + 9, 0, 0), (256, 256)) == "left"
    assert cut_side(face, (256, int(face[:, 0].max()) - 9)) == "right"


def test_a_shut_mouth_is_said_to_be_unless_another_reference_shows_teeth(notes, rendered):
    face = still_face()
    shut = rendered(closed_lips(face.points[None], face.points, np.ones(1) * 3)[0])
    [told] = [one for one in notes(shut) if "mouth" in one]
    assert "shut" in told and "teeth will be invented" in told
    assert not [one for one in notes(shut, portrait()) if "mouth" in one]
    assert mouth_note(np.stack([opened(face.points, SHUT / 2)])) and not mouth_note(np.stack([opened(face.points, 2 * SHUT)]))


def test_a_wide_open_mouth_is_said_to_be_where_a_motion_starts(notes, rendered, caplog):
    face = still_face()
    assert any("wide open" in one for one in notes(rendered(opened(face.points, 0.32))))
    assert start_note(opened(face.points, WIDE + 0.01)) and not start_note(opened(face.points, WIDE - 0.01))
    start = start_face()
    wide = type(start)(**{**vars(start), "points": opened(start.points[0], 0.3)[None]})
    caplog.clear()
    start_face(wide), start_face()
    assert [record.getMessage() for record in caplog.records if "wide open" in record.getMessage()] != []
    assert len(caplog.records) == 1
