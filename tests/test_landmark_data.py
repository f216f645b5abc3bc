"""Stretches for the generator: what it is shown, what surrounds it, and that draws repeat."""

import pytest
import torch

from headsync.landmarks import AugmentationRanges
from landmark_stage.ms_sync.data import MaterialSettings, Track, draw_stretches, read_tracks, rows_around
from landmark_stage.ms_sync.validate import pieces_of
from tests.talking import made_up_people, made_up_sample, write_corpus


def tracks(frames=61, count=5):
    return [Track(f"clip{seed}", *made_up_sample(frames, seed=seed)) for seed in range(count)]


def seeded(number=1):
    return torch.Generator().manual_seed(number)


@pytest.mark.parametrize("dims", [2, 3])
def test_stretches_have_their_shapes_and_repeat(dims):
    settings = MaterialSettings(frames=23)
    drawn = draw_stretches(tracks(), 7, dims=dims, settings=settings, generator=seeded())
    assert drawn.real.shape == (7, 25, dims * 68) and drawn.observed.shape == (7, 3, dims * 68)
    assert drawn.rows.shape == (7, 4 * (23 + 64), 26)
    again = draw_stretches(tracks(), 7, dims=dims, settings=settings, generator=seeded())
    assert all(torch.equal(one, other) for one, other in zip(drawn, again))
    assert not torch.equal(drawn.real, draw_stretches(tracks(), 7, dims=dims, settings=settings, generator=seeded(2)).real)


@pytest.mark.parametrize("still", [0.0, 1.0])
def test_the_test_times_start_is_seen_in_training(still):
    settings = MaterialSettings(frames=23, still_start=still, loudness=0.0, silence=0.0)
    drawn = draw_stretches(tracks(), 7, dims=3, settings=settings, generator=seeded())
    assert torch.equal(drawn.observed[:, 2], drawn.real[:, 2])
    assert torch.equal(drawn.observed[:, 0], drawn.real[:, 2 if still else 0])
    assert drawn.rows[:, :128].eq(-20).all().item() is bool(still)


def test_sound_and_face_belong_together():
    """Frame 0, the third that is drawn, is the one that row 128 goes with."""
    unchanged = AugmentationRanges((1.0, 1.0), shift=False, yaw_degrees=0.0, pitch_degrees=0.0, roll_degrees=0.0, flip=0.0)
    settings = MaterialSettings(frames=23, loudness=0.0, silence=0.0, ranges=unchanged)
    one = tracks(count=1)[0]
    drawn = draw_stretches([one], 7, dims=3, settings=settings, generator=seeded())
    for real, rows in zip(drawn.real, drawn.rows):
        middle = rows[128:-128]
        places = [start for start in range(61 - 22) if torch.equal(one.rows[4 * start : 4 * (start + 23)], middle)]
        assert len(places) == 1 and 2 <= places[0] <= 61 - 23
        torch.testing.assert_close(real, one.flat[places[0] - 2 : places[0] + 23])


def test_margins_are_the_clips_own_sound():
    rows = made_up_sample(61, seed=1).rows
    around = rows_around(rows, 40, 13, known_before=True)
    assert torch.equal(around[: 4 * (32 + 13 + 8)], rows[4 * 8 :]) and around[4 * 53 :].eq(-20).all()
    assert rows_around(rows, 5, 13, known_before=True)[: 4 * 27].eq(-20).all()
    assert rows_around(rows, 40, 13, known_before=False)[:128].eq(-20).all()


def test_the_sound_of_some_is_taken_away():
    settings = MaterialSettings(frames=23, silence=0.3)
    drawn = draw_stretches(tracks(), 10, dims=2, settings=settings, generator=seeded())
    assert drawn.talking.tolist() == [False] * 3 + [True] * 7
    assert drawn.rows[:3].eq(-20).all() and not drawn.rows[3:, 128:-128].eq(-20).any()


def test_too_short_clips_are_refused():
    with pytest.raises(ValueError, match="no clip has the 63 frames"):
        draw_stretches(tracks(), 2, dims=2, settings=MaterialSettings(frames=61), generator=seeded())


def test_tracks_of_a_corpus(tmp_path):
    corpus = write_corpus(tmp_path, {"train": made_up_people(3, 61), "val": made_up_people(2, 83, seed=7)})
    found = read_tracks(corpus, "val")
    assert [len(one.flat) for one in found] == [83, 83]
    with pytest.raises(ValueError, match="no talking clip in its test split"):
        read_tracks(corpus, "test")
    pieces = pieces_of(found, 40)
    assert len(pieces) == 4 and torch.equal(pieces[1].real.flat, found[0].flat[40:80])
    assert pieces[0].rows[:128].eq(-20).all() and torch.equal(pieces[1].rows[:128], found[0].rows[32:160])
