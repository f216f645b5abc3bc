"""Made-up people who talk in perfect sync: landmarks and feature rows that hang together, for the syncers' tests."""

import numpy as np
import torch

from landmarks import canonical_face, smooth
from syncers import Talk
from syncers.data import NamedTalk


def made_up_talk(frames: int, *, seed: int) -> Talk:
    """A face of its own shape whose mouth and head follow a random curve that is also the sound's loudness."""
    numbers = np.random.default_rng(seed)
    curve = smooth(numbers.standard_normal((4 * frames + 400, 1)), 9)[200:-200, 0] * 3            # (4T,)
    slow = smooth(numbers.standard_normal((4 * frames + 400, 1)), 101)[200:-200, 0] * 10
    opening, nod = curve.reshape(frames, 4).mean(1), (slow + 0.5 * curve).reshape(frames, 4).mean(1)
    face = canonical_face() / 256 + 0.004 * numbers.standard_normal((68, 3)).astype(np.float32)
    points = np.repeat(face[None], frames, 0)                                                   # (T, L, 3)
    points[:, [*range(55, 60), *range(64, 68)], 1] += 0.012 * opening[:, None]
    points[:, 6:11, 1] += 0.008 * opening[:, None]
    points[..., 1] += 0.01 * nod[:, None]
    points += 0.0006 * numbers.standard_normal(points.shape)
    tilt = np.linspace(1, 0, 26)[None] * curve[:, None] * 2 + np.linspace(0, 1, 26)[None] * slow[:, None]
    rows = -10 + tilt + 0.3 * numbers.standard_normal((4 * frames, 26))
    return Talk(torch.from_numpy(points.reshape(frames, -1).astype(np.float32)), torch.from_numpy(rows.astype(np.float32)))


def made_up_people(count: int, frames: int, *, seed: int = 0) -> list[NamedTalk]:
    """`count` people with a clip each."""
    return [NamedTalk(f"clip{number}", f"person{number}", made_up_talk(frames, seed=1000 * seed + number))
            for number in range(count)]
