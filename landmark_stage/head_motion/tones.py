"""Tones: swings of steady size and wandering pitch, which the output layer of the head-motion learner mixes into motion.

Shapes: B people, S draws, T frames, K tones in J copies, C = 6 numbers of a head. Noise that goes through a network shrinks to
nothing under a squared error and may run away over an hour; tones do neither: between bounds for ever, smooth, seeded, the
same however many frames are drawn at a time.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor

from headsync.experiment.precision import in_float32
from headsync.media import FPS
from landmark_stage.head_motion.statistics import BAND_EDGES_HZ

COPIES = 6                                  # independent ones of each tone, as many as a head has numbers
LOWEST_HZ = 0.15
TONES_HZ = tuple((max(low, LOWEST_HZ) + high) / 2 for low, high in pairwise(BAND_EDGES_HZ))
WANDER = 0.3                                # deviation of a tone's pitch, as a share
WANDER_KEEP = 0.97                          # correlation of a pitch in neighbouring frames: a time constant of 1.3 s
DRAWS = 128                                 # of phases to begin with, of which one is taken
LOOK_FRAMES = range(0, 64, 4)               # of a draw, to see how large it swings
SLOW_HZ = 0.06                              # people shift their pose slowly, too
SLOW_SHARE = 1.3                                  # how large beside the slowest tone
TYPICAL = 2.0                               # how much the typical size of swings counts beside the last pose


class ToneSource:
    """Tones that go on for ever; equal generator states give equal tones. Begin before drawing.

    They are drawn for a whole batch; of `rows` alone, as another process has the rest, they are the same. They are drawn on
    the CPU, as the generator is, and are the same on every device.
    """

    def __init__(self, *, generator: torch.Generator, batch: int = 1, draws: int = DRAWS, rows: slice = slice(None),
                 device: torch.device | str = "cpu", hertz: tuple[float, ...] = TONES_HZ):
        self.generator, self.draws, self.batch, self.rows, self.device = generator, draws, batch, rows, device
        self.phase = 2 * math.pi * torch.rand((batch, draws, len(hertz), COPIES), generator=generator)[rows].to(device)
        self.pitch = torch.randn((batch, len(hertz), COPIES), generator=generator)[rows].to(device)
        self.step = 2 * math.pi * torch.tensor(hertz, device=device)[:, None] / FPS      # (K, 1)

    @classmethod
    def slow(cls, *, generator: torch.Generator, batch: int = 1, device: torch.device | str = "cpu") -> "ToneSource":
        """One slow tone that begins at 0, upwards or downwards; `with_slow` adds it."""
        source = cls(generator=generator, batch=batch, draws=1, device=device, hertz=(SLOW_HZ,))
        source.phase = math.pi / 2 * (2 * (source.phase[:, 0] > math.pi) - 1)               # (B, 1, J)
        return source

    @torch.no_grad()
    @in_float32
    def begin(self, mix: Tensor, bias: Tensor, last: Tensor) -> "ToneSource":
        """Itself, at phases that go on best from the pose `last` (B, C) and swing as far as `mix` (B, K, J, C) usually does.

        Of some draws that is the one nearest to both; the way from the last pose takes care of the rest.
        """
        when = torch.tensor(LOOK_FRAMES, device=self.device)[:, None, None]                                         # (t, 1, 1)
        swings = math.sqrt(2) * (self.phase[:, :, None] + when * self.step).cos()               # (B, S, t, K, J)
        motion = torch.einsum("bstkj,bkjc->bstc", swings, mix)
        usual = mix.square().sum((1, 2)).sqrt().clamp(min=1e-3)[:, None]                        # (B, 1, C)
        apart = ((motion[:, :, 0] + (bias - last)[:, None]) / usual).square()
        size = (motion.std(2) / usual).clamp(min=1e-3).log().square()
        best = (apart + TYPICAL * size).mean(-1).argmin(1)                                      # (B,)
        self.phase = self.phase[torch.arange(len(best), device=self.device), best]                                  # (B, K, J)
        return self

    def draw(self, frames: int) -> Tensor:
        """The next frames' tones (B, frames, K, J), of unit variance."""
        drawn = []
        for _ in range(frames):
            drawn.append(self.phase)
            push = torch.randn((self.batch, *self.pitch.shape[1:]), generator=self.generator)[self.rows].to(self.device)
            self.pitch = WANDER_KEEP * self.pitch + math.sqrt(1 - WANDER_KEEP**2) * push
            self.phase = (self.phase + self.step * (1 + WANDER * self.pitch)) % (2 * math.pi)
        phases = torch.stack(drawn, 1) if drawn else self.phase.new_zeros(len(self.phase), 0, *self.phase.shape[1:])
        return math.sqrt(2) * phases.cos()  # (B, frames, K, J)


def with_slow(tones: Tensor, slow: Tensor) -> Tensor:
    """Tones (B, T, K, J) whose slowest one has a slower one (B, T, 1, J) added."""
    return torch.cat([tones[:, :, :1] + SLOW_SHARE * slow, tones[:, :, 1:]], 2)
