"""Features of a network that takes a stretch at once: fixed windows on a grid tied to frame 0, streamed or whole.

Shapes: N samples at 16 kHz, W windows, R rows (50 a second, 2 for each video frame), F features.

A window is one second with some samples around it. What a frame's rows are does not depend on where a block ends, and a
stream gives the rows of the whole sound.
"""

from collections.abc import Callable

import numpy as np

from headsync.media.clock import FPS, SAMPLES_PER_FRAME, frames_for_samples
from headsync.media.features import checked_samples

WINDOW_ROWS_PER_FRAME = 2
ROW_SAMPLES = SAMPLES_PER_FRAME // WINDOW_ROWS_PER_FRAME
WINDOW_FRAMES = FPS             # the core of a window: one second
STEP_SAMPLES = WINDOW_FRAMES * SAMPLES_PER_FRAME
_BATCH_WINDOWS = 4              # computed at once: bounds the memory of an hour


class WindowedStream:
    """Samples in, rows out, each second as soon as the samples around it are in; rows do not depend on the blocks."""

    def __init__(self, rows_of: Callable[[np.ndarray, np.ndarray], np.ndarray], *, side: int, features: int):
        """`rows_of` makes the cores' rows (50 W, F) of windows (W, 16000 + 2 side) and spans (W, 2).

        A window's span says which rows, counted from its core's first, belong to the sound: silence is before and after.
        """
        self._rows_of, self._side, self._features = rows_of, side, features
        self._held = np.zeros(side, np.float32)
        self._far = side // ROW_SAMPLES + 1     # rows that reach beyond any window
        self._taken = self._made = 0        # samples, rows

    def push(self, samples: np.ndarray) -> np.ndarray:
        """The rows (2t, F) float32 that can be made after samples (n,) more."""
        samples = checked_samples(samples).astype(np.float32)
        self._taken += len(samples)
        self._held = np.concatenate([self._held, samples])
        return self._rows((len(self._held) - 2 * self._side) // STEP_SAMPLES)

    def finish(self) -> np.ndarray:
        """The last rows (2t, F): silence follows. ValueError when there were no samples at all."""
        if not self._taken:
            raise ValueError("there are no samples to make features of; give at least one")
        left = WINDOW_ROWS_PER_FRAME * frames_for_samples(self._taken) - self._made
        windows = -(-left // (WINDOW_ROWS_PER_FRAME * WINDOW_FRAMES))
        missing = windows * STEP_SAMPLES + 2 * self._side - len(self._held)
        self._held = np.concatenate([self._held, np.zeros(max(missing, 0), np.float32)])
        return self._rows(windows, last=self._made + left)[:left]

    def _rows(self, windows: int, last: int | None = None) -> np.ndarray:
        """Rows (50 W, F) of the next W windows' cores; `last` is the number of rows of the whole sound, once it is known."""
        rows = [np.zeros((0, self._features), np.float32)]
        core = WINDOW_ROWS_PER_FRAME * WINDOW_FRAMES
        for first in range(0, windows, _BATCH_WINDOWS):
            count = min(_BATCH_WINDOWS, windows - first)
            samples = np.stack([self._held[one * STEP_SAMPLES : (one + 1) * STEP_SAMPLES + 2 * self._side]
                                for one in range(count)])
            start = self._made + core * np.arange(count)
            stop = np.full(count, self._made + core * count + self._far if last is None else last)
            rows.append(self._rows_of(samples, np.stack([-start, stop - start], 1)))
            self._held = self._held[count * STEP_SAMPLES :]
            self._made += len(rows[-1])
        return np.concatenate(rows)
