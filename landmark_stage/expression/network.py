"""The expression learner: a window of sound and a person's shape to what the face does by itself, in 20 components.

Shapes: B clips, T frames, L = 68 landmarks, P = 20 components, S components of shapes. Faces are frontal, in pixels of the
canonical 256 frame; an expression is a face minus the person's own face at rest.
Source: Rhythmic Head section 3.2 and appendix A.2, method/rhythmic_head.md#expression,
method/decisions.md#expression-and-head-motion. Each frame is predicted by itself from seven frames of sound around it, so
frame t needs the sound of frame t + 3 and no later.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headsync.media import FEATURES
from landmark_stage.sound_kinds import SOUND_KINDS, SoundName, channels_of

LANDMARKS = 68
COMPONENTS = 20
SIDE_FRAMES = 3             # of sound before and after a frame, in its window of seven
SLOPE = 0.3
SHAPE_LIMIT = 3.0           # deviations: faces farther from train people are drawn nearer
GAIN = 1.3            # of what is shown against what is expected, chosen on val: see docs/results/lips.md


@dataclass(frozen=True)
class ExpressionSettings:
    """The network's form."""

    sound: SoundName = "rows"                   # 28 x 26 log energies, 4480 samples, or 14 x 384 phonetic features
    channels: tuple[int, ...] = (64, 128, 256)  # of the convolutions along the window, each of stride 2
    kernel: int = 5
    hidden: int = 256                           # of sound and of shape, each
    shapes: int = 20                            # components of people's faces at rest that are told
    dropout: float = 0.1

    def __post_init__(self):
        if not self.channels or min(*self.channels, self.kernel, self.hidden, self.shapes) < 1 or not 0 <= self.dropout < 1:
            raise ValueError("sizes must be 1 or more and dropout in [0, 1), got "
                             f"{self.channels}, {self.kernel}, {self.hidden}, {self.shapes} and {self.dropout}")


class Expression(nn.Module):
    """Sound and a shape to expressions."""

    def __init__(self, settings: ExpressionSettings):
        super().__init__()
        self.settings = settings
        inputs, size = SOUND_KINDS[settings.sound].channels, 3 * LANDMARKS
        for name, value in (
                ("sound_mean", torch.zeros(inputs)), ("sound_scale", torch.ones(inputs)),
                ("basis", torch.eye(size)[:COMPONENTS].clone()), ("middle", torch.zeros(size)),
                ("spread", torch.ones(COMPONENTS)), ("shape_basis", torch.eye(size)[: settings.shapes].clone()),
                ("shape_middle", torch.zeros(size)), ("shape_spread", torch.ones(settings.shapes))):
            self.register_buffer(name, value)
        layers, before, steps = [], inputs, self.window_steps
        for width in settings.channels:
            padding = 0 if settings.sound == "wave" else settings.kernel // 2
            layers += [nn.Conv1d(before, width, settings.kernel, 2, padding), nn.BatchNorm1d(width), nn.LeakyReLU(SLOPE),
                       nn.Dropout(settings.dropout)]
            before, steps = width, (steps + 2 * padding - settings.kernel) // 2 + 1
        if steps < 1:
            raise ValueError(f"{len(settings.channels)} convolutions of kernel {settings.kernel} leave nothing of a window of "
                             f"{self.window_steps} steps; take fewer")
        self.audio_encoder = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(before * steps, settings.hidden), nn.LeakyReLU(SLOPE))
        self.shape_encoder = nn.Sequential(nn.Linear(settings.shapes, settings.hidden), nn.LeakyReLU(SLOPE),
                                           nn.Dropout(settings.dropout))
        self.out = nn.Linear(2 * settings.hidden, COMPONENTS)

    @property
    def per_frame(self) -> int:
        """Steps of sound of a frame: 4 rows, 640 samples or 2 phonetic rows."""
        return SOUND_KINDS[self.settings.sound].steps

    @property
    def window_steps(self) -> int:
        """Steps of a window: 28 rows, 4480 samples or 14 phonetic rows."""
        return (2 * SIDE_FRAMES + 1) * self.per_frame

    def standard_sound(self, sound: Tensor) -> Tensor:
        """Rows (..., 4 T, 26), samples (..., 640 T) or phonetic rows (..., 2 T, 384) as the network takes them."""
        return (channels_of(sound, self.settings.sound) - self.sound_mean) / self.sound_scale

    def shape_code(self, rest: Tensor) -> Tensor:
        """The shape input (B, S) of faces at rest (B, 3 L): standard components, extreme ones compressed."""
        code = (rest - self.shape_middle) @ self.shape_basis.T / self.shape_spread
        return SHAPE_LIMIT * (code / SHAPE_LIMIT).tanh()

    def forward(self, sound: Tensor, shape: Tensor) -> Tensor:
        """Standard components (B, T, P) for sound (B, steps of T + 6 frames, 26 or 1), three frames more on each side."""
        windows = sound.unfold(1, self.window_steps, self.per_frame)                            # (B, T, 26 or 1, steps)
        B, T = windows.shape[:2]
        audio = self.audio_encoder(windows.flatten(0, 1)).unflatten(0, (B, T))                  # (B, T, H)
        shapes = self.shape_encoder(shape)[:, None].expand(-1, T, -1)
        return self.out(torch.cat([audio, shapes], -1)).float()

    def spoken(self, sound: Tensor, shape: Tensor) -> Tensor:
        """Expressions (B, T, 3 L) as they are shown: predicted components times 1.3.

        A mean prediction moves less than a face does, since what audio does not determine is averaged: under-articulated lips.
        """
        return self.faces(GAIN * self(sound, shape))

    def faces(self, components: Tensor) -> Tensor:
        """Expressions (..., 3 L), in canonical pixels, of standard components (..., P)."""
        return ((components * self.spread) @ self.basis).float() + self.middle

    def components(self, faces: Tensor) -> Tensor:
        """Standard components (..., P) of expressions (..., 3 L)."""
        return (faces - self.middle) @ self.basis.T / self.spread


def padded(sound: Tensor, model: Expression) -> Tensor:
    """Standard sound (B, steps, C) with three frames more on each side: the lowest rows, zero samples, mean features."""
    side = SIDE_FRAMES * model.per_frame
    if model.settings.sound != "rows":
        return F.pad(sound, (0, 0, side, side))
    silent = model.standard_sound(sound.new_full((1, 1, FEATURES), -20.0)).expand(len(sound), side, -1)
    return torch.cat([silent, sound, silent], 1)
