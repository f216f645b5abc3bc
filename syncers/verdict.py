"""What the syncers' four time scales come to: one answer for a clip, for each of its shots, and over time; and what limits say.

Shapes: S lags. Offsets are positive where the sound is late. Sources of the limits: ITU-R BT.1359-1 (detectability), EBU R 37
(2007), ATSC IS-191 (2003).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch

from headsync.media import FPS
from syncers.measure import SyncSample, level_profiles
from syncers.model import SyncerPyramid
from syncers.offset import LagProfile
from syncers.over_time import offsets_over_time

MILLISECONDS = 1000 / FPS       # of a frame
LEVELS = 2                      # time scales that are put together: a third made 2.4 s worse (docs/results/media.md)
REACH = 15                      # frames: lags that are looked at
PEAK_FRAMES = 3                 # lags this near to the best one belong to its peak
SURE_MARGIN = 0.8               # by which the peak must stand out to be sure of it (benchmarks/sync_verdicts.py)
IN_SYNC_MS = 20.0               # half a frame: below it nothing is to be moved
SURE_STRETCH = 0.5              # the same of a stretch, at the finest scale alone
LEAST_SHOT_FRAMES = 25          # of a shot that gets an answer of its own
DIFFERENT_MS = 60.0             # by which two shots must differ for that to be said
DRIFT_MS = 40.0                 # over a clip, from which a drift is told
STRETCHES = 4                   # sure ones at least, for a drift


class Limit(NamedTuple):
    """How early and how late a sound may be."""

    name: str
    early_ms: float
    late_ms: float

    def holds(self, ms: float) -> bool:
        """Whether a sound that is late by `ms` keeps the limit."""
        return -self.early_ms <= ms <= self.late_ms


LIMITS = (Limit("ITU-R BT.1359", 45, 125), Limit("EBU R 37", 40, 60), Limit("ATSC IS-191", 15, 45))


class Verdict(NamedTuple):
    """By how much the sound of a clip, or of a part of it, is late."""

    start_s: float
    end_s: float
    ms: float               # negative: early
    sure: bool
    margin: float           # by which the answer stands out of the other lags

    def told(self, fps: float = FPS) -> str:
        """The answer in one line, with what to do about it in frames of a video of `fps`."""
        if not self.sure:
            return f"cannot be told for sure (perhaps {spoken(self.ms)}): a longer stretch of a face that speaks is needed"
        if abs(self.ms) <= IN_SYNC_MS:
            return f"in sync, sure ({spoken(self.ms)})"
        frames = max(1, round(abs(self.ms) * fps / 1000))
        way = "earlier" if self.ms > 0 else "later"
        return f"{spoken(self.ms)}, sure: move it {frames} frame{'s' * (frames > 1)} {way}"


class Report(NamedTuple):
    """All that is said of a video."""

    whole: Verdict
    shots: tuple[Verdict, ...]              # empty for a single shot
    over_time: tuple[Verdict, ...]          # stretches of four seconds
    drift_ms_per_minute: float | None       # None where it cannot be told or is none

    @property
    def differ(self) -> bool:
        """Whether shots that are sure differ."""
        sure = [shot.ms for shot in self.shots if shot.sure]
        return len(sure) > 1 and max(sure) - min(sure) >= DIFFERENT_MS

    def told(self, fps: float = FPS) -> str:
        """The answer in one line."""
        if self.differ:
            parts = [f"{spoken(shot.ms)} from {shot.start_s:.1f} s on" for shot in self.shots if shot.sure]
            return f"the shots differ, sure: {', '.join(parts)}; cut them apart and move each"
        if self.drift_ms_per_minute is not None:
            sure = [one for one in self.over_time if one.sure]
            return (f"the sound drifts, sure: {spoken(sure[0].ms)} at {sure[0].start_s:.0f} s, {spoken(sure[-1].ms)} at "
                    f"{sure[-1].end_s:.0f} s ({self.drift_ms_per_minute:+.0f} ms a minute): stretch or cut it")
        return self.whole.told(fps)

    def keeps(self) -> bool | None:
        """Whether all that is sure keeps BT.1359; None where nothing is."""
        sure = [one.ms for one in (self.whole, *self.shots) if one.sure]
        return all(LIMITS[0].holds(ms) for ms in sure) if sure else None


def spoken(ms: float) -> str:
    """An offset as people say it: `sound 200 ms late`."""
    return "sound on time" if round(ms) == 0 else f"sound {abs(ms):.0f} ms {'late' if ms > 0 else 'early'}"


def joint_profile(profiles: Sequence[LagProfile]) -> LagProfile:
    """One profile over lags in frames from those of the finest time scales: the sum of what each says."""
    reach = min(REACH, int(profiles[0].lags[-1]))
    lags = np.arange(-reach, reach + 1)
    total = np.zeros(len(lags))
    for number, profile in enumerate(profiles[:LEVELS]):
        steps, distances = profile.lags.numpy() << number, profile.distances.double().numpy()
        if steps[-1] < reach:
            continue        # a scale that does not see all lags would favour those that it sees
        total += np.interp(lags, steps, distances - np.median(distances))
    return LagProfile(torch.from_numpy(total), torch.from_numpy(lags))


def verdict(profiles: Sequence[LagProfile], *, start: int, frames: int) -> Verdict:
    """What a clip's profiles, one for each time scale, come to; its first frame and its length are told."""
    joint = joint_profile(profiles)
    best = joint.offset
    away = (joint.lags - best).abs() > PEAK_FRAMES
    margin = float(joint.distances[away].min() - joint.distances.min()) if away.any() else 0.0
    inside = abs(best) < int(joint.lags[-1])        # at the end of the lags the true one may lie beyond
    sure = inside and margin >= SURE_MARGIN
    return Verdict(start / FPS, (start + frames) / FPS, MILLISECONDS * joint.fine_offset, sure, margin)


