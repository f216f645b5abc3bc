"""The head-motion learner: a few-shot temporal convolution network. A person's reference motion, with its sound, writes the
weights of the output layer; driving sound goes through temporal convolutions and that layer to head motion.

Shapes: B people, T frames, n reference frames, C = 6 numbers of a head (`landmarks.head_track`), F sound features, K tones
in J copies, Q numbers of a code. Motions are in units of train people's deviations, about the reference's mean.
Source: Rhythmic Head section 3.3 and appendix A.1, method/rhythmic_head.md#head-motion,
method/decisions.md#expression-and-head-motion. It is in the landmark stage: its input is audio, which the
render stage does not read. Tones, hints and the way from the last pose are headsync's.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landmark_stage.head_motion.sound import SLOPE, HeadMotionSettings, SoundEncoder, sound_size
from landmark_stage.head_motion.statistics import (
    BANDS,
    FLOOR,
    band_amplitudes,
    band_covariances,
    hint_count,
    masked_mean,
    motion_hints,
)
from landmark_stage.head_motion.tones import COPIES, ToneSource
from landmark_stage.sound_kinds import SOUND_KINDS, channels_of

NUMBERS = 6                 # of a head: three turns, two places, size
TAU = 64                    # frames of a reference
REACH_FRAMES = 5            # of sound on either side that a frame's feature depends on: the window and two convolutions
KERNEL, STRIDE = 5, 2       # of the reference's temporal convolutions
OWN_SHARE = 0.8             # of how a head's numbers go together that is the reference's own; the rest is people's
SLOW_BANDS = 4              # of the bands, those that it is measured in
RIDGE = 0.02                # keeps that from being singular
GATE = 0.7                  # the logarithm of how much louder or softer sound can make the tones
SMOOTHING_TAPS = 11         # Hanning, as in the paper: what is faster is the detector's error, not motion
FIRST_WAY_FRAMES = 25.0     # time constant of the way from the last pose, before training


class Reference(NamedTuple):
    """Motion of people and its sound."""

    motion: Tensor      # (B, n, C), standard, about its own mean
    sound: Tensor       # (B, n, 104, 640 or 768), standard; zeros where nobody knows it
    lengths: Tensor     # (B,) frames that are there


class Written(NamedTuple):
    """An output layer."""

    weights: Tensor     # (B, F, C), for features of the sound
    bias: Tensor        # (B, C)
    tones: Tensor       # (B, K, J, C), for tones; K = 0 without


class ReferenceEncoder(nn.Module):
    """Reference motion and the features of its sound to a code (B, Q)."""

    def __init__(self, settings: HeadMotionSettings, numbers: int):
        super().__init__()
        self.hints = settings.hints
        self.motion = nn.Sequential(nn.Linear(NUMBERS, settings.motion_hidden), nn.LayerNorm(settings.motion_hidden),
                                    nn.LeakyReLU(SLOPE), nn.Linear(settings.motion_hidden, settings.features))
        width = settings.reference
        self.first, self.second = (nn.Conv1d(inputs, width, KERNEL, STRIDE) for inputs in (2 * settings.features, width))
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(settings.dropout)
        hints = hint_count(NUMBERS) if settings.hints else 0
        self.hint_norm = nn.LayerNorm(hints) if hints else None
        self.code = nn.Linear(width + hints, numbers)

    def forward(self, reference: Reference, audio: Tensor) -> Tensor:
        """The code; frames beyond a reference's length have no part in it."""
        x, lengths = torch.cat([self.motion(reference.motion), audio], -1).mT, reference.lengths    # (B, 2 F, n)
        for convolve, norm in ((self.first, self.first_norm), (self.second, self.second_norm)):
            x = self.dropout(F.leaky_relu(norm(convolve(x).mT), SLOPE)).mT                          # (B, R, n')
            lengths = (lengths - KERNEL) // STRIDE + 1
        mean = masked_mean(x.mT, lengths)                                                           # (B, R)
        if self.hint_norm is not None:
            mean = torch.cat([mean, self.dropout(self.hint_norm(motion_hints(reference.motion, reference.lengths)))], -1)
        return self.code(mean)


