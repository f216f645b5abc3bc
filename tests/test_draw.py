"""What people look at: points on the right pixels, frames left alone, sheets in order."""

import numpy as np
import pytest

from headsync.landmarks.augment import flip
from headsync.landmarks.canonical import canonical_face
from headsync.landmarks.draw import (
    LABEL_PX,
    LOST_COLOUR,
    POINT_COLOUR,
    contact_sheet,
    draw_landmarks,
    overlay_frames,
    plain_frames,
)
from headsync.landmarks.sequence import LandmarkSequence


def black(height: int = 256, width: int = 256) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def moving(frames: int, *, size: tuple[int, int] = (256, 256)) -> LandmarkSequence:
    points = canonical_face() + np.arange(frames, dtype=np.float32)[:, None, None] * [1, 0, 0]
    return LandmarkSequence(points=points.astype(np.float32), visible=np.arange(frames) != 1, fps=25.0, size=size,
                            crop=(0.0, 0.0, 256.0, 256.0))


def tile(value: int) -> np.ndarray:
    return np.full((5, 7, 3), value, np.uint8)


@pytest.mark.parametrize("dims", [2, 3])
def test_every_landmark_is_lit_at_its_pixel(dims):
    points = np.floor(canonical_face()[:, :dims]) + 0.5
    drawn = draw_landmarks(black(), points)
    colours = drawn[points[:, 1].astype(int), points[:, 0].astype(int)].astype(int)     # (L, 3)
    assert np.abs(colours - POINT_COLOUR).max() < 40


def test_a_point_covers_its_pixel_evenly_and_nothing_far():
    drawn = draw_landmarks(black(97, 113), np.full((68, 2), (40.5, 60.5)))
    light = drawn.sum(2, dtype=float)
    rows, columns = np.nonzero(light)
    centre = np.average(rows, weights=light[rows, columns]), np.average(columns, weights=light[rows, columns])
    assert np.allclose(centre, (60, 40), atol=0.35), "OpenCV's round dots lean by a quarter of a pixel"
    assert tuple(drawn[60, 40]) == POINT_COLOUR
    assert np.ptp(rows) <= 6 and np.ptp(columns) <= 6


def test_lines_join_the_points():
    face = canonical_face()
    drawn = draw_landmarks(black(), face)
    for one, other in ((3, 4), (48, 59), (60, 67), (36, 41), (27, 28)):
        x, y = (face[one, :2] + face[other, :2]) / 2
        assert drawn[int(y), int(x)].any(), (one, other)
    x, y = face[0, :2] + 0.08 * (face[16, :2] - face[0, :2])
    assert not drawn[int(y), int(x)].any(), "the jaw is not closed"


def test_the_frame_is_left_alone_and_kept_where_nothing_is_drawn():
    frame = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    before = frame.copy()
    drawn = draw_landmarks(frame[:, ::-1], canonical_face())
    assert np.array_equal(frame, before) and np.array_equal(drawn[:40], before[:40, ::-1])


def test_a_flipped_face_gives_the_flipped_picture():
    points = np.floor(canonical_face() - [31, 0, 0]) + 0.5
    drawn, mirrored = draw_landmarks(black(), points), draw_landmarks(black(), flip(points / 256) * 256)
    different = np.abs(drawn[:, ::-1].astype(int) - mirrored).max(2) > 90       # antialiasing leans a little
    assert different.mean() < 0.002 and drawn.any(2).mean() > 0.02


def test_lost_frames_are_red():
    drawn = draw_landmarks(black(), canonical_face(), lost=True)
    assert drawn[..., 0].max() == LOST_COLOUR[0] and drawn[..., 1].max() <= LOST_COLOUR[1]


def test_points_far_outside_are_no_accident():
    assert not draw_landmarks(black(), canonical_face() + [9999, -9999, 0]).any()


def test_overlays_follow_the_sequence_and_end_with_the_shorter():
    sequence = moving(5)
    shown = list(overlay_frames([black()] * 3, sequence))
    assert len(shown) == 3 and len(list(overlay_frames([black()] * 7, sequence))) == 5
    assert np.array_equal(shown[2], draw_landmarks(black(), sequence.points[2]))
    assert np.array_equal(shown[1], draw_landmarks(black(), sequence.points[1], lost=True))


def test_overlays_take_frames_one_by_one():
    taken = []
    frames = overlay_frames((taken.append(index) or black() for index in range(5)), moving(5))
    next(frames)
    assert taken == [0]


def test_plain_frames_are_the_canvas():
    shown = list(plain_frames(moving(3, size=(211, 199)), level=7))
    assert len(shown) == 3 and shown[0].shape == (211, 199, 3) and (shown[0][0, 0] == 7).all() and shown[0].max() > 7


def test_a_sheet_is_filled_row_by_row():
    sheet = contact_sheet([tile(value) for value in (1, 2, 3, 4, 5)], columns=3)
    assert sheet.shape == (10, 21, 3) and sheet.dtype == np.uint8
    assert sheet[::5, ::7, 0].tolist() == [[1, 2, 3], [4, 5, 0]]


def test_labels_stand_under_their_tiles():
    sheet = contact_sheet([tile(1), tile(2)], columns=1, labels=["ab", "é"])
    assert sheet.shape == (2 * (5 + LABEL_PX), 7, 3)
    assert (sheet[:5] == 1).all() and (sheet[5 + LABEL_PX : 10 + LABEL_PX] == 2).all()
    assert sheet[5 : 5 + LABEL_PX].max() > 100


def test_impossible_sheets_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        contact_sheet([], columns=2)
    with pytest.raises(ValueError, match="one shape"):
        contact_sheet([tile(1), black()], columns=2)
    with pytest.raises(ValueError, match="1 labels for 2 tiles"):
        contact_sheet([tile(1), tile(2)], columns=2, labels=["a"])
