"""What is behind a person: the own background stays, other references lend, the rest is filled without an edge."""

import numpy as np
import pytest

from headsync.landmarks.detection import PersonFinder
from render_stage.rhythmic_head.backdrop import RIM_PX, backdrops, filled, widened
from tests.face_files import portrait


def scene(seed: int = 0) -> np.ndarray:
    """A picture (96, 96, 3) uint8 of a slope of colours."""
    rows, columns = np.mgrid[:96, :96]
    return np.stack([60 + rows, 40 + columns, np.full_like(rows, 90 + seed)], -1).astype(np.uint8)


def standing(left: int, width: int = 30) -> np.ndarray:
    person = np.zeros((96, 96), np.uint8)
    person[20:, left : left + width] = 255
    return person


def seen(person: np.ndarray) -> np.ndarray:
    return np.where(person[..., None] > 0, np.uint8(255), scene())


def test_a_background_without_a_person_stays():
    assert np.array_equal(backdrops([scene()], [np.zeros((96, 96), np.uint8)])[0], scene())


def test_a_person_is_painted_over_from_what_is_round_it():
    person = standing(30)
    made = backdrops([seen(person)], [person])[0]
    outside = np.zeros((96, 96), bool)
    outside[:, :30] = outside[:, 60:] = True
    assert np.array_equal(made[outside], scene()[outside])
    hidden = person > 0
    assert np.abs(made.astype(int) - scene())[hidden].mean() < 12 and made[hidden].max() < 200      # no white is left
    steps = np.abs(np.diff(made.astype(int), axis=1)).max()
    assert steps < 16                                                                              # and no edge


def test_other_references_lend_what_a_person_hides():
    people = [standing(10), standing(60)]
    made = backdrops([seen(one) for one in people], people)
    for one, person in zip(made, people):
        assert np.abs(one.astype(int) - scene())[person > 0].max() <= 2
    alone = backdrops([seen(people[0])], people[:1])[0]
    assert np.abs(alone.astype(int) - scene())[people[0] > 0].max() > 4


def test_a_widened_person_has_a_rim():
    rows, columns = np.nonzero(widened(standing(30)))
    assert columns.min() == 30 - RIM_PX // 2 and columns.max() == 59 + RIM_PX // 2 and rows.min() == 20 - RIM_PX // 2


def test_a_picture_full_of_a_person_becomes_its_rim_or_black():
    assert not backdrops([scene()], [np.full((96, 96), 255, np.uint8)])[0].any()


@pytest.mark.parametrize("side", [61, 64])
def test_constants_are_filled_with_themselves(side):
    cover = np.zeros((side, side, 1), np.float32)
    cover[:7] = 1
    made = filled(np.float32([30, 90, 150]) * cover, cover)
    assert np.abs(made.astype(int) - (30, 90, 150)).max() <= 1


def test_a_person_is_found_in_a_portrait():
    finder = PersonFinder()
    try:
        picture = portrait()
        person, again = finder.person(picture), finder.person(picture)
        flipped = finder.person(np.ascontiguousarray(picture[:, ::-1]))
    finally:
        finder.close()
    assert person.shape == picture.shape[:2] and person.dtype == np.uint8 and np.array_equal(person, again)
    assert 0.2 < (person > 127).mean() < 0.95
    assert np.abs(flipped[:, ::-1].astype(int) - person).mean() < 25
