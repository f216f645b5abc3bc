"""The articulation learner: what lips and jaw do while a sound is said, about the neutral mouth of whoever says it.

Shapes: B stretches, T frames, R = 17 + 20 landmarks of jaw and mouth, P components, F = 768 phonetic features of a frame,
E networks.

Source: ours; the window of sound and the principal components are Rhythmic Head's (section 3.2). The state of the mouth in a
first frame is not added to: it is taken out (`neutral`), and what is learned are shapes, not velocities. Whether somebody
speaks at all is learned beside them; where nobody does, lips rest.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from headsync.experiment.precision import in_float32
from headsync.landmarks.layouts import INNER_PAIRS
from headsync.landmarks.motion.lower_face import LOWER_FACE
from headsync.media.phonetics import PHONETIC_FEATURES, PHONETIC_ROWS_PER_FRAME, WINDOWS
from headsync.media.windowed import Window

LANDMARKS = 68
AUDIO_FEATURES = PHONETIC_ROWS_PER_FRAME * PHONETIC_FEATURES
GAIN = 1.6          # a mean of what a sound may look like moves less than people do: this much more brings their deviation back
SPEECH = (0.3, 0.7)     # up to which probability of speech lips rest, and from which they move in full
_UPPER, _LOWER = ([LOWER_FACE.index(pair[side]) for pair in INNER_PAIRS] for side in (0, 1))


@dataclass(frozen=True)
class ArticulationSettings:
    """Sizes of the network."""

    window: str                     # of the phonetic features: full or live
    width: int
    kernel: int                     # frames
    dilations: tuple[int, ...]      # of one layer each
    ahead: int                      # frames of features after its own that a frame's shape depends on
    components: int
    networks: int                   # whose mean is taken
    dropout: float

    def __post_init__(self):
        if self.window not in WINDOWS:
            raise ValueError(f"window must be one of {', '.join(WINDOWS)}, got {self.window!r}")
        if min(self.width, self.components, self.networks) < 1 or self.kernel < 2 or not self.dilations \
                or min(self.dilations) < 1:
            raise ValueError(f"width, components, networks and dilations must be 1 or more, the kernel 2 or more, got {self}")
        if not 0 <= self.ahead <= (self.kernel - 1) * sum(self.dilations):
            raise ValueError(f"ahead must be from 0 to the {(self.kernel - 1) * sum(self.dilations)} frames that the layers "
                             f"reach over, got {self.ahead}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be from 0 up to, not including, 1, got {self.dropout:g}")

    @property
    def before(self) -> int:
        """Frames of features before its own that a frame's shape depends on."""
        return (self.kernel - 1) * sum(self.dilations) - self.ahead

    @property
    def layers_ahead(self) -> list[int]:
        """What each layer takes of `ahead`: at most half of what it reaches over, as long as later layers can take the rest."""
        reach, left, taken = [(self.kernel - 1) * one for one in self.dilations], self.ahead, []
        for number, one in enumerate(reach):
            least = left - sum(reach[number + 1 :])
            taken.append(max(min(left, one // 2), least))
            left -= taken[-1]
        return taken


class Articulation(nn.Module):
    """Phonetic features (B, before + T + ahead, F) to lower faces (B, T, R, 3); `measure` fits the buffers."""

    def __init__(self, settings: ArticulationSettings):
        super().__init__()
        self.settings = settings
        size = 3 * len(LOWER_FACE)
        self.register_buffer("sound_mean", torch.zeros(AUDIO_FEATURES))
        self.register_buffer("sound_scale", torch.ones(AUDIO_FEATURES))
        self.register_buffer("middle", torch.zeros(size))                               # mean shape about the neutral mouth
        self.register_buffer("basis", torch.zeros(settings.components, size))
        self.register_buffer("spread", torch.ones(settings.components))
        self.register_buffer("state_weight", torch.zeros(3 * LANDMARKS, size))          # a whole face to its mouth's state
        self.register_buffer("state_bias", torch.zeros(size))
        self.networks = nn.ModuleList(SoundNetwork(settings) for _ in range(settings.networks))

    @property
    def window(self) -> Window:
        """What of the sound its features are made of."""
        return WINDOWS[self.settings.window]

    @property
    def look_ahead_frames(self) -> int:
        """Frame t is made when the sound of frames up to t + this, itself not included, is in."""
        return self.settings.ahead + self.window.look_ahead_frames

    def forward(self, sound: Tensor) -> tuple[Tensor, Tensor]:
        """Components (E, B, T, P) at deviation 1, and logits (E, B, T) of speech, of sound as `standard` gives it."""
        made = torch.stack([network(sound) for network in self.networks])   # (E, B, T, P + 1)
        return made[..., :-1], made[..., -1]

    def standard(self, rows: Tensor) -> Tensor:
        """Phonetic rows (..., 2T, 384) as (..., T, F), each number at mean 0 and deviation 1 over the training data."""
        return (rows.unflatten(-2, (-1, PHONETIC_ROWS_PER_FRAME)).flatten(-2) - self.sound_mean) / self.sound_scale

    def shapes(self, components: Tensor) -> Tensor:
        """Offsets (..., R, 3) of jaw and mouth from the neutral mouth, canonical pixels, of components (..., P)."""
        return ((components * self.spread) @ self.basis + self.middle).unflatten(-1, (len(LOWER_FACE), 3))

    def offsets(self, sound: Tensor) -> Tensor:
        """Offsets (B, T, R, 3) of jaw and mouth from the neutral mouth, as large as people's, 0 where nobody speaks.

        `sound` is (B, before + T + ahead, F).
        """
        components, speech = self(sound)
        low, high = SPEECH
        share = ((speech.mean(0).sigmoid() - low) / (high - low)).clamp(0, 1)      # (B, T)
        return share[..., None, None] * self.shapes(GAIN * components.mean(0))

    def components(self, shapes: Tensor) -> Tensor:
        """Components (..., P) of offsets (..., R, 3)."""
        return (shapes.flatten(-2) - self.middle) @ self.basis.T / self.spread

    @in_float32
    def neutral(self, face: Tensor) -> Tensor:
        """Jaw and mouth (R, 3) of a frontal face (68, 3), canonical pixels, with the mouth's state taken out: at rest, lips
        just closed, whether it is open, laughing or shut."""
        state = (face.flatten() @ self.state_weight + self.state_bias).unflatten(0, (-1, 3))
        return touching(face[list(LOWER_FACE)] - state)  # (R, 3)


class SoundNetwork(nn.Module):
    """Standard sound (B, before + T + ahead, F) to (B, T, P + 1): components, and a logit of speech."""

    def __init__(self, settings: ArticulationSettings):
        super().__init__()
        width = settings.width
        self.audio_encoder = nn.Linear(AUDIO_FEATURES, width)
        self.layers = nn.ModuleList(TimeLayer(width, settings.kernel, dilation, ahead, settings.dropout)
                                    for dilation, ahead in zip(settings.dilations, settings.layers_ahead, strict=True))
        self.dropout = nn.Dropout(settings.dropout)
        self.out = nn.Linear(width, settings.components + 1)

    def forward(self, sound: Tensor) -> Tensor:
        """Made of every moment that has its surroundings."""
        x = nn.functional.gelu(self.audio_encoder(self.dropout(sound)))
        for layer in self.layers:
            x = layer(x)
        return self.out(x)


class TimeLayer(nn.Module):
    """A residual layer over time, (B, T, C) to (B, T - dilation (kernel - 1), C): nothing is padded."""

    def __init__(self, width: int, kernel: int, dilation: int, ahead: int, dropout: float):
        super().__init__()
        self.ahead, self.before = ahead, dilation * (kernel - 1) - ahead
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, kernel, dilation=dilation)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        moved = nn.functional.gelu(self.conv(self.norm(x).transpose(1, 2)).transpose(1, 2))
        return x[:, self.before : x.shape[1] - self.ahead] + self.dropout(moved)


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
