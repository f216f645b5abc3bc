"""The articulation learner: what lips and jaw do while a sound is said, about the neutral mouth of whoever says it.

Shapes: B stretches, T frames, R = 17 + 20 landmarks of jaw and mouth, P components, F = 768 phonetic features of a frame.

Source: ours; the window of sound and the principal components are Rhythmic Head's (section 3.2). The state of the mouth in a
first frame is not added to: it is taken out (`neutral`), and what is learned are shapes, not velocities.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from headsync.experiment.precision import in_float32
from headsync.landmarks.layouts import INNER_PAIRS
from headsync.landmarks.motion.lower_face import LOWER_FACE
from headsync.media.phonetics import PHONETIC_FEATURES, PHONETIC_ROWS_PER_FRAME

LANDMARKS = 68
AUDIO_FEATURES = PHONETIC_ROWS_PER_FRAME * PHONETIC_FEATURES
GAIN = 1.6          # a mean of what a sound may look like moves less than people do: this much more brings their deviation back
_UPPER, _LOWER = ([LOWER_FACE.index(pair[side]) for pair in INNER_PAIRS] for side in (0, 1))


@dataclass(frozen=True)
class ArticulationSettings:
    """Sizes of the network."""

    width: int
    kernel: int                     # frames
    dilations: tuple[int, ...]      # of one layer each
    components: int
    dropout: float

    def __post_init__(self):
        if min(self.width, self.components) < 1 or self.kernel % 2 == 0 or not self.dilations or min(self.dilations) < 1:
            raise ValueError(f"width, components and dilations must be 1 or more and the kernel odd, got {self}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be from 0 up to, not including, 1, got {self.dropout:g}")

    @property
    def side_frames(self) -> int:
        """Frames of audio on either side that a frame's shape depends on."""
        return self.kernel // 2 * sum(self.dilations)


class Articulation(nn.Module):
    """Phonetic features (B, T + 2 side, F) to components (B, T, P) of lower faces; `measure` fits the buffers."""

    def __init__(self, settings: ArticulationSettings):
        super().__init__()
        self.settings = settings
        size, width = 3 * len(LOWER_FACE), settings.width
        self.register_buffer("sound_mean", torch.zeros(AUDIO_FEATURES))
        self.register_buffer("sound_scale", torch.ones(AUDIO_FEATURES))
        self.register_buffer("middle", torch.zeros(size))                               # mean shape about the neutral mouth
        self.register_buffer("basis", torch.zeros(settings.components, size))
        self.register_buffer("spread", torch.ones(settings.components))
        self.register_buffer("state_weight", torch.zeros(3 * LANDMARKS, size))          # a whole face to its mouth's state
        self.register_buffer("state_bias", torch.zeros(size))
        self.audio_encoder = nn.Linear(AUDIO_FEATURES, width)
        self.layers = nn.ModuleList(TimeLayer(width, settings.kernel, dilation, settings.dropout)
                                    for dilation in settings.dilations)
        self.dropout = nn.Dropout(settings.dropout)
        self.out = nn.Linear(width, settings.components)

    def forward(self, sound: Tensor) -> Tensor:
        """Components (B, T, P) at deviation 1, of sound (B, T + 2 side, F) as `standard` gives it."""
        x = nn.functional.gelu(self.audio_encoder(self.dropout(sound)))
        for layer in self.layers:
            x = layer(x)
        return self.out(x)

    def standard(self, rows: Tensor) -> Tensor:
        """Phonetic rows (..., 2T, 384) as (..., T, F), each number at mean 0 and deviation 1 over the training data."""
        return (rows.unflatten(-2, (-1, PHONETIC_ROWS_PER_FRAME)).flatten(-2) - self.sound_mean) / self.sound_scale

    def shapes(self, components: Tensor) -> Tensor:
        """Offsets (..., R, 3) of jaw and mouth from the neutral mouth, canonical pixels, of components (..., P)."""
        return ((components * self.spread) @ self.basis + self.middle).unflatten(-1, (len(LOWER_FACE), 3))

    def offsets(self, sound: Tensor) -> Tensor:
        """Offsets (B, T, R, 3) of jaw and mouth from the neutral mouth, as large as people's, of sound (B, T + 2 side, F)."""
        return self.shapes(GAIN * self(sound))

    def components(self, shapes: Tensor) -> Tensor:
        """Components (..., P) of offsets (..., R, 3)."""
        return (shapes.flatten(-2) - self.middle) @ self.basis.T / self.spread

    @in_float32
    def neutral(self, face: Tensor) -> Tensor:
        """Jaw and mouth (R, 3) of a frontal face (68, 3), canonical pixels, with the mouth's state taken out: at rest, lips
        just closed, whether it is open, laughing or shut."""
        state = (face.flatten() @ self.state_weight + self.state_bias).unflatten(0, (-1, 3))
        return touching(face[list(LOWER_FACE)] - state)  # (R, 3)


class TimeLayer(nn.Module):
    """A residual layer over time, (B, T, C) to (B, T - dilation (kernel - 1), C): nothing is padded."""

    def __init__(self, width: int, kernel: int, dilation: int, dropout: float):
        super().__init__()
        self.side = kernel // 2 * dilation
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, kernel, dilation=dilation)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        moved = nn.functional.gelu(self.conv(self.norm(x).transpose(1, 2)).transpose(1, 2))
        return x[:, self.side : x.shape[1] - self.side] + self.dropout(moved)


def openings(lower: Tensor) -> Tensor:
    """Signed openings (..., 3) of frontal jaws and mouths (..., R, 3): lower less upper inner lip, below 0 crossed."""
    return lower[..., _LOWER, 1] - lower[..., _UPPER, 1]


def uncrossed(lower: Tensor) -> Tensor:
    """Frontal jaws and mouths (..., R, 3) whose inner lips do not cross: crossing pairs meet half way, others stay."""
    over = openings(lower).clamp(max=0) / 2
    moved = lower.clone()
    moved[..., _UPPER, 1] += over
    moved[..., _LOWER, 1] -= over
    return moved


def touching(lower: Tensor) -> Tensor:
    """Frontal jaws and mouths (..., R, 3) whose inner lips are closed: every pair meets half way."""
    half = openings(lower) / 2
    moved = lower.clone()
    moved[..., _UPPER, 1] += half
    moved[..., _LOWER, 1] -= half
    return moved
