"""A head that nobody moves: it drifts a little and breathes, for hours, without a jump.

Shapes: t frames, 6 numbers of a head (`headsync.landmarks.motion.compose`). Ours. Each number is the sum of two smooth random
motions, a slow and a faster one, made of cubic pieces between random places.
"""

import numpy as np

from headsync import media

TURN_DEG = (1.0, 1.6, 0.7)          # deviations of pitch, yaw and roll
SHIFT_PX = (0.5, 0.4)               # right and down, of the canonical 256 frame
SIZE = 0.004
PERIODS_S = (4.1, 1.7)              # between the random places of the slow and of the faster motion
SHARES = (0.85, 0.35)               # what each counts
BREATH_S, BREATH_PX = 4.3, 0.35     # a breath takes so long and lifts the head by so much


class IdleHead:
    """Heads (t, 6) that go on from where they were; equal seeds, equal heads. Begins in the start's pose."""

    def __init__(self, seed: int = 0):
        self._random = np.random.default_rng(seed & (1 << 63) - 1)
        self._deviation = np.array([*np.radians(TURN_DEG), *SHIFT_PX, SIZE])
        self._begin = 0
        self._places = [[np.zeros(6), np.zeros(6), self._place(), self._place()] for _ in PERIODS_S]
        self._passed = [0 for _ in PERIODS_S]

    def next(self, count: int) -> np.ndarray:
        """The next heads (count, 6): rotations in radians, shifts in canonical pixels, logarithm of the size."""
        made = np.array([self._one(number) for number in range(self._begin, self._begin + count)]).reshape(count, 6)
        self._begin += count
        return made

    def _one(self, number: int) -> np.ndarray:
        seconds = number / media.FPS
        parts = [share * self._smooth(which, seconds) for which, share in enumerate(SHARES)]
        head = sum(parts) * self._deviation
        head[4] -= BREATH_PX * (1 - np.cos(2 * np.pi * seconds / BREATH_S)) / 2
        return head

    def _smooth(self, which: int, seconds: float) -> np.ndarray:
        """A Catmull-Rom curve through random places."""
        period, places = PERIODS_S[which], self._places[which]
        while seconds >= (self._passed[which] + 1) * period:
            places[:] = [*places[1:], self._place()]
            self._passed[which] += 1
        x = seconds / period - self._passed[which]
        before, a, b, after = places
        return a + 0.5 * x * (b - before + x * (2 * before - 5 * a + 4 * b - after + x * (3 * (a - b) + after - before)))

    def _place(self) -> np.ndarray:
        return self._random.standard_normal(6).clip(-2, 2)
