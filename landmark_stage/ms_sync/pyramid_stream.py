"""Rows of one sound in, audio features of each frame out: every layer keeps a few steps and computes each once.

Shapes: 4n rows / n frames of a push, t frames that come out, C features, K levels.
"""

import torch
from torch import Tensor

from headsync.media import FEATURES, ROWS_PER_FRAME
from landmark_stage.ms_sync.audio_pyramid import LOOK_AHEAD_FRAMES, MARGIN_FRAMES, SILENT_ROW, AudioPyramid
from syncers import ConvNextStream


class PyramidStream:
    """A pyramid over a sound of any length: together its pieces equal the pyramid's `forward` of the whole sound.

    Silence is around the sound. A frame costs the same however many are pushed at a time; memory does not grow.
    """

    def __init__(self, pyramid: AudioPyramid):
        self._pyramid = pyramid
        self._stem = [ConvNextStream(block) for block in pyramid.stem]
        self._coarse = [_CoarseStream(ConvNextStream(block), 2**number) for number, block in enumerate(pyramid.coarse, 1)]
        width = pyramid.stem[-1].narrow.out_channels                                    # of every level
        self._waiting = [pyramid.row_mean.new_zeros(0, width)] * (1 + len(pyramid.coarse))
        self._first = -MARGIN_FRAMES        # the frame that every level's waiting features (m, C) begin with
        self._frames = 0                     # frames of sound so far
        self._push_rows(_silence(MARGIN_FRAMES))

    def push(self, rows: Tensor) -> Tensor:
        """The features (K, t, C) of the frames up to the newest one but 29, after rows (4n, 26) more.

        ValueError for rows of another shape.
        """
        if rows.ndim != 2 or rows.shape[1] != FEATURES or len(rows) % ROWS_PER_FRAME:
            raise ValueError(f"sound comes as rows (4n, {FEATURES}), got {tuple(rows.shape)}")
        self._frames += len(rows) // ROWS_PER_FRAME
        self._push_rows(rows)
        return self._take(self._frames - LOOK_AHEAD_FRAMES + 1)

    def finish(self) -> Tensor:
        """The features (K, t, C) of the last frames: silence follows the sound."""
        self._push_rows(_silence(MARGIN_FRAMES))
        return self._take(self._frames)

    @torch.no_grad()
    def _push_rows(self, rows: Tensor) -> None:
        x = self._pyramid.standard(rows[None])[0]                                       # (4n, 26)
        for block in self._stem:
            x = block.push(x)                                                           # (n', C)
        new = [x]
        for level in self._coarse:
            x = level.push(x)
            new.append(level.at_frames(x))
        self._waiting = [torch.cat(pair) for pair in zip(self._waiting, new, strict=True)]

    def _take(self, stop: int) -> Tensor:
        """Features of the frames from the first one waiting, or 0, to `stop` - 1, which wait no longer."""
        begin, end = max(-self._first, 0), max(stop - self._first, 0)
        taken = torch.stack([level[begin : max(end, begin)] for level in self._waiting])    # (K, t, C)
        if stop > 0:
            self._waiting = [level[end:] for level in self._waiting]
            self._first = max(self._first, stop)
        return taken


class _CoarseStream:
    """A level with one step every `period` frames, and the straight lines between its steps."""

    def __init__(self, block: ConvNextStream, period: int):
        self.push = block.push
        self._shares = torch.arange(1, period + 1)[:, None] / period                    # (period, 1)
        self._last: Tensor | None = None                                                # (1, C)

    def at_frames(self, steps: Tensor) -> Tensor:
        """The level at the frames (m, C) after the last step that was known, up to the last of `steps` (n, C)."""
        if not len(steps):
            return steps
        known = steps if self._last is None else torch.cat([self._last, steps])         # (n or n + 1, C)
        between = known[:-1, None] * (1 - self._shares) + known[1:, None] * self._shares    # (n', period, C)
        frames = between.flatten(0, 1)
        if self._last is None:
            frames = torch.cat([steps[:1], frames])
        self._last = steps[-1:].clone()
        return frames  # (m, C)


def _silence(frames: int) -> Tensor:
    return torch.full((ROWS_PER_FRAME * frames, FEATURES), SILENT_ROW)
