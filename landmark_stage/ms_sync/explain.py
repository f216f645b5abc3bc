"""Which branch of the generator moves which landmark: its masks and each branch's part of the motion.

Shapes: T frames, K branches (time scales), L = 68 landmarks. Source: MS-Sync section 3.2, soft masks over the face.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from headsync.experiment.precision import in_float32
from headsync.landmarks import LandmarkSequence
from headsync.media import open_sound
from landmark_stage.generate import MotionControl
from landmark_stage.ms_sync.audio_pyramid import with_margins
from landmark_stage.ms_sync.generator import OBSERVED, Generator


class Explanation(NamedTuple):
    """How a motion came about."""

    masks: np.ndarray       # (T - 1, K, L), adding up to 1 over K: the share of each branch in each landmark's velocity
    speeds: np.ndarray      # (T - 1, K, L), how far each branch would move each landmark by itself, canvas shares per frame


@torch.no_grad()
@in_float32
def explain_motion(audio: str | Path | np.ndarray, start: LandmarkSequence, *, generator: Generator,
                   control: MotionControl | None = None) -> Explanation:
    """Masks and speeds of the motion that `generate_landmarks` makes of the same arguments; memory grows with length."""
    control, dims = control or MotionControl(), generator.settings.dims
    sound = open_sound(audio)
    rows = torch.from_numpy(np.concatenate(list(sound.rows())))
    features = generator.audio(with_margins(rows[None]))                                           # (1, K, T, C)
    noise = control.noise_source(generator)
    observed = torch.from_numpy(start.flat(dims)[:1])[None].expand(1, OBSERVED, -1)    # (1, 3, D * L)
    frame = generator.frame(observed[:, -1])
    state = generator.begin(observed, noise.draw(OBSERVED - 1)[None], frame)
    masks, speeds = [], []
    for t in range(1, features.shape[2]):
        state, blend = generator.advance(state, features[:, :, t], noise.draw(1), frame)
        masks.append(blend.masks[:, 0])
        speeds.append(frame.size * blend.branches[:, 0].unflatten(-1, (-1, dims)).norm(dim=-1))
    return Explanation(torch.stack(masks).numpy(), torch.stack(speeds).numpy())
