"""Training of the landmark generator: judges and generator in turn, guided by frozen syncers, kept by what it makes for
people never trained on.

Shapes: B clips, T frames, L = 68 landmarks, D = 2 or 3 coordinates, Z noise features. Source: MS-Sync section 3.3,
method/ms_sync.md#losses-and-optimisation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from headsync.corpus import NEEDS, Corpus, require
from headsync.experiment import (
    LoopSettings,
    TrainReport,
    check_loss_weights,
    compute_together,
    config_dict,
    counting_weights,
    follow,
    save_weights,
    share_gradients,
    train_whole,
    weighted_sum,
)
from headsync.landmarks import LEVELS
from headsync.media import ROWS_PER_FRAME
from landmark_stage.generate import load_generator
from landmark_stage.ms_sync.adversary import TERMS, Adversary, AdversarySettings
from landmark_stage.ms_sync.audio_pyramid import MARGIN_FRAMES
from landmark_stage.ms_sync.calibrate import calibrate_sway, head_variance
from landmark_stage.ms_sync.data import MaterialSettings, Stretch, Track, draw_stretches, read_tracks
from landmark_stage.ms_sync.generator import LANDMARKS, OBSERVED, Frame, Generator, GeneratorSettings, face_size
from landmark_stage.ms_sync.losses import lip_loss, position_loss, rest_loss, rigid_loss, spread_loss, sync_loss
from landmark_stage.ms_sync.noise import draw_noise
from landmark_stage.ms_sync.validate import PIECE_FRAMES, Judge
from syncers import SyncerPyramid, load_syncers

WEIGHT_FILE = "generator.safetensors"
SECOND_BETA = 0.999             # of Adam
LARGEST_GRADIENT = 1.0
STANDARD_SIZE, STANDARD_PLACE = 0.19, 0.5       # of faces shown to the judges: unit size would leave the canvas
PRINCIPAL_STRETCHES = 256
LAST_STRETCH = 1 / 15           # of the steps, at a tenth of the rate


@dataclass(frozen=True)
class LossWeights:
    """What each term counts in the generator's loss; a term of weight 0 is not computed."""

    sync: float = 8.0
    frame: float = 1.0
    sequence: float = 1.0
    joint: float = 1.0
    positions: float = 0.01
    lips: float = 0.0
    rest: float = 0.0
    rigid: float = 1.0
    spread: float = 0.0

    def __post_init__(self):
        check_loss_weights(asdict(self))


@dataclass(frozen=True)
class TrainSettings:
    """A whole run. The defaults are the published method's."""

    generator: GeneratorSettings = field(default_factory=GeneratorSettings)
    adversary: AdversarySettings = field(default_factory=AdversarySettings)
    material: MaterialSettings = field(default_factory=MaterialSettings)
    weights: LossWeights = field(default_factory=LossWeights)
    loop: LoopSettings = field(default_factory=lambda: LoopSettings(steps=75000, validate_every=1000, monitor="distance"))
    sync_levels: int = LEVELS           # of the synchrony loss; 1: the single-scale ablation
    tremble: float = 0.0                # noise on landmarks before syncers and judges see them, in canvas shares
    syncers: str = "loss"               # frozen, for training: a shipped family or a weight file
    judge: str = "metric"               # for validation, never for training
    begin_with: str = ""                # weights to begin with: a shipped generator or a weight file of the same form
    batch: int = 50
    rate: float = 2e-5
    momentum: float = 0.0               # Adam's first beta
    last_share: float = 0.1             # of the rate, for the last fifteenth of the steps
    average: float = 0.999              # of the weights, what is judged and kept
    seed: int = 0
    wandb: Literal["disabled", "offline", "online"] = "disabled"

    def __post_init__(self):
        if not 1 <= self.sync_levels <= LEVELS or self.batch < 2 or not 0 < self.rate < 1:
            raise ValueError(f"sync_levels must be 1 to {LEVELS}, batch 2 or more and rate in (0, 1), got {self.sync_levels}, "
                             f"{self.batch} and {self.rate}")
        if self.generator.dims != self.adversary.dims:
            raise ValueError(f"generator and adversary must both have 2 or 3 dims, got {self.generator.dims} and "
                             f"{self.adversary.dims}")


