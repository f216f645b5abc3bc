"""When a frame is due: every 40 ms from the first, so that what is late never moves what comes after."""

import time
from collections.abc import Callable

from headsync import media


class FrameClock:
    """Counts frames against a clock; `now` and `sleep` can be replaced to test hours in no time."""

    def __init__(self, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep):
        self._now, self._sleep, self._begin = now, sleep, None

    def due(self, number: int) -> float:
        """Seconds until frame `number` is due; below 0 it is late. The first call is when frame 0 is due."""
        if self._begin is None:
            self._begin = self._now()
        return self._begin + number / media.FPS - self._now()

    def wait(self, number: int) -> float:
        """Waits until frame `number` is due. Seconds by which it is late, 0 where it was waited for."""
        left = self.due(number)
        if left > 0:
            self._sleep(left)
        return max(-left, 0.0)
