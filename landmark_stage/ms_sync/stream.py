"""Rows of sound in, faces out, as soon as they can be known: the generator over a sound of any length.

Shapes: t rows / 4 frames of a block, L = 68 landmarks, D = 2 or 3 coordinates, C audio features, K = 4 levels.
"""

import torch
from torch import Tensor

from headsync.media import FEATURES, ROWS_PER_FRAME
from landmark_stage.ms_sync.audio_pyramid import GRID_FRAMES, LOOK_AHEAD_FRAMES, MARGIN_FRAMES, SILENT_ROW
from landmark_stage.ms_sync.generator import OBSERVED, Generator
from landmark_stage.ms_sync.noise import NoiseSource

_SILENCE = (1, ROWS_PER_FRAME * MARGIN_FRAMES, FEATURES)


class MotionStream:
    """One motion that grows with its sound. Frame t comes out once the rows of frame t + 29 are in, the rest at the end.

    What comes out does not depend on how the rows are cut; memory does not grow with length.
    """

    def __init__(self, generator: Generator, start: Tensor, *, noise: NoiseSource):
        """`start` (D * L,) in canvas shares is frame 0, and has been there for a while."""
        self.generator, self.noise = generator.eval(), noise
        self._start = start[None]                                               # (1, D * L)
        self._frame = generator.frame(self._start)
        observed = self._start[:, None].expand(1, OBSERVED, -1)                 # (1, 3, D * L)
        self._state = generator.begin(observed, noise.draw(OBSERVED - 1)[None], self._frame)
        self._rows = torch.full(_SILENCE, SILENT_ROW)   # what later frames need, from frame `_first` on
        self._first = -MARGIN_FRAMES                    # always on the grid
        self._heard = 0                                 # frames of sound so far
        self._made = 0                                  # frames handed out

    def push(self, rows: Tensor) -> Tensor:
        """The frames (t, D * L) that can be made now, canvas shares, after `rows` (4n, 26) more of the sound."""
        if rows.ndim != 2 or rows.shape[1] != FEATURES or len(rows) % ROWS_PER_FRAME:
            raise ValueError(f"sound comes as rows (4n, {FEATURES}), got {tuple(rows.shape)}")
        self._rows = torch.cat([self._rows, rows[None]], 1)                     # (1, R, 26)
        self._heard += len(rows) // ROWS_PER_FRAME
        return self._make(self._heard - LOOK_AHEAD_FRAMES + 1)

    def finish(self) -> Tensor:
        """The last frames (t, D * L): silence follows the sound."""
        return self._make(self._heard)

    @torch.no_grad()
    def _make(self, stop: int) -> Tensor:
        """Frames from the first that is not made yet to `stop` - 1."""
        if stop <= self._made:
            return self._start.new_zeros(0, self._start.shape[1])
        heard = self._features(stop)                                            # (1, K, t, C)
        drawn = self.noise.draw(stop - max(self._made, 1))
        faces = [] if self._made else [self._start]
        for number, t in enumerate(range(max(self._made, 1), stop)):
            self._state, _ = self.generator.advance(self._state, heard[:, :, t - self._made], drawn[number : number + 1],
                                                    self._frame)
            faces.append(self.generator.shown(self._state, self._frame))
        self._made = stop
        self._forget()
        return torch.cat(faces)                                                 # (t, D * L)

    def _features(self, stop: int) -> Tensor:
        """What is heard (1, K, t, C) of the frames from the first not made to `stop` - 1."""
        begin = self._made // GRID_FRAMES * GRID_FRAMES
        skipped = ROWS_PER_FRAME * (begin - MARGIN_FRAMES - self._first)
        wanted = ROWS_PER_FRAME * (stop - begin + 2 * MARGIN_FRAMES)
        rows = torch.cat([self._rows[:, skipped:], torch.full(_SILENCE, SILENT_ROW)], 1)[:, :wanted]    # (1, R, 26)
        return self.generator.audio(rows)[:, :, self._made - begin :]

    def _forget(self) -> None:
        """Drop the rows that no later frame needs."""
        first = self._made // GRID_FRAMES * GRID_FRAMES - MARGIN_FRAMES
        self._rows = self._rows[:, ROWS_PER_FRAME * (first - self._first) :]
        self._first = first
