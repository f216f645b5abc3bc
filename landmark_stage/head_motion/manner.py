"""How far a person's head moves, and the factors by which a learner's motion comes to move as far.

Shapes: B stretches, T frames, C = 6 numbers of a head, Q numbers of a code. Motions are in units of train people's deviations.
A code is shrunk towards people's mean, as every prediction is: what it writes moves two thirds as far as the person did. Sizes
are not predicted here but measured, on the person's own frames and on motion that the code makes for the same sound.
"""

import torch
from torch import Tensor

from headsync.experiment.precision import in_float32
from headsync.media import FPS
from landmark_stage.head_motion.network import HeadMotion
from landmark_stage.head_motion.tones import ToneSource, with_slow

WINDOW_FRAMES = 4 * FPS         # sizes are those within four seconds: slower shifts differ with a clip's length
LEAST_GAIN, MOST_GAIN = 0.25, 4.0
REACHED = 0.95                  # of the time, that a head is within its size
NOSE = 1.1                      # turns and places go together less than in people, and the nose's way, of both, is shorter
TRIALS = 64                     # stretches of made motion that are measured
SEED = 1


def windows_of(motion: Tensor, frames: int = WINDOW_FRAMES) -> Tensor:
    """Windows (B, frames, C) of a motion (T, C), half overlapping, the last at its end; the whole of a shorter one."""
    frames = min(frames, len(motion))
    starts = [*range(0, len(motion) - frames, max(frames // 2, 1)), len(motion) - frames]
    return torch.stack([motion[start : start + frames] for start in starts])


def head_size(windows: Tensor) -> Tensor:
    """How far a head moves (C,): the distance from the median that it keeps 95 % of the time, mean of windows (B, T, C)."""
    return (windows - windows.median(1, keepdim=True).values).abs().quantile(REACHED, 1).mean(0)


@torch.no_grad()
@in_float32
def size_gain(model: HeadMotion, code: Tensor, size: Tensor, sound: Tensor) -> Tensor:
    """The factors (C,) by which the motion that a code (1, Q) makes is as large as `size` (C,); 1 for a model without tones.

    `sound` (B, T, 104, 640 or 768), standard, is what it is made for.
    """
    if not model.settings.tones:
        return torch.ones_like(size)
    written, times = model.write(code), -(-TRIALS // len(sound))
    features = model.sound(sound).repeat(times, 1, 1)                                   # (N, T, F)
    generator = torch.Generator().manual_seed(SEED)
    source = ToneSource(generator=generator, batch=len(features), draws=1, device=features.device)
    source.begin(written.tones, written.bias, torch.zeros_like(written.bias))
    slow = ToneSource.slow(generator=generator, batch=len(features), device=features.device)
    tones = with_slow(source.draw(features.shape[1]), slow.draw(features.shape[1]))
    made = head_size(model.predict(written, features, tones))
    return (NOSE * size / made.clamp(min=1e-6)).clamp(LEAST_GAIN, MOST_GAIN)
