"""Made-up people whose lips follow their sound: material for the articulation learner."""

import numpy as np
import torch

from headsync.landmarks import canonical_face
from headsync.landmarks.motion.lower_face import LOWER_FACE
from landmark_stage.articulation.data import ArticulationClip, neutral_of
from landmark_stage.articulation.network import touching

LOWER = list(LOWER_FACE)
DOWN = {62: -0.2, 61: -0.2, 63: -0.2, 66: 0.8, 65: 0.8, 67: 0.8, 57: 0.7, 56: 0.6, 58: 0.6, 8: 0.4, 7: 0.3, 9: 0.3}


def opened(face: np.ndarray, opening: float) -> np.ndarray:
    """A frontal face (68, 3) whose inner lips are `opening` pixels further apart."""
    moved = face.copy()
    for landmark, share in DOWN.items():
        moved[landmark, 1] += share * opening
    return moved


def talker(seed: int, frames: int = 131) -> ArticulationClip:
    """A made-up person whose mouth opens as one phonetic number says, and closes now and then."""
    random = np.random.default_rng(seed)
    face = canonical_face() + random.normal(0, 1.5, (68, 3)).astype(np.float32)
    closed = torch.from_numpy(face.copy())
    closed[LOWER] = touching(closed[LOWER])
    said = np.convolve(random.standard_normal(frames + 10), np.ones(5) / 2, "same")[5:-5].clip(0)
    faces = torch.from_numpy(np.stack([opened(closed.numpy(), 6 * one) for one in said]).astype(np.float32))
    rows = 0.3 * torch.from_numpy(random.standard_normal((2 * frames, 384)).astype(np.float32))
    rows[:, :40] += torch.from_numpy(np.repeat(said, 2).astype(np.float32))[:, None]
    return ArticulationClip(f"c{seed}", f"p{seed}", faces, *neutral_of(faces), rows)
