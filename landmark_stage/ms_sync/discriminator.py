"""What tells generated from real motion: discriminators of single frames, of sequences, and of pairs of sequences.

Shapes: S sides (fake and real, or fake alone), B clips, T frames (O observed ones first, then generated ones), n windows, D
coordinates of L = 68 landmarks, C features of an encoded frame, H of an LSTM's state.
Source: MS-Sync section 3.3, equations 9 to 12; method/ms_sync.md#discriminators (ours: velocities, spectral norm throughout).
"""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from headsync.experiment import Scores
from syncers import ConvNextBlock
from syncers.channels import LANDMARKS

TERMS = ("frame", "sequence", "joint")
MIDDLE = (0.5, 0.5, 0.0)                        # of the canvas; depth has its own zero
POSITION_GAIN, VELOCITY_GAIN = 8.0, 150.0       # to unit size: on real clips 0.12 and 0.006 canvas shares
FRAME_STAGES, LEAST = 4, 8                      # blocks of the frame discriminator, and the fewest features of any of them
WHOLE_FRAMES = 40           # of longer clips only every second, third ... frame and window is seen
START_MEMORY = 1.0          # bias of the LSTMs' forget gates: at 0, nothing of a long window would be left at its end
START_FADING, LEAST_FADING = 5.0, 0.1
LARGEST_GRADIENT = 1.0


