"""Which frame of a video is shown when, once its sound is longer or shorter than it is."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal, NamedTuple

from av.video.frame import VideoFrame

from headsync.media.stored import backwards, stored_frames
from render_stage.dubbing.survey import Survey

Longer = Literal["cut", "bounce", "loop", "hold"]
Shorter = Literal["cut", "silence"]
LONGER, SHORTER = ("cut", "bounce", "loop", "hold"), ("cut", "silence")


class Shown(NamedTuple):
    """A frame of the result."""

    number: int             # of the video's frames
    frame: VideoFrame
    pts: int                # ticks after the result's first frame
    duration: int


def check_policies(longer: str, shorter: str) -> None:
    """ValueError, one line, unless both are names of policies."""
    for name, given, known in (("longer", longer, LONGER), ("shorter", shorter, SHORTER)):
        if given not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, got {given!r}")


def length_ticks(survey: Survey, sound_s: Fraction, *, longer: Longer, shorter: Shorter) -> int:
    """How long the result is: the video's length, or the sound's where a policy follows that."""
    own = survey.stamps[-1] - survey.stamps[0] + survey.usual
    wanted = max(1, round(sound_s / survey.form.time_base))
    if wanted > own:
        return own if longer == "cut" else wanted
    return wanted if shorter == "cut" else own


def shown_frames_of(survey: Survey, ticks: int, *, longer: Longer) -> Iterator[Shown]:
    """The result's frames up to `ticks`: the video once, then as `longer` says, each frame for as long as in the video.

    Of a video that runs backwards the frames at both turns are not shown twice.
    """
    at = 0
    for number, frame in _endless(survey, longer):
        if at >= ticks:
            return
        lasts = _lasts(survey, number)
        yield Shown(number, frame, at, lasts)
        at += lasts


def _lasts(survey: Survey, number: int) -> int:
    stamps = survey.stamps
    return stamps[number + 1] - stamps[number] if number + 1 < len(stamps) else survey.usual


def _endless(survey: Survey, longer: Longer) -> Iterator[tuple[int, VideoFrame]]:
    path, count, last = survey.form.path, len(survey.stamps), None
    while True:
        for number, frame in enumerate(stored_frames(path)):
            if longer == "bounce" and last is not None and number == 0 and count > 1:
                continue
            if number == count - 1 and longer == "hold":
                last = _copy(frame)
            yield number, frame
        if longer == "cut":
            return
        while longer == "hold" and last is not None:
            yield count - 1, _copy(last)
        if longer == "bounce":
            for place, frame in enumerate(backwards(path, survey.stamps, 0, count - 1)):
                yield count - 2 - place, frame
        last = 0


def _copy(frame: VideoFrame) -> VideoFrame:
    """A frame of its own numbers: what is drawn into one must not be seen in the next."""
    made = VideoFrame.from_ndarray(frame.to_ndarray(), format=frame.format.name)
    made.colorspace, made.color_range = frame.colorspace, frame.color_range
    made.color_primaries, made.color_trc = frame.color_primaries, frame.color_trc
    return made
