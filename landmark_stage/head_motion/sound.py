"""The form of the head-motion learner, and its audio input: sound of each frame and its neighbours to features.

Shapes: B people, T frames, F features. Source: Rhythmic Head section 3.3 and appendix A.1.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headsync.media import FEATURES, ROWS_PER_FRAME, SAMPLES_PER_FRAME
from landmark_stage.head_motion.statistics import known
from landmark_stage.sound_kinds import SOUND_KINDS, SoundName

SIDE_FRAMES = 3             # of sound before and after a frame, in its window of seven
SLOPE = 0.3                 # of the leaky rectifiers, as in the public code


@dataclass(frozen=True)
class HeadMotionSettings:
    """The network's form."""

    sound: SoundName = "rows"                   # 28 x 26 log energies, 7 x 640 samples, or 14 x 384 phonetic features
    rows_per_frame: Literal[1, 4] = 4           # 1: the mean of a frame's four rows is the input, 7 x 26
    planes: tuple[int, int] = (8, 16)           # of the two convolutions over a frame's window of sound
    pooled: int = 4                             # neighbouring bands that are averaged before the planes are flattened
    sound_hidden: int = 128
    features: int = 64                          # F
    motion_hidden: int = 64
    reference: int = 128                        # width of the reference's temporal convolutions
    dropout: float = 0.2
    tones: bool = True                          # the output layer mixes tones too: motion that no sound explains
    hints: bool = True                          # statistics of the reference are handed to its encoder
    people: int = 0                             # train people whose manner is kept, for whoever gives no reference

    def __post_init__(self):
        if self.people < 0:
            raise ValueError(f"people must be 0 or more, got {self.people}")
        sizes = (*self.planes, self.sound_hidden, self.features, self.motion_hidden, self.reference, self.pooled)
        if min(sizes) < 1 or self.pooled > 20 or not 0 <= self.dropout < 1:
            raise ValueError(f"sizes must be 1 or more, pooled at most 20, dropout in [0, 1), got {sizes}, {self.dropout}")
        if self.tones and not self.hints:
            raise ValueError("tones need hints=true: how large they are begins with how large the reference's swings are")


def sound_size(settings: HeadMotionSettings) -> int:
    """Numbers of sound that a frame has: 104, 640 or 768."""
    kind = SOUND_KINDS[settings.sound]
    return kind.steps * kind.channels


class SoundEncoder(nn.Module):
    """Sound (B, T, 104, 640 or 768), frame by frame, to features (B, T, F): two 2-D convolutions, then two temporal ones.

    Phonetic features have no neighbours: in place of the 2-D convolutions stands a linear layer for each frame.
    """

    def __init__(self, settings: HeadMotionSettings):
        super().__init__()
        window, self.phonetic = 2 * SIDE_FRAMES + 1, settings.sound == "whisper"
        self.rows = settings.rows_per_frame if settings.sound == "rows" else 1
        self.window = (window * self.rows, FEATURES if settings.sound == "rows" else SAMPLES_PER_FRAME)
        if self.phonetic:
            self.planes = nn.Sequential(nn.Linear(sound_size(settings), settings.sound_hidden), nn.ReLU(),
                                        nn.Dropout(settings.dropout))
            flat = window * settings.sound_hidden
        else:
            first, second = settings.planes
            self.planes = nn.Sequential(nn.Conv2d(1, first, 3), nn.ReLU(), nn.Conv2d(first, second, 3), nn.ReLU(),
                                        nn.AvgPool2d((1, settings.pooled)))
            flat = self.planes(torch.zeros(1, 1, *self.window)).numel()
        self.first, self.second = (nn.Conv1d(a, b, 3, padding=1) for a, b in
                                   ((flat, settings.sound_hidden), (settings.sound_hidden, settings.features)))
        self.first_norm, self.second_norm = nn.LayerNorm(settings.sound_hidden), nn.LayerNorm(settings.features)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, sound: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Features (B, T, F); with `lengths` (B,) those of frames that are there are as if there were no padding."""
        B, T = sound.shape[:2]
        if self.phonetic:
            sound = self.planes(sound)                                                  # (B, T, H)
        elif self.window[1] == FEATURES and self.rows == 1:
            sound = sound.unflatten(-1, (ROWS_PER_FRAME, FEATURES)).mean(2)             # (B, T, 26)
        around = F.pad(sound, (0, 0, SIDE_FRAMES, SIDE_FRAMES)).unfold(1, 2 * SIDE_FRAMES + 1, 1).transpose(2, 3)
        seen = around.flatten(2) if self.phonetic else \
            self.planes(around.reshape(B * T, 1, *self.window)).reshape(B, T, -1)       # (B, T, flat)
        mask = 1.0 if lengths is None else known(T, lengths)[..., None]                  # (B, T, 1)
        x = mask * self.dropout(F.leaky_relu(self.first_norm(self.first((mask * seen).mT).mT), SLOPE))
        return F.leaky_relu(self.second_norm(self.second(x.mT).mT), SLOPE)