@dataclass(frozen=True)
class DiscriminatorSettings:
    """The discriminators and how they learn. The paper's: 512, 1024, no velocities, lr 1e-5."""

    lr: float                                   # half the generator's is a good beginning
    widen: int = 3                              # encoder: D * L times this, then times four
    coordinate: int = 128                       # features of an encoded frame
    hidden: int = 256                           # of the LSTMs
    windows: tuple[int, ...] = (5, 10, 20, 40)  # frames
    sparse: int = 1                             # one window in so many is seen, from a random one on
    velocities: bool = True                     # beside positions

    def __post_init__(self):
        if min(self.coordinate // LEAST, self.hidden, self.sparse, self.widen) < 1 or self.lr <= 0:
            raise ValueError("coordinate must be at least 8, hidden, sparse and widen 1, lr above 0, got "
                             f"{self.coordinate}, {self.hidden}, {self.sparse}, {self.widen} and {self.lr}")
        if not self.windows or min(self.windows) < 2 or len(set(self.windows)) < len(self.windows):
            raise ValueError(f"windows must be different sizes of 2 frames or more, got {self.windows}")


class Plan(NamedTuple):
    """What discriminators see of a clip; all numbers count from its first frame, which is observed."""
    observed: int
    frames: list[int]               # for the discriminator of frames
    starts: dict[int, list[int]]    # where windows begin, by their size


def draw_plan(frames: int, observed: int, settings: DiscriminatorSettings, *, generator: torch.Generator) -> Plan:
    """All generated frames, and windows at every half of their size of which at least about half is generated.

    Of G > 40 generated frames every floor(G / 40)th, and as few windows, from a random one on. A size that does not
    fit is left out; ValueError when none fits. Source: method/ms_sync.md#discriminators.
    """
    every = max(1, (frames - observed) // WHOLE_FRAMES)
    def thinned(numbers: range, every: int) -> list[int]:
        most = min(every, len(numbers))     # at least one of the few windows of a large size
        return list(numbers[int(torch.randint(most, (), generator=generator, device=generator.device)) :: every])
    places = {size: range(max(0, observed + size // 2 - size), frames - size + 1, size // 2) for size in settings.windows}
    starts = {size: thinned(fitting, every * settings.sparse) for size, fitting in places.items() if fitting}
    if not starts:
        raise ValueError(f"{frames} frames with {observed} observed hold no window of {settings.windows}; give longer clips")
    return Plan(observed, thinned(range(observed, frames), every), starts)


class CoordinateEncoder(nn.Module):
    """Frames as features, for all discriminators: linear, norm, linear, GELU, linear."""

    def __init__(self, settings: DiscriminatorSettings, *, dims: int):
        super().__init__()
        size, first = dims * LANDMARKS, settings.widen * dims * LANDMARKS
        self.velocities = settings.velocities
        self.register_buffer("middle", torch.tensor(MIDDLE[:dims]).repeat(LANDMARKS), persistent=False)
        self.layers = nn.Sequential(
            nn.Linear((1 + settings.velocities) * size, first), nn.LayerNorm(first),
            nn.Linear(first, 4 * first), nn.GELU(), nn.Linear(4 * first, settings.coordinate))

    def forward(self, flat: Tensor) -> Tensor:
        """Features (..., T, C) of landmarks (..., T, D * L) in shares of the canvas; frame 0 has velocity 0."""
        seen = POSITION_GAIN * (flat - self.middle)
        if self.velocities:
            seen = torch.cat([seen, VELOCITY_GAIN * F.pad(flat.diff(dim=-2), (0, 0, 1, 0))], dim=-1)
        return self.layers(seen)


class FrameDiscriminator(nn.Module):
    """D_f: four ConvNeXt blocks of kernel 1, halving the features, then a linear score, which may be negative."""

    def __init__(self, settings: DiscriminatorSettings):
        super().__init__()
        widths = [max(LEAST, settings.coordinate >> stage) for stage in range(FRAME_STAGES + 1)]
        self.blocks = nn.Sequential(*(ConvNextBlock(*ends, kernel=1) for ends in pairwise(widths)), nn.Conv1d(widths[-1], 1, 1))

    def forward(self, encoded: Tensor, given: Tensor, plan: Plan) -> Tensor:
        """A score for every planned frame of encoded (S, B, T, C), whatever was observed: (S, B, n)."""
        frames = encoded[:, :, plan.frames]
        return self.blocks(frames.flatten(0, 2)[..., None]).view(frames.shape[:3])  # (S, B, n)


class WindowLSTM(nn.Module):
    """An LSTM over windows of many places and sizes in one pass: those that begin together share their steps."""

    def __init__(self, settings: DiscriminatorSettings):
        super().__init__()
        self.input_map = nn.Linear(settings.coordinate, 4 * settings.hidden)
        self.state_map = nn.Linear(settings.hidden, 4 * settings.hidden, bias=False)
        nn.init.constant_(self.input_map.bias[: settings.hidden], START_MEMORY)

    def forward(self, encoded: Tensor, starts: dict[int, list[int]]) -> Tensor:
        """Last states (n, N, H), size after size, of the windows of encoded (N, T, C), each from a zero state."""
        longest = {start: size for size in sorted(starts) for start in starts[size]}
        order = sorted(longest, key=longest.__getitem__, reverse=True)                  # those that still run are first
        reads = [[start + step for start in order if longest[start] > step] for step in range(max(starts))]
        packed = torch.tensor([frame for frames in reads for frame in frames], device=encoded.device)
        inputs = self.input_map(encoded).transpose(0, 1).index_select(0, packed)        # (all reads, N, 4H)
        hidden = cell = torch.zeros(len(order), len(encoded), inputs.shape[-1] // 4, device=encoded.device)
        after = []
        for gates in inputs.split([len(frames) for frames in reads]):
            if after:
                gates = gates + self.state_map(hidden[: len(gates)])                    # (running, N, 4H)
            keep, write, show, fresh = gates.chunk(4, dim=-1)
            cell = keep.sigmoid() * cell[: len(gates)] + write.sigmoid() * fresh.tanh()
            hidden = show.sigmoid() * cell.tanh()                                       # (running, N, H)
            after.append(hidden)
        return torch.cat([after[size - 1][[order.index(start) for start in own]] for size, own in starts.items()])


class ProjectionHead(nn.Module):
    """A(psi(phi) + d^(-1/beta) <y, V phi>): is the motion real, and does it go with what was observed before?"""

    def __init__(self, hidden: int):
        super().__init__()
        self.phi, self.psi = nn.Linear(hidden, 2 * hidden), nn.Linear(2 * hidden, 2 * hidden)
        self.agreement, self.answer = nn.Linear(2 * hidden, hidden), nn.Linear(2 * hidden, 1)
        self.fading = nn.Parameter(torch.tensor(START_FADING))                          # beta

    def forward(self, states: Tensor, given: Tensor, distance: Tensor) -> Tensor:
        """Scores (n, S, B) of states (n, S, B, H) under conditions y (B, H), d (n,) frames earlier."""
        phi = F.relu(self.phi(states))                                                  # (n, S, B, 2H)
        asked, known = given @ self.agreement.weight, given @ self.agreement.bias       # (B, 2H), (B,)
        agreement = (phi * asked).sum(-1) + known       # <y, V phi> = <V' y, phi>, without n products  (n, S, B)
        faded = distance ** (-1 / self.fading.clamp(min=LEAST_FADING))                  # (n,)
        return self.answer(F.relu(self.psi(phi)) + (faded[:, None, None] * agreement)[..., None]).squeeze(-1)


class SequenceDiscriminator(nn.Module):
    """D_s, or with `paired` D_s^j, which sees two clips at once and so notices when all are alike."""

    def __init__(self, settings: DiscriminatorSettings, *, paired: bool):
        super().__init__()
        self.paired, self.lstm, self.head = paired, WindowLSTM(settings), ProjectionHead(settings.hidden)

    def forward(self, encoded: Tensor, given: Tensor, plan: Plan) -> Tensor:
        """Scores (S, B), for pairs (S, B // 2), of encoded (S, B, T, C) that began as `given` (B, O, C)."""
        first = min(1, plan.observed - 1)       # nobody knows the velocity of frame 0
        condition = self.lstm(given, {plan.observed - first: [first]})[0]               # (B, H)
        states = self.lstm(encoded.flatten(0, 1), plan.starts).unflatten(1, encoded.shape[:2])  # (n, S, B, H)
        if self.paired:
            states, condition = larger_of_pairs(states), larger_of_pairs(condition)     # (n, S, B // 2, H)
        distance = [max(start - plan.observed, 1) for own in plan.starts.values() for start in own]
        scores = self.head(states, condition, torch.tensor(distance, device=states.device))
        return torch.stack([own.mean(0) for own in scores.split([*map(len, plan.starts.values())])]).mean(0)    # (S, B)


def larger_of_pairs(x: Tensor) -> Tensor:
    """Element by element the larger of clips 0 and 1, 2 and 3 ... of (..., B, H); of an odd B the last is left out."""
    return x[..., : x.shape[-2] // 2 * 2, :].unflatten(-2, (-1, 2)).amax(-2)  # (..., B // 2, H)


class MotionDiscriminator(nn.Module):
    """The discriminators of some of the terms over one encoder, as an `Adversary` teaches them."""

    def __init__(self, settings: DiscriminatorSettings, *, dims: int, terms: Collection[str] = TERMS):
        super().__init__()
        self.encoder, self.size = CoordinateEncoder(settings, dims=dims), dims * LANDMARKS
        self.terms = nn.ModuleDict({
            term: FrameDiscriminator(settings) if term == "frame" else SequenceDiscriminator(settings, paired=term == "joint")
            for term in terms})
        for layer in [*self.modules()]:
            if isinstance(layer, nn.Linear | nn.Conv1d) and getattr(layer, "groups", 1) == 1:
                parametrizations.spectral_norm(layer)       # a depthwise one only scales what is then normalised

    def forward(self, sides: Tensor, began: Tensor, plan: Plan) -> Scores:
        """Each term's scores (S, ...) of clips (S, B, T, D * L) in shares of the canvas that began as `began` (B, O, D * L).

        ValueError unless they fit.
        """
        fits = sides.ndim == 4 and sides.shape[3] == self.size and began.shape[1] == plan.observed < sides.shape[2]
        if not fits or plan.observed < 1:
            raise ValueError(f"give (B, T, {self.size}), 1 to T - 1 observed, not {[*sides.shape[1:]]} and {plan.observed}")
        if "joint" in self.terms and sides.shape[1] < 2:
            raise ValueError(f"the joint discriminator compares at least 2 clips, got {sides.shape[1]}")
        with parametrize.cached():      # one power iteration a step, however often a weight is used
            encoded, given = self.encoder(sides), self.encoder(began)                   # (S, B, T, C), (B, O, C)
            return Scores({term: [part(encoded, given, plan)] for term, part in self.terms.items()})