class GeneratorTraining:
    """The generator, its judges, its optimiser and running average: a `Trainee`."""

    def __init__(self, settings: TrainSettings, tracks: Sequence[Track], syncers: SyncerPyramid, judge: Judge):
        torch.manual_seed(settings.seed)
        self.settings, self.tracks, self.syncers, self.judge = settings, tracks, syncers, judge
        self.random = torch.Generator().manual_seed(settings.seed)
        self.generator = Generator(settings.generator)
        self.generator.audio.standardise_by(torch.cat([track.rows for track in tracks]))
        if settings.generator.directions:
            self.generator.basis.copy_(self._principal_directions())
        if settings.generator.sway:
            self.generator.sway_by(settings.generator.sway * self._head_deviations(), generator=self.random)
        if settings.begin_with:
            self._begin_with(load_generator(settings.begin_with))
        self.average = Generator(settings.generator).requires_grad_(False).eval()
        self.average.load_state_dict(self.generator.state_dict())
        terms = tuple(name for name in TERMS if getattr(settings.weights, name))
        self.adversary = Adversary(replace(settings.adversary, terms=terms)) if terms else None
        self.optimiser = torch.optim.Adam(self.generator.parameters(), settings.rate, (settings.momentum, SECOND_BETA))
        self.steps = 0

    def _begin_with(self, earlier: Generator) -> None:
        if earlier.settings != self.settings.generator:
            raise ValueError(f"the generator in {self.settings.begin_with} has another form; choose the preset that it has")
        self.generator.load_state_dict(earlier.state_dict())

    def _displacements(self) -> Iterator[tuple[Tensor, Frame]]:
        """Real displacements from the start (B, T + 2, D * L), in units of the face's size, with their frames."""
        for _ in range(PRINCIPAL_STRETCHES // self.settings.batch + 1):
            real = self._drawn().real
            frame = self.generator.frame(real[:, OBSERVED - 1])
            yield (real - frame.start[:, None]) / frame.size[:, None], frame

    def _principal_directions(self) -> Tensor:
        """The principal directions (D * L, r) of real displacements from the start."""
        frames = torch.cat([moved.flatten(0, 1) for moved, _ in self._displacements()])
        return torch.linalg.svd(frames, full_matrices=False).Vh[: self.settings.generator.directions].T

    def _head_deviations(self) -> Tensor:
        """Standard deviations (4 or 7,) of real heads' shifts, turns and growth about each stretch's own mean."""
        heads = torch.cat([moved @ frame.head for moved, frame in self._displacements()])           # (N, T + 2, 7)
        return head_variance(heads).sqrt()

    def _drawn(self) -> Stretch:
        return draw_stretches(self.tracks, self.settings.batch, dims=self.settings.generator.dims,
                              settings=self.settings.material, generator=self.random)

    def step(self) -> dict[str, float]:
        """One step of the judges, then one of the generator, on the same batch."""
        self._set_rate()
        batch = self._drawn()
        noise = draw_noise(len(batch.real), batch.real.shape[1] - 1, self.settings.generator.noise, generator=self.random)
        made = compute_together(self.generator.rollout, batch.observed, batch.rows, noise)  # (B, T, D * L)
        spoken, real = made[batch.talking], batch.real[batch.talking]
        whole = torch.cat([real[:, : OBSERVED - 1], spoken], 1)                         # (B', T + 2, D * L)
        seen, true = (self._trembling(self._standard(motion, real)) for motion in (whole, real))
        told = {}
        if self.adversary:
            told |= self.adversary.step(seen.detach(), true, observed=OBSERVED, generator=self.random)
        losses = self._losses(made, batch)
        if self.adversary:
            losses |= self.adversary.judge(seen, true, observed=OBSERVED, generator=self.random)
        total = weighted_sum(counting_weights(self.settings.weights), losses)
        self.optimiser.zero_grad()
        total.backward()
        share_gradients(self.generator.parameters())
        norm = torch.nn.utils.clip_grad_norm_(self.generator.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        self.steps += 1
        follow(self.average, self.generator, share=self.settings.average, step=self.steps)
        return {**told, **{name: loss.item() for name, loss in losses.items()}, "total": total.item(), "gradient": norm.item()}

    def _losses(self, made: Tensor, batch: Stretch) -> dict[str, Tensor]:
        """The terms that need no judge, each where its weight is not 0."""
        real = batch.real[batch.talking, OBSERVED - 1 :]                                # (B', T, D * L)
        spoken, silent, size = made[batch.talking], made[~batch.talking], face_size(real[:, 0])
        terms = {"sync": lambda: self._sync_loss(spoken, batch.rows[batch.talking]),
                 "positions": lambda: position_loss(spoken, real), "lips": lambda: lip_loss(spoken, real, size),
                 "rest": lambda: rest_loss(silent, real, size) if len(silent) else made.new_zeros(()),
                 "rigid": lambda: rigid_loss(made), "spread": lambda: spread_loss(spoken, real, size)}
        return {name: term() for name, term in terms.items() if getattr(self.settings.weights, name)}

    def _sync_loss(self, made: Tensor, rows: Tensor) -> Tensor:
        margin = ROWS_PER_FRAME * MARGIN_FRAMES
        return sync_loss(self.syncers, self._trembling(made), rows[:, margin:-margin], levels=self.settings.sync_levels)

    def _trembling(self, motion: Tensor) -> Tensor:
        """Motion with a detector's tremble: judges shall not tell made from real by it, nor syncers be fooled with it."""
        if not self.settings.tremble:
            return motion
        return motion + self.settings.tremble * torch.randn(motion.shape, generator=self.random)

    def _standard(self, motion: Tensor, real: Tensor) -> Tensor:
        """Motions (B, F, D * L) as the judges see them: the real start's face in the middle of the canvas, at one size."""
        start = real[:, OBSERVED - 1]                                                   # (B, D * L)
        middle = start.unflatten(-1, (LANDMARKS, -1)).mean(1).repeat(1, LANDMARKS)      # (B, D * L)
        place = motion.new_tensor([STANDARD_PLACE, STANDARD_PLACE, 0.0])[: self.settings.generator.dims].repeat(LANDMARKS)
        return (motion - middle[:, None]) / face_size(start)[:, None] * STANDARD_SIZE + place

    def _set_rate(self) -> None:
        last = self.steps >= self.settings.loop.steps * (1 - LAST_STRETCH)
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.rate * (self.settings.last_share if last else 1.0)

    def validate(self) -> dict[str, float]:
        """What the averaged generator's motion is worth on people never trained on; see `Judge`."""
        return self.judge.figures(self.average, seed=self.settings.seed)

    def state(self) -> dict[str, Any]:
        """Everything that a step changes."""
        return {"generator": self.generator.state_dict(), "average": self.average.state_dict(), "steps": self.steps,
                "optimiser": self.optimiser.state_dict(), "random": self.random.get_state(),
                "adversary": self.adversary.state() if self.adversary else None}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.generator.load_state_dict(state["generator"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.random.set_state(state["random"])
        self.steps = state["steps"]
        if self.adversary:
            self.adversary.restore(state["adversary"])


def train_landmarks(corpus: Corpus, out: str | Path, settings: TrainSettings) -> TrainReport:
    """The generator trained on the corpus's train people and kept by what it makes for its val people.

    Goes on where an earlier call stopped. The averaged weights of the best validation, their sway calibrated, become
    `out`/generator.safetensors. ValueError, before any work, when the corpus is not enough
    or there are no such syncers.
    """
    out = Path(out)
    require(corpus, NEEDS["landmarks"]._replace(train_frames=settings.material.frames + OBSERVED - 1, val_frames=PIECE_FRAMES))
    tracks = read_tracks(corpus, "train")
    training = GeneratorTraining(settings, tracks, load_syncers(settings.syncers),
                                 Judge(read_tracks(corpus, "val"), load_syncers(settings.judge)))
    result, best = train_whole(training, out, settings)
    generator = Generator(settings.generator).eval()
    generator.load_state_dict(best["average"])
    if settings.generator.sway:
        calibrate_sway(generator, tracks, material=settings.material, random=torch.Generator().manual_seed(settings.seed))
    form = {"generator": config_dict(settings.generator)}
    return TrainReport(save_weights(out / WEIGHT_FILE, generator.state_dict(), config=form, half=True), result)
