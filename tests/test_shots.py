"""Cuts are found, one face is chosen, and a region is looked at that holds it."""

import numpy as np
import pytest

from headsync.landmarks.detection.shots import Probe, Scan, find_cuts, find_shots

LEFT, RIGHT = (10.0, 10.0, 50.0, 50.0), (150.0, 60.0, 210.0, 120.0)


def scan_of(*boxes, frames=31, changes=None, size=(200, 300)):
    probes = tuple(Probe(frame, np.array(boxes, float).reshape(-1, 4)) for frame in range(0, frames, 5))
    return Scan(frames, size, np.zeros(frames) if changes is None else changes, probes)


def test_a_planted_cut_is_found_and_a_flicker_is_not():
    changes = np.full(97, 2.0)
    changes[41] = 70.0
    assert find_cuts(changes) == [41]
    changes[20:60] = 70.0       # a disco: every frame changes
    assert find_cuts(changes) == []


def test_shots_end_at_cuts_and_have_only_their_own_probes():
    changes = np.zeros(31)
    changes[17] = 90.0
    first, second = find_shots(scan_of(LEFT, changes=changes))
    assert (first.start, first.stop, second.start, second.stop) == (0, 17, 17, 31)
    assert first.boxes[:, 0].max() < 17 <= second.boxes[:, 0].min()


@pytest.mark.parametrize("face, expected",
                         [("largest", RIGHT), ("centre", RIGHT), ("0", LEFT), ("1", RIGHT), ("7", RIGHT)])
def test_the_asked_face_is_chosen(face, expected):
    shot, = find_shots(scan_of(RIGHT, LEFT), face=face)
    np.testing.assert_array_equal(shot.boxes[0, 1:], expected)


def test_the_face_near_the_centre_wins_over_a_larger_one_when_asked():
    centre = (130.0, 80.0, 170.0, 120.0)
    assert find_shots(scan_of(centre, RIGHT), face="centre")[0].boxes[0, 1] == 130
    assert find_shots(scan_of(centre, RIGHT), face="largest")[0].boxes[0, 1] == 150


def test_rivals_are_measured():
    assert find_shots(scan_of(RIGHT))[0].rival == 0
    assert find_shots(scan_of(RIGHT, LEFT))[0].rival == pytest.approx(1600 / 3600)


def test_a_walking_face_stays_one_track():
    probes = tuple(Probe(f, np.array([[10 + f, 10, 50 + f, 50], [250 - f, 90, 292 - f, 132]], float))
                   for f in range(0, 101, 5))
    shot, = find_shots(Scan(101, (200, 300), np.zeros(101), probes), face="0")
    np.testing.assert_array_equal(shot.boxes[:, 1], 10 + shot.boxes[:, 0])


def test_the_region_holds_every_box_and_stays_inside():
    shot, = find_shots(scan_of(LEFT, size=(1080, 1920)))
    x0, y0, x1, y1 = shot.region
    assert 0 <= x0 <= 10 and 0 <= y0 <= 10 and 50 < x1 < 200 and 50 < y1 < 200


def test_long_shots_come_in_equal_pieces():
    pieces = find_shots(scan_of(LEFT, frames=1499), most_frames=500)
    assert [piece.stop - piece.start for piece in pieces] == [500, 499, 500]
    assert pieces[0].start == 0 and pieces[-1].stop == 1499


def test_no_face_no_shot_and_wrong_choices_are_refused():
    assert find_shots(scan_of()) == []
    with pytest.raises(ValueError, match="'leftmost'"):
        find_shots(scan_of(LEFT), face="leftmost")
