"""What tells generated from real motion: judges of single frames, of sequences, and of pairs of sequences.

Shapes: S sides (fake and real, or fake alone), B clips, T frames (O observed ones first, then generated ones), n windows, D
coordinates of L = 68 landmarks, C features of an encoded frame, H of an LSTM's state.
Source: MS-Sync section 3.3, equations 9 to 12; method/ms_sync.md#discriminators (ours: velocities, spectral norm throughout).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from headsync.experiment import share_gradients
from syncers import ConvNextBlock
from syncers.channels import LANDMARKS

TERMS, SIDES = ("frame", "sequence", "joint"), ("fake", "real")
MIDDLE = (0.5, 0.5, 0.0)                        # of the canvas; depth has its own zero
POSITION_GAIN, VELOCITY_GAIN = 8.0, 150.0       # to unit size: on real clips 0.12 and 0.006 canvas shares
FRAME_STAGES, LEAST = 4, 8                      # blocks of the frame judge, and the fewest features that any of them has
WHOLE_FRAMES = 40           # of longer clips only every second, third ... frame and window is judged
START_MEMORY = 1.0          # bias of the LSTMs' forget gates: at 0, nothing of a long window would be left at its end
START_FADING, LEAST_FADING, BETAS, LARGEST_GRADIENT = 5.0, 0.1, (0.0, 0.999), 1.0


@dataclass(frozen=True)
class AdversarySettings:
    """The judges and how they learn: by default the small form. The paper's: 512, 1024, no velocities, rate 1e-5."""

    dims: int = 2
    widen: int = 3                              # encoder: D * L times this, then times four
    coordinate: int = 128                       # features of an encoded frame
    hidden: int = 256                           # of the LSTMs
    windows: tuple[int, ...] = (5, 10, 20, 40)  # frames
    sparse: int = 1                             # one window in so many is judged, from a random one on
    velocities: bool = True                     # beside positions
    terms: tuple[str, ...] = TERMS              # which judges there are
    rate: float = 5e-5                          # half the generator's

    def __post_init__(self):
        if self.dims not in (2, 3) or min(self.coordinate // LEAST, self.hidden, self.sparse, self.widen) < 1 or self.rate <= 0:
            raise ValueError("dims must be 2 or 3, coordinate at least 8, hidden, sparse and widen 1, rate above 0, got "
                             f"{self.dims}, {self.coordinate}, {self.hidden}, {self.sparse}, {self.widen} and {self.rate}")
        if not self.windows or min(self.windows) < 2 or len(set(self.windows)) < len(self.windows):
            raise ValueError(f"windows must be different sizes of 2 frames or more, got {self.windows}")
        if not self.terms or set(self.terms) - set(TERMS) or len(set(self.terms)) < len(self.terms):
            raise ValueError(f"terms must be some of {', '.join(TERMS)}, each once, got {self.terms}")


def hinge_loss(fake: Tensor, real: Tensor) -> Tensor:
    """What a judge lowers, a scalar: fake scores should lie under -1, real ones over 1. MS-Sync equation 12."""
    return F.relu(1 + fake).mean() + F.relu(1 - real).mean()


def fooling_loss(fake: Tensor) -> Tensor:
    """What the generator lowers, a scalar: minus the mean score. MS-Sync equations 9 to 11."""
    return -fake.mean()


class Plan(NamedTuple):
    """What of a clip is judged; all numbers count from its first frame, which is observed."""
    observed: int
    frames: list[int]               # for the judge of frames
    starts: dict[int, list[int]]    # where windows begin, by their size


def draw_plan(frames: int, observed: int, settings: AdversarySettings, *, generator: torch.Generator) -> Plan:
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
    """Frames as features, for all judges: linear, norm, linear, GELU, linear."""

    def __init__(self, settings: AdversarySettings):
        super().__init__()
        size, first = settings.dims * LANDMARKS, settings.widen * settings.dims * LANDMARKS
        self.velocities = settings.velocities
        self.register_buffer("middle", torch.tensor(MIDDLE[: settings.dims]).repeat(LANDMARKS), persistent=False)
        self.layers = nn.Sequential(
            nn.Linear((1 + settings.velocities) * size, first), nn.LayerNorm(first),
            nn.Linear(first, 4 * first), nn.GELU(), nn.Linear(4 * first, settings.coordinate))

    def forward(self, flat: Tensor) -> Tensor:
        """Features (..., T, C) of landmarks (..., T, D * L) in shares of the canvas; frame 0 has velocity 0."""
        seen = POSITION_GAIN * (flat - self.middle)
        if self.velocities:
            seen = torch.cat([seen, VELOCITY_GAIN * F.pad(flat.diff(dim=-2), (0, 0, 1, 0))], dim=-1)
        return self.layers(seen)


class FrameJudge(nn.Module):
    """D_f: four ConvNeXt blocks of kernel 1, halving the features, then a linear score, which may be negative."""

    def __init__(self, settings: AdversarySettings):
        super().__init__()
        widths = [max(LEAST, settings.coordinate >> stage) for stage in range(FRAME_STAGES + 1)]
        self.blocks = nn.Sequential(*(ConvNextBlock(*ends, kernel=1) for ends in pairwise(widths)), nn.Conv1d(widths[-1], 1, 1))

    def forward(self, encoded: Tensor, given: Tensor, plan: Plan) -> Tensor:
        """A score for every planned frame of encoded (S, B, T, C), whatever was observed: (S, B, n)."""
        frames = encoded[:, :, plan.frames]
        return self.blocks(frames.flatten(0, 2)[..., None]).view(frames.shape[:3])  # (S, B, n)


class WindowLSTM(nn.Module):
    """An LSTM over windows of many places and sizes in one pass: those that begin together share their steps."""

    def __init__(self, settings: AdversarySettings):
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


class SequenceJudge(nn.Module):
    """D_s, or with `paired` D_s^j, which sees two clips at once and so notices when all are alike."""

    def __init__(self, settings: AdversarySettings, *, paired: bool):
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


class Adversary(nn.Module):
    """All judges over one encoder: `step` teaches them, `judge` tells a generator what they think of it.

    Clips are (B, T, D * L) in shares of the canvas, the first `observed` frames real in both; ValueError unless they fit.
    """

    def __init__(self, settings: AdversarySettings):
        super().__init__()
        self.settings, self.encoder = settings, CoordinateEncoder(settings)
        self.judges = nn.ModuleDict({
            term: FrameJudge(settings) if term == "frame" else SequenceJudge(settings, paired=term == "joint")
            for term in settings.terms})
        for layer in [*self.modules()]:
            if isinstance(layer, nn.Linear | nn.Conv1d) and getattr(layer, "groups", 1) == 1:
                parametrizations.spectral_norm(layer)       # a depthwise one only scales what is then normalised
        self.optimiser = torch.optim.Adam(self.parameters(), lr=settings.rate, betas=BETAS)

    def step(self, fake: Tensor, real: Tensor, *, observed: int, generator: torch.Generator) -> dict[str, float]:
        """One step on the sum of the hinge losses: `frame_hinge`, mean scores `frame_fake`, `frame_real` ..., the gradient."""
        plan = self._plan(fake, real, observed, generator)
        self.train().requires_grad_(True)
        scores = self._scores(torch.stack([fake, real]).detach(), real[:, :observed].detach(), plan)
        told = {f"{term}_hinge": hinge_loss(*sides) for term, sides in scores.items()}
        self.optimiser.zero_grad()
        sum(told.values()).backward()
        share_gradients(self.parameters())
        told["judges_gradient"] = nn.utils.clip_grad_norm_(self.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        told |= {f"{term}_{name}": side.mean() for term, sides in scores.items() for name, side in zip(SIDES, sides)}
        return {name: scalar.item() for name, scalar in told.items()}

    def judge(self, fake: Tensor, real: Tensor, *, observed: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Each term's unweighted loss for the generator, with gradients to `fake` and to no judge."""
        plan = self._plan(fake, real, observed, generator)
        self.eval().requires_grad_(False)       # in eval, spectral norms stay as they are
        scores = self._scores(fake[None], real[:, :observed].detach(), plan)
        return {term: fooling_loss(sides[0]) for term, sides in scores.items()}

    def state(self) -> dict[str, Any]:
        """Everything that a step changes."""
        return {"judges": self.state_dict(), "optimiser": self.optimiser.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.load_state_dict(state["judges"])
        self.optimiser.load_state_dict(state["optimiser"])

    def _scores(self, sides: Tensor, observed: Tensor, plan: Plan) -> dict[str, Tensor]:
        with parametrize.cached():      # one power iteration a step, however often a weight is used
            encoded, given = self.encoder(sides), self.encoder(observed)                # (S, B, T, C), (B, O, C)
            return {term: judge(encoded, given, plan).float() for term, judge in self.judges.items()}

    def _plan(self, fake: Tensor, real: Tensor, observed: int, generator: torch.Generator) -> Plan:
        size = self.settings.dims * LANDMARKS
        if fake.shape != real.shape or fake.ndim != 3 or fake.shape[2] != size or not 1 <= observed < fake.shape[1]:
            raise ValueError(f"give (B, T, {size}), 1 to T - 1 observed, not {[*fake.shape]}, {[*real.shape]} and {observed}")
        if "joint" in self.settings.terms and len(fake) < 2:
            raise ValueError(f"pairs need at least 2 clips, got {len(fake)}; leave out the term joint")
        return draw_plan(fake.shape[1], observed, self.settings, generator=generator)
