"""Rows of sound in, faces out, as soon as they can be known: the generator over a sound of any length.

Shapes: t rows / 4 frames of a block, L = 68 landmarks, D = 2 or 3 coordinates, C audio features, K = 4 levels.
"""

import torch
from torch import Tensor

from headsync.experiment.precision import in_float32
from landmark_stage.ms_sync.generator import OBSERVED, Generator
from landmark_stage.ms_sync.noise import NoiseSource
from landmark_stage.ms_sync.pyramid_stream import PyramidStream
from landmark_stage.push import device_of


class MotionStream:
    """One motion that grows with its sound. Frame t comes out once the rows of frame t + 29 are in, the rest at the end.

    What comes out does not depend on how the rows are cut; memory does not grow with length.
    """

    @in_float32
    def __init__(self, generator: Generator, start: Tensor, *, noise: NoiseSource):
        """`start` (D * L,) in canvas shares is frame 0, and has been there for a while."""
        self.generator, self.noise = generator.eval(), noise
        self._device = device_of(generator)
        self._start = start[None].to(self._device)                              # (1, D * L)
        self._frame = generator.frame(self._start)
        observed = self._start[:, None].expand(1, OBSERVED, -1)                 # (1, 3, D * L)
        self._state = generator.begin(observed, noise.draw(OBSERVED - 1)[None].to(self._device), self._frame)
        self._sound = PyramidStream(generator.audio)
        self._begun = False                                                     # whether frame 0 is handed out

    @in_float32
    def push(self, rows: Tensor) -> Tensor:
        """The frames (t, D * L) that can be made now, canvas shares, after `rows` (4n, 26) more of the sound."""
        return self._made(self._sound.push(rows))

    @in_float32
    def finish(self) -> Tensor:
        """The last frames (t, D * L): silence follows the sound."""
        return self._made(self._sound.finish())

    @torch.no_grad()
    def _made(self, audio: Tensor) -> Tensor:
        """The next frames, from audio features (K, t, C) of them."""
        faces = [self._start[:0]]
        if not self._begun and audio.shape[1]:
            faces, audio, self._begun = [self._start], audio[:, 1:], True
        noise = self.noise.draw(audio.shape[1]).to(self._device)                # (t, Z)
        for t in range(audio.shape[1]):
            self._state, _ = self.generator.advance(self._state, audio[None, :, t], noise[t : t + 1], self._frame)
            faces.append(self.generator.shown(self._state, self._frame))
        return torch.cat(faces)                                                 # (t, D * L)
