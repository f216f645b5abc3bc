"""A motion at 25 frames a second shown at another rate: the rate of the video that a head is put back into.

Shapes: t frames, or rows of sound, of a piece.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from headsync import media

SLOWEST, FASTEST = 20, 60       # frames a second of what is written: others are doubled or halved until they lie between
USUAL = (Fraction(24000, 1001), *map(Fraction, (24, 25)), Fraction(30000, 1001), *map(Fraction, (30, 48, 50)),
         Fraction(60000, 1001), Fraction(60))
NEAR = Fraction(1, 2000)        # of a usual rate, within which a file's average rate is taken for it


def rate_of(path: str | Path) -> Fraction:
    """The frames a second at which a head is shown in a source: a video's own between 20 and 60, a picture's 25."""
    if media.is_image(path):
        return Fraction(media.FPS)
    rate = media.video_info(path).rate
    while rate > FASTEST * (1 + NEAR):
        rate /= 2
    while rate < SLOWEST:
        rate *= 2
    usual = min(USUAL, key=lambda one: abs(one - rate))
    return usual if abs(usual - rate) <= NEAR * usual else rate.limit_denominator(1001)


def frames_at(frames: int, rate: Fraction) -> int:
    """How many frames at `rate` last as long as `frames` at 25 a second; one at least."""
    return max(1, round(Fraction(frames, media.FPS) * rate))


def retimed(blocks: Iterable[np.ndarray], rate: Fraction) -> Iterator[np.ndarray]:
    """Pieces (t, ...) float32 at `rate` of blocks at 25 frames a second (rows of sound likewise), in constant memory.

    Between two items runs the cubic through them and their neighbours (Catmull-Rom), which keeps every item and does not
    flatten what lasts for one; beyond the last item it is held. At 25 all comes as it is.
    """
    if rate == media.FPS:
        yield from blocks
        return
    step = Fraction(media.FPS) / rate       # items of the source from one item of what comes out to the next
    held, first, place = None, 0, 0         # items from number `first` on; the number of the next item to come out
    for block in blocks:
        held = block if held is None else np.concatenate([held, block])
        ready = -(-(first + len(held) - 2) // step) - place         # both neighbours of each are there
        if ready > 0:
            yield _between(held, first, step, range(place, place + ready))
            place += ready
            kept = max(first, int(place * step) - 1)
            held, first = held[kept - first :], kept
    if held is not None:
        end = max(1, round((first + len(held)) / step))
        if end > place:
            yield _between(held, first, step, range(place, end))


def _between(held: np.ndarray, first: int, step: Fraction, numbers: range) -> np.ndarray:
    """The items of these numbers, from those of the source that are held, of which `first` is the first."""
    places = np.array([float(number * step - first) for number in numbers])
    low = np.clip(np.floor(places).astype(int), 0, len(held) - 1)
    share = np.clip(places - low, 0, 1).reshape(-1, *[1] * (held.ndim - 1)).astype(np.float32)
    before, one, two, after = (held[np.clip(low + shift, 0, len(held) - 1)] for shift in (-1, 0, 1, 2))
    return (one + 0.5 * share * (two - before + share * (2 * before - 5 * one + 4 * two - after
                                                         + share * (3 * (one - two) + after - before)))).astype(np.float32)


def shown_at(pictures: Iterable[np.ndarray], rate: Fraction) -> Iterator[np.ndarray]:
    """Pictures of 25 a second at `rate`: each of those that come out is the one that is seen at its time."""
    place, step = 0, Fraction(media.FPS) / rate
    for number, picture in enumerate(pictures):
        while place * step < number + 1:
            yield picture
            place += 1
