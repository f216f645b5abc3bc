"""Features of a network that takes a stretch at once: fixed windows on a grid tied to frame 0, streamed or whole.

Shapes: N samples at 16 kHz, W windows, R rows (50 a second, 2 for each video frame), F features.

A window is a core, often one second, with some samples around it. What a frame's rows are does not depend on where a block
ends, and a stream gives the rows of the whole sound.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TypeVar

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from headsync.media.clock import FPS, SAMPLES_PER_FRAME, frames_for_samples
from headsync.media.features import checked_samples

Encoder = TypeVar("Encoder", bound=nn.Module)
WINDOW_ROWS_PER_FRAME = 2
ROW_SAMPLES = SAMPLES_PER_FRAME // WINDOW_ROWS_PER_FRAME
WINDOW_FRAMES = FPS             # the core of a window: one second


@dataclass(frozen=True)
class Window:
    """What a network takes at once: a core, whose rows are kept, and samples around it."""

    core_frames: int
    before_samples: int
    after_samples: int
    at_once: int = 4        # windows that are computed together where they are there: bounds the memory of an hour

    @property
    def look_ahead_frames(self) -> int:
        """Frames of sound, from its own first sample on, that the first frame of a core waits for, rounded up."""
        return -(-(self.core_samples + self.after_samples) // SAMPLES_PER_FRAME)

    @property
    def core_samples(self) -> int:
        """Samples from one window to the next."""
        return self.core_frames * SAMPLES_PER_FRAME

    @property
    def core_rows(self) -> int:
        """Rows of a core."""
        return self.core_frames * WINDOW_ROWS_PER_FRAME

    @property
    def samples(self) -> int:
        """All samples of a window."""
        return self.core_samples + self.before_samples + self.after_samples


class WindowedStream:
    """Samples in, rows out, those of a window as soon as it is full; rows do not depend on the blocks."""

    def __init__(self, rows_of: Callable[[np.ndarray, np.ndarray], np.ndarray], *, window: Window, features: int):
        """`rows_of` makes the cores' rows (core W, F) of windows (W, samples) and spans (W, 2).

        A window's span says which rows, counted from its core's first, belong to the sound: silence is before and after.
        """
        self._rows_of, self._window, self._features = rows_of, window, features
        self._held = np.zeros(window.before_samples, np.float32)
        self._far = window.after_samples // ROW_SAMPLES + 1     # rows that reach beyond any window
        self._taken = self._made = 0        # samples, rows

    def push(self, samples: np.ndarray) -> np.ndarray:
        """The rows (2t, F) float32 that can be made after samples (n,) more."""
        samples = checked_samples(samples).astype(np.float32)
        self._taken += len(samples)
        self._held = np.concatenate([self._held, samples])
        return self._rows(max((len(self._held) - self._window.samples) // self._window.core_samples + 1, 0))

    def finish(self) -> np.ndarray:
        """The last rows (2t, F): silence follows. ValueError when there were no samples at all."""
        if not self._taken:
            raise ValueError("there are no samples to make features of; give at least one")
        left = WINDOW_ROWS_PER_FRAME * frames_for_samples(self._taken) - self._made
        windows = -(-left // self._window.core_rows)
        missing = (windows - 1) * self._window.core_samples + self._window.samples - len(self._held)
        self._held = np.concatenate([self._held, np.zeros(max(missing, 0), np.float32)])
        return self._rows(windows, last=self._made + left)[:left]

    def _rows(self, windows: int, last: int | None = None) -> np.ndarray:
        """Rows (core W, F) of the next W windows' cores; `last` is the number of rows of the whole sound, once it is known."""
        rows, core, step = [np.zeros((0, self._features), np.float32)], self._window.core_rows, self._window.core_samples
        for first in range(0, windows, self._window.at_once):
            count = min(self._window.at_once, windows - first)
            samples = np.stack([self._held[one * step : one * step + self._window.samples] for one in range(count)])
            start = self._made + core * np.arange(count)
            stop = np.full(count, self._made + core * count + self._far if last is None else last)
            rows.append(self._rows_of(samples, np.stack([-start, stop - start], 1)))
            self._held = self._held[count * step :]
            self._made += len(rows[-1])
        return np.concatenate(rows)


def shipped_encoder(make: type[Encoder], name: str, device: torch.device | str) -> Encoder:
    """A shipped network of `headsync/media/weights`, frozen, float32, in evaluation mode; loaded once a process and device."""
    return _loaded(make, name, str(device))


@cache
def _loaded(make: type[Encoder], name: str, device: str) -> Encoder:
    with resources.as_file(resources.files("headsync.media") / "weights" / f"{name}.safetensors") as path:
        weights = {key: one.float() for key, one in load_file(path).items()}
    encoder = make()
    encoder.load_state_dict(weights)
    return encoder.to(device).eval().requires_grad_(False)