class HeadMotion(nn.Module):
    """Reference and driving sound to head motion; `encode` once for a person, `predict` for any stretch of sound."""

    def __init__(self, settings: HeadMotionSettings):
        super().__init__()
        self.settings = settings
        sides = SOUND_KINDS[settings.sound].channels
        for name, value in (("sound_mean", torch.zeros(sides)), ("sound_scale", torch.ones(sides)),
                            ("motion_scale", torch.ones(NUMBERS)), ("alike", torch.eye(NUMBERS).repeat(BANDS, 1, 1))):
            self.register_buffer(name, value)
        self.sound = SoundEncoder(settings)
        # of a code: weights, bias, logarithms of tones' amplitudes, and how the numbers go together, which is measured
        self.sizes = (settings.features * NUMBERS, NUMBERS, BANDS * NUMBERS * settings.tones, NUMBERS**2 * settings.tones)
        self.reference = ReferenceEncoder(settings, sum(self.sizes[:3]))
        typical = torch.cat([torch.zeros(sum(self.sizes[:3])), torch.eye(NUMBERS).flatten()[: self.sizes[3]]])
        self.register_buffer("typical", typical)                            # the mean code of train people
        if settings.people:     # codes of some of them, and what their motion is multiplied by
            self.register_buffer("people", typical.repeat(settings.people, 1))
            self.register_buffer("people_gain", torch.ones(settings.people, NUMBERS))
        self.way = nn.Parameter(torch.full((NUMBERS,), FIRST_WAY_FRAMES).log())
        if settings.tones:
            self.gate = nn.Linear(settings.features, BANDS)
            self.keep = nn.Parameter(torch.full((BANDS, NUMBERS), 0.8))     # share of the reference's log amplitudes
            nn.init.zeros_(self.reference.code.weight)
            nn.init.zeros_(self.reference.code.bias)

    def standard_sound(self, sound: Tensor) -> Tensor:
        """Rows (..., 4T, 26), samples (..., 640 T) or phonetic rows (..., 2T, 384) as the network takes them: (..., T, 104,
        640 or 768)."""
        channels = (channels_of(sound, self.settings.sound) - self.sound_mean) / self.sound_scale
        return channels.unflatten(-2, (-1, SOUND_KINDS[self.settings.sound].steps)).flatten(-2)

    @property
    def sound_size(self) -> int:
        """Numbers of sound that a frame has: 104, 640 or 768."""
        return sound_size(self.settings)

    def encode(self, reference: Reference) -> Tensor:
        """A code (B, Q) that `write` makes an output layer of. Codes of several references of one person may be averaged."""
        code = self.reference(reference, self.sound(reference.sound, reference.lengths))
        if not self.settings.tones:
            return code
        own = band_amplitudes(reference.motion, reference.lengths).clamp(min=FLOOR).log()     # (B, K, C)
        code = code + F.pad((self.keep * own).flatten(1), (sum(self.sizes[:2]), 0))
        return torch.cat([code, correlations(reference.motion, reference.lengths).flatten(1)], 1)

    def write(self, code: Tensor) -> Written:
        """The output layer of a code (B, Q)."""
        weights, bias, amplitudes, alike = code.split(self.sizes, dim=1)
        tones = code.new_zeros(len(code), 0, COPIES, NUMBERS)
        if self.settings.tones:
            own, people = alike.reshape(-1, 1, NUMBERS, NUMBERS), self.alike                            # (K, C, C)
            mixed = (1 - RIDGE) * (OWN_SHARE * own + (1 - OWN_SHARE) * people) + RIDGE * torch.eye(NUMBERS, device=own.device)
            tones = amplitudes.reshape(len(code), -1, 1, NUMBERS).exp() * torch.linalg.cholesky(mixed).mT
        return Written(weights.unflatten(1, (-1, NUMBERS)), bias, tones)

    def predict(self, written: Written, audio: Tensor, tones: Tensor | None = None) -> Tensor:
        """Motion (B, T, C), standard, for features (B, T, F) and tones (B, T, K, J); the mean prediction without tones."""
        motion = (audio @ written.weights).float() + written.bias[:, None]
        if tones is None or not self.settings.tones:
            return motion
        loud = (GATE * self.gate(audio).tanh()).exp()                                                   # (B, T, K)
        return motion + torch.einsum("btkj,btk,bkjc->btc", tones, loud, written.tones)

    def continued(self, motion: Tensor, last: Tensor, first: Tensor, moment: Tensor) -> Tensor:
        """Motion (B, t, C) that begins at the pose `last` (B, C) and goes over into `motion` within a second or so.

        `first` (B, C) is the motion of frame 0, `moment` (t,) are the frames' numbers. Frame 0 is `last` itself.
        """
        fading = (-moment[:, None] / self.way.exp()).exp()                                              # (t, C)
        return motion + (last - first)[:, None] * fading


def correlations(motion: Tensor, lengths: Tensor) -> Tensor:
    """How the six numbers of motions (B, n, C) go together up to 1.6 Hz: correlations (B, C, C)."""
    found = band_covariances(motion, lengths)[:, :SLOW_BANDS].sum(1)                                    # (B, C, C)
    sizes = found.diagonal(dim1=-2, dim2=-1).clamp(min=1e-6).sqrt()
    return found / (sizes[..., None] * sizes[..., None, :])


class Trajectories(NamedTuple):
    """Predictions (B, T, C), standard, that go on where the reference ends."""

    whole: Tensor       # with the tones
    mean: Tensor        # without


def trajectories(model: HeadMotion, reference: Reference, sound: Tensor, source: ToneSource | None) -> Trajectories:
    """The predictions for driving sound (B, T, 104 or 640); without a source of tones both are the mean prediction."""
    written, audio, last = model.write(model.encode(reference)), model.sound(sound), last_pose(reference)
    moment = torch.arange(sound.shape[1], device=sound.device)

    def path(tones: Tensor | None) -> Tensor:
        motion = model.predict(written, audio, tones)
        return model.continued(motion, last, motion[:, 0], moment)

    mean = path(None)
    if source is None:
        return Trajectories(mean, mean)
    return Trajectories(path(source.begin(written.tones, written.bias, last).draw(len(moment))), mean)


def last_pose(reference: Reference) -> Tensor:
    """The last pose (B, C) that is there."""
    at = (reference.lengths - 1).long()[:, None, None].expand(-1, 1, NUMBERS)
    return reference.motion.gather(1, at)[:, 0]
