"""Which reference's head stands most like the target's: it shows the background that the target needs.

Shapes: T frames, K references. Head motion h is (T, 6): rotation vector (radians) and translation (pixels of the canonical
256 frame), as `landmarks.head_pose` finds it.
Source: Rhythmic Head section 4.1 and equation 2; method/rhythmic_head.md#references-and-matcher.
"""

import numpy as np
import torch

from render_stage.geometry.mesh import choose_key_frame

# Radians and pixels have no common unit: each channel counts in its standard deviation over VoxCeleb2
# (method/rhythmic_head.md#head-pose).
SPREAD = (0.066, 0.132, 0.071, 9.99, 9.24, 16.95)
WORST_SHARE = 0.75      # of the matches in training


def motion_distance(h: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Squared distances (T, K) of head motions (T, 6) and (K, 6), in standard deviations of each channel.

    ValueError for arrays of another form, for no reference, and for what is not a number.
    """
    h, references = np.asarray(h, np.float64), np.asarray(references, np.float64)
    if h.ndim != 2 or references.ndim != 2 or h.shape[1] != 6 or references.shape[1] != 6 or not len(references):
        raise ValueError(f"head motions are (T, 6) and at least one reference (K, 6), got {h.shape} and {references.shape}")
    if not (np.isfinite(h).all() and np.isfinite(references).all()):
        raise ValueError("head motions must be finite; interpolate the frames without a face first")
    return np.square((h[:, None] - references[None]) / SPREAD).sum(2)  # (T, K)


def match(h: np.ndarray, references: np.ndarray) -> np.ndarray:
    """The nearest reference (T,) int64 of each frame: its own number for a frame that is among them."""
    return motion_distance(h, references).argmin(1)  # (T,)


def match_hard(h: np.ndarray, references: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """References (T,) int64 for training, made hard: with probability 0.75 the farthest, else any.

    What composes frames then cannot rely on a background in place. Every frame is drawn alone and draws two numbers.
    """
    distance = motion_distance(h, references)
    chance = torch.rand(len(distance), 2, generator=generator).double().numpy()     # (T, 2)
    anyone = np.minimum((chance[:, 1] * distance.shape[1]).astype(np.int64), distance.shape[1] - 1)
    return np.where(chance[:, 0] < WORST_SHARE, distance.argmax(1), anyone)  # (T,)


def pick_references(h: np.ndarray, count: int, visible: np.ndarray | None = None) -> np.ndarray:
    """Frames (count,) int64 of a clip that cover its head poses, from the most frontal on.

    Each next frame is the one farthest from all before it. Frames in which no face is visible (T,) are never picked;
    where fewer than `count` are left, the picks are repeated in their order. ValueError for a count under 1 and when no
    frame is visible.
    """
    h = np.asarray(h, np.float64)
    candidates = np.arange(len(h)) if visible is None else np.flatnonzero(visible)
    if count < 1 or not len(candidates):
        raise ValueError(f"cannot pick {count} references from {len(candidates)} frames with a face; "
                         "ask for at least one and give a clip that shows a face")
    poses = h[candidates]
    picks = [choose_key_frame(poses)]
    nearest = motion_distance(poses, poses[picks])[:, 0]            # (T,) to the nearest pick
    while len(picks) < min(count, len(candidates)):
        nearest[picks[-1]] = -1.0                                   # never again, not even among equal poses
        picks.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, motion_distance(poses, poses[picks[-1:]])[:, 0])
    return candidates[np.resize(picks, count)]  # (count,)
