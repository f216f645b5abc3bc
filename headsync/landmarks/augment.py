"""Seeded changes of a whole clip's geometry for training: size, place, direction, mirror.

Shapes: T frames, L = 68 landmarks. Points are shares of the canvas (`LandmarkSequence.in_unit`), all frames alike.
Source: MS-Sync's training augmentation, with the flip's left and right landmarks exchanged and turns kept small.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from headsync.landmarks.geometry import rotation_matrix
from headsync.landmarks.layouts import MIRROR


@dataclass(frozen=True)
class AugmentationRanges:
    """How far a clip may be changed."""

    scale: tuple[float, float] = (0.9, 1.1)
    shift: bool = True                  # anywhere in the canvas where the whole clip stays inside
    yaw_degrees: float = 15.0
    pitch_degrees: float = 10.0
    roll_degrees: float = 10.0
    flip: float = 0.5                   # probability

    def __post_init__(self):
        if not 0 < self.scale[0] <= self.scale[1] or not 0 <= self.flip <= 1:
            raise ValueError(
                f"scale must be a rising pair above 0 and flip a probability, got {self.scale}, {self.flip}")


class Augmentation(NamedTuple):
    """One draw; applied to a clip it gives scale * (R (p - c)) + c + shift, mirrored where `flip` says so."""

    scale: float
    rotation: np.ndarray    # (3, 3)
    shift: np.ndarray       # (3,), z is 0
    flip: bool


def draw_augmentation(generator: torch.Generator, points: np.ndarray,
                      ranges: AugmentationRanges | None = None) -> Augmentation:
    """A random change for points (T, L, 3); the same generator state gives the same change.

    The shift keeps the clip, as turned and scaled, inside [0, 1] where it fits; where it does not, it is centred.
    """
    ranges = ranges or AugmentationRanges()
    drawn = torch.rand(7, generator=generator, dtype=torch.float64).numpy()
    low, high = ranges.scale
    limits = np.radians([ranges.pitch_degrees, ranges.yaw_degrees, ranges.roll_degrees])
    rotation = rotation_matrix((2 * drawn[1:4] - 1) * limits)
    partial = Augmentation(float(low + (high - low) * drawn[0]), rotation, np.zeros(3), bool(drawn[6] < ranges.flip))
    if ranges.shift:
        return partial._replace(shift=_shift(apply_augmentation(points, partial), drawn[4:6]))
    return partial


def _shift(points: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """A shift (3,) that keeps the points inside, from two uniform numbers."""
    smallest, largest = points[..., :2].min((0, 1)), points[..., :2].max((0, 1))
    room = 1 - (largest - smallest)
    shift = np.where(room > 0, drawn * room - smallest, room / 2 - smallest)
    return np.array([*shift, 0.0])  # (3,)


def apply_augmentation(points: np.ndarray, augmentation: Augmentation) -> np.ndarray:
    """Points (T, L, 3) changed, float32: turned and scaled about the clip's centroid, mirrored in the canvas, shifted.

    The flip exchanges left and right landmarks, so that a mirrored face is a face.
    """
    changed = np.asarray(points, np.float64)
    if augmentation.scale != 1 or not np.array_equal(augmentation.rotation, np.eye(3)):
        middle = changed.mean((0, 1))
        changed = augmentation.scale * (changed - middle) @ augmentation.rotation.T + middle  # (T, L, 3)
    if augmentation.flip:
        changed = flip(changed)
    return (changed + augmentation.shift).astype(np.float32)  # (T, L, 3)


def flip(points: np.ndarray) -> np.ndarray:
    """Points (..., L, 3) in [0, 1] seen in a mirror: x becomes 1 - x, left and right landmarks change places."""
    mirrored = points[..., MIRROR, :].copy()
    mirrored[..., 0] = 1 - mirrored[..., 0]
    return mirrored  # (..., L, 3)
