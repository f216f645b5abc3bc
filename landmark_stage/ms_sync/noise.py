"""Noise that makes one sound into many motions: slow random walks round zero, seeded, drawn frame by frame.

Shapes: T frames, Z features. The public code's only noise is a random LSTM state that nobody can seed; this is explicit,
lasts however long the sound is, and is zero when its scale is.
"""

import torch
from torch import Tensor

FASTEST, SLOWEST = 0.7, 0.96        # correlation of neighbouring frames: time constants of 3 to 25 frames


class NoiseSource:
    """Noise of stationary unit variance; the same seed gives the same frames, however many are drawn at a time."""

    def __init__(self, features: int, *, generator: torch.Generator, scale: float = 1.0):
        self.generator, self.scale = generator, scale
        self.keep = torch.linspace(FASTEST, SLOWEST, features) if features else torch.zeros(0)
        self.now = torch.randn(features, generator=generator)

    def draw(self, frames: int) -> Tensor:
        """The next frames' noise (frames, Z)."""
        drawn = []
        for _ in range(frames):
            drawn.append(self.now)
            fresh = torch.randn(len(self.keep), generator=self.generator)
            self.now = self.keep * self.now + (1 - self.keep**2).sqrt() * fresh
        return self.scale * torch.stack(drawn) if drawn else self.keep.new_zeros(0, len(self.keep))  # (frames, Z)


def draw_noise(batch: int, frames: int, features: int, *, generator: torch.Generator) -> Tensor:
    """Independent noise (B, frames, Z) for a training batch, of the same law as `NoiseSource`."""
    keep = torch.linspace(FASTEST, SLOWEST, features) if features else torch.zeros(0)
    fresh = torch.randn(frames, batch, features, generator=generator)
    now, drawn = fresh[0], [fresh[0]]
    for number in range(1, frames):
        now = keep * now + (1 - keep**2).sqrt() * fresh[number]
        drawn.append(now)
    return torch.stack(drawn, 1)  # (B, frames, Z)
