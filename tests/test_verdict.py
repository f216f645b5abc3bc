"""Shows what profiles come to: late and early, sure and unsure, shots that differ, drift, and the limits of standards.

Shapes: S lags, n windows, E embedding features.
"""

import numpy as np
import pytest
import torch

from syncers.offset import LagProfile
from syncers.over_time import StretchOffset
from syncers.verdict import LIMITS, Report, Verdict, drift, joint_profile, spoken, sync_report, verdict


def valley(late_frames, *, level=1, depth=3.0, width=2.0, reach=15, seed=0):
    """A level's profile whose distances are lowest where the sound is late by so many frames."""
    lags = torch.arange(-reach, reach + 1)
    away = (lags.numpy() * 2 ** (level - 1) - late_frames) / width
    noise = 0.05 * np.random.default_rng(seed + level).standard_normal(len(lags))
    return LagProfile(torch.from_numpy(9 - depth * np.exp(-(away**2)) + noise), lags)


def levels(late_frames, **wishes):
    return [valley(late_frames, level=level, width=2.0 * 2 ** (level - 1), **wishes) for level in (1, 2, 3, 4)]


@pytest.mark.parametrize("late", [-11, -5, -1, 0, 2.5, 5, 7.3, 12])
def test_a_planted_offset_is_told_for_sure(late):
    found = verdict(levels(late), start=50, frames=100)
    assert found.sure and abs(found.ms - 40 * late) < 12
    assert (found.start_s, found.end_s) == (2, 6)


def test_noise_and_offsets_at_the_end_of_the_lags_are_unsure():
    for seed in range(20):
        assert not verdict(levels(3, depth=0.0, seed=seed), start=0, frames=100).sure
    assert not verdict(levels(15), start=0, frames=100).sure and not verdict(levels(-17), start=0, frames=100).sure


def test_a_scale_that_does_not_see_all_lags_does_not_count():
    """A coarse scale of a short clip, whose few lags would answer +8."""
    short = [valley(2), valley(8, level=2, reach=5, depth=30.0)]
    assert joint_profile(short).offset == 2 == joint_profile(short[:1]).offset


@pytest.mark.parametrize("ms, fps, said", [
    (200, 25, "sound 200 ms late, sure: move it 5 frames earlier"),
    (-160, 25, "sound 160 ms early, sure: move it 4 frames later"),
    (200, 29.97, "sound 200 ms late, sure: move it 6 frames earlier"),
    (41, 25, "sound 41 ms late, sure: move it 1 frame earlier"),
    (12, 25, "in sync, sure (sound 12 ms late)"), (-0.2, 25, "in sync, sure (sound on time)")])
def test_the_answer_in_words(ms, fps, said):
    assert Verdict(0, 4, ms, True, 2.0).told(fps) == said
    assert Verdict(0, 4, ms, False, 0.1).told(fps).startswith("cannot be told for sure (perhaps sound ")


@pytest.mark.parametrize("ms, kept", [(0, (1, 1, 1)), (50, (1, 1, 0)), (100, (1, 0, 0)), (130, (0, 0, 0)), (-20, (1, 1, 0)),
                                      (-42, (1, 0, 0)), (-46, (0, 0, 0)), (125, (1, 0, 0)), (-45, (1, 0, 0))])
def test_the_limits(ms, kept):
    assert tuple(limit.holds(ms) for limit in LIMITS) == tuple(map(bool, kept))


def report_of(*offsets_ms, whole=0.0, sure=True):
    return Report(Verdict(0, 8, whole, sure, 2), tuple(Verdict(4 * number, 4 * number + 4, ms, sure, 2)
                                                       for number, ms in enumerate(offsets_ms)), (), None)


def test_shots_that_differ_are_said():
    two = report_of(120, -40, whole=120.0)
    assert two.differ and two.keeps() is True
    assert two.told() == "the shots differ, sure: sound 120 ms late from 0.0 s on, sound 40 ms early from 4.0 s on; cut them " \
                         "apart and move each"
    assert not report_of(120, 100, whole=110.0).differ and not report_of(120, -40, sure=False).differ
    assert report_of(0, 0).keeps() and report_of(0, 200).keeps() is False and report_of(sure=False).keeps() is None


def test_a_drift_is_told_and_one_wrong_stretch_does_not_make_one():
    def stretches(slope, *, wrong=None):
        return [Verdict(number, number + 4, 500 if number == wrong else slope * number + 3 * (-1) ** number, True, 1.0)
                for number in range(60)]
    assert drift(stretches(2)) == pytest.approx(120, abs=3)
    assert drift(stretches(0)) is None and drift(stretches(0, wrong=59)) is None
    assert drift(stretches(2)[:3]) is None
    told = Report(Verdict(0, 64, 60, True, 2), (), tuple(stretches(2)), 120.0).told()
    assert told.startswith("the sound drifts, sure: sound 3 ms late at 0 s, sound 115 ms late at 63 s (+120 ms a minute)")


class Echo(torch.nn.Module):
    """Stands in for a pyramid: what a window shows is itself."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))


def test_a_video_of_two_shots_has_a_row_for_each(monkeypatch):
    from syncers import verdict as module
    from syncers.measure import SyncSample

    sample = SyncSample(torch.zeros(200, 204), torch.zeros(800, 26))
    monkeypatch.setattr(module, "level_profiles", lambda pyramid, one: levels(3 if one.flat.shape[0] != 80 else -1))
    monkeypatch.setattr(module, "offsets_over_time", lambda *_: [StretchOffset(0, 100, 3.0, 2.0, 2.0)])
    report = sync_report(Echo(), sample, cuts=[120, 190])
    assert [(shot.start_s, shot.end_s) for shot in report.shots] == [(0, 4.8), (4.8, 7.6)]     # ten frames are no shot
    assert sync_report(Echo(), sample).shots == ()
    report = sync_report(Echo(), sample, cuts=[120])
    assert [round(shot.ms / 40) for shot in report.shots] == [3, -1] and report.differ
    assert report.over_time[0].ms == 120


def test_offsets_are_spoken():
    assert [spoken(ms) for ms in (0.3, 40.4, -79.6)] == ["sound on time", "sound 40 ms late", "sound 80 ms early"]
