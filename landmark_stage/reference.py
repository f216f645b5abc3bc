"""A clip of a person that the learners take a manner from: how the head moves, what the face is like.

Shapes: n frames, N samples.
"""

from typing import NamedTuple

import numpy as np


class HeadReference(NamedTuple):
    """A person's own motion."""

    points: np.ndarray                  # (n, 68, 3) landmarks at 25 frames per second, square canvas
    sound: np.ndarray | None = None     # (N,) 16 kHz waveform that begins with them; None where nobody knows it