def clip_verdict(pyramid: SyncerPyramid, sample: SyncSample, *, start: int = 0) -> Verdict:
    """What all time scales say of a clip that begins at frame `start`. ValueError for one of under seven frames."""
    profiles = level_profiles(pyramid, sample)
    if not profiles:
        raise ValueError(f"{len(sample.flat)} frames are too few to measure synchrony; at least 7 are needed")
    return verdict(profiles, start=start, frames=len(sample.flat))


def sync_report(pyramid: SyncerPyramid, sample: SyncSample, *, cuts: Sequence[int] = ()) -> Report:
    """What is said of a clip as a whole, of the shots between its `cuts`, and of each four seconds.

    >>> import headsync
    >>> from syncers import as_sync_sample, sync_report
    >>> report = sync_report(headsync.load_syncers(), as_sync_sample("clip.mp4", "clip.npz"))
    >>> report.whole.start_s
    0.0
    """
    length = len(sample.flat)
    edges = [0, *(cut for cut in cuts if 0 < cut < length), length]
    shots = [(start, stop) for start, stop in pairwise(edges) if stop - start >= LEAST_SHOT_FRAMES]
    told = [clip_verdict(pyramid, sample.cut(start, stop), start=start)
            for start, stop in shots] if len(edges) > 2 else []
    stretches = [Verdict(one.start / FPS, (one.start + one.frames) / FPS, one.ms, one.margin >= SURE_STRETCH, one.margin)
                 for one in offsets_over_time(pyramid, sample)] if length > LEAST_SHOT_FRAMES else []
    report = Report(clip_verdict(pyramid, sample), tuple(told), tuple(stretches), None)
    return report if report.differ else report._replace(drift_ms_per_minute=drift(stretches))


def drift(stretches: Sequence[Verdict]) -> float | None:
    """By how many milliseconds a minute the sound gets later, from sure stretches; None for a constant offset or too few.

    The median of all slopes between two stretches (Theil and Sen), which one wrong stretch does not move.
    """
    sure = [(0.5 * (one.start_s + one.end_s), one.ms) for one in stretches if one.sure]
    if len(sure) < STRETCHES:
        return None
    slopes = [(two[1] - one[1]) / (two[0] - one[0]) for number, one in enumerate(sure) for two in sure[number + 1 :]]
    slope = float(np.median(slopes))
    return 60 * slope if abs(slope) * (sure[-1][0] - sure[0][0]) >= DRIFT_MS else None
