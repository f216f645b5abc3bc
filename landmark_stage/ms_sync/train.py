"""Training of the landmark generator: discriminators and generator in turn, guided by frozen syncers, kept by what it makes
for people never trained on.

Shapes: B clips, T frames, L = 68 landmarks, D = 2 or 3 coordinates, Z noise features. Source: MS-Sync section 3.3,
method/ms_sync.md#losses-and-optimisation.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from headsync.corpus import NEEDS, Corpus, require
from headsync.experiment import (
    Adversary,
    DiscriminatorInput,
    Parts,
    RunSettings,
    StepLosses,
    TrainReport,
    batch_generator,
    check_loss_weights,
    compute_together,
    config_dict,
    counting_weights,
    save_weights,
    train_task,
)
from headsync.landmarks import LEVELS
from headsync.media import ROWS_PER_FRAME, checked
from landmark_stage.generate import load_generator
from landmark_stage.ms_sync.audio_pyramid import MARGIN_FRAMES
from landmark_stage.ms_sync.calibrate import calibrate_head_noise, head_variance
from landmark_stage.ms_sync.data import MaterialSettings, Stretch, Track, draw_stretches, read_tracks
from landmark_stage.ms_sync.discriminator import (
    LARGEST_GRADIENT,
    TERMS,
    DiscriminatorSettings,
    MotionDiscriminator,
    Plan,
    draw_plan,
)
from landmark_stage.ms_sync.generator import LANDMARKS, OBSERVED, Frame, Generator, GeneratorSettings, face_size
from landmark_stage.ms_sync.losses import lip_loss, position_loss, rest_loss, rigid_loss, spread_loss, sync_loss
from landmark_stage.ms_sync.noise import draw_noise
from landmark_stage.ms_sync.validate import PIECE_FRAMES, Validator
from syncers import SyncerPyramid, load_syncers

WEIGHT_FILE = "generator.safetensors"
STANDARD_SIZE, STANDARD_PLACE = 0.19, 0.5       # of faces shown to the discriminators: unit size would leave the canvas
PRINCIPAL_STRETCHES = 256


@dataclass(frozen=True)
class LossWeights:
    """What each term counts in the generator's loss; a term of weight 0 is not computed."""

    sync: float
    frame: float
    sequence: float
    joint: float
    positions: float
    lips: float
    rest: float
    rigid: float
    spread: float

    def __post_init__(self):
        check_loss_weights(self)


@dataclass(frozen=True)
class TrainSettings:
    """A whole training."""

    generator: GeneratorSettings
    discriminator: DiscriminatorSettings
    material: MaterialSettings
    weights: LossWeights
    sync_levels: int                    # of the synchrony loss; 1: the single-scale ablation
    landmark_jitter: float              # noise on landmarks before syncers and discriminators see them, in canvas shares
    syncers: str                        # frozen, for training: a shipped family or a weight file
    validation_syncers: str             # for validation, never for training
    begin_with: str                     # weights to begin with: a shipped generator or a weight file of the same form
    run: RunSettings

    def __post_init__(self):
        if not 1 <= self.sync_levels <= LEVELS or self.run.batch < 2:
            raise ValueError(f"sync_levels must be 1 to {LEVELS} and run.batch 2 or more, got {self.sync_levels} and "
                             f"{self.run.batch}")


class GeneratorStep(NamedTuple):
    """What a step needs."""

    drawn: Stretch
    noise: Tensor           # (B, T + 1, Z)
    jitter: list[Tensor]    # of fake, real (B', T + 2, D * L) and of what the syncers see (B', T, D * L); empty: none
    plan: Plan | None       # of the discriminators; None: there are none


class GeneratorTask:
    """The landmark generator as a `Task`."""

    def __init__(self, settings: TrainSettings, tracks: Sequence[Track], syncers: SyncerPyramid, validator: Validator | None):
        self.settings, self.tracks, self.syncers, self.validator = settings, tracks, syncers, validator

    def build(self) -> Parts:
        """The generator with its measured parts, or earlier weights, and the discriminators that count."""
        settings, random = self.settings, torch.Generator().manual_seed(self.settings.run.seed)
        self.generator = Generator(settings.generator)
        self.generator.audio.standardise_by(torch.cat([track.rows for track in self.tracks]))
        if settings.generator.directions:
            self.generator.basis.copy_(self._principal_directions(random))
        if settings.generator.head_noise:
            self.generator.set_head_noise(settings.generator.head_noise * self._head_deviations(random), generator=random)
        if settings.begin_with:
            self._begin_with(load_generator(settings.begin_with, device="cpu"))
        terms = [name for name in TERMS if getattr(settings.weights, name)]
        adversary = None
        if terms:
            discriminator = MotionDiscriminator(settings.discriminator, dims=settings.generator.dims, terms=terms)
            adversary = Adversary(discriminator, lr=settings.discriminator.lr, clip=LARGEST_GRADIENT)
        return Parts(self.generator, adversary=adversary, frozen=[self.syncers])

    def _begin_with(self, earlier: Generator) -> None:
        if earlier.settings != self.settings.generator:
            raise ValueError(f"the generator in {self.settings.begin_with} has another form; choose the preset that it has")
        self.generator.load_state_dict(earlier.state_dict())

    def _displacements(self, random: torch.Generator) -> Iterator[tuple[Tensor, Frame]]:
        """Real displacements from the start (B, T + 2, D * L), in units of the face's size, with their frames."""
        for _ in range(PRINCIPAL_STRETCHES // self.settings.run.batch + 1):
            real = self._drawn(random).real
            frame = self.generator.frame(real[:, OBSERVED - 1])
            yield (real - frame.start[:, None]) / frame.size[:, None], frame

    def _principal_directions(self, random: torch.Generator) -> Tensor:
        """The principal directions (D * L, r) of real displacements from the start."""
        frames = torch.cat([moved.flatten(0, 1) for moved, _ in self._displacements(random)])
        return torch.linalg.svd(frames, full_matrices=False).Vh[: self.settings.generator.directions].T

    def _head_deviations(self, random: torch.Generator) -> Tensor:
        """Standard deviations (4 or 7,) of real heads' shifts, turns and growth about each stretch's own mean."""
        heads = torch.cat([moved @ frame.head for moved, frame in self._displacements(random)])     # (N, T + 2, 7)
        return head_variance(heads).sqrt()

    def _drawn(self, random: torch.Generator) -> Stretch:
        return draw_stretches(self.tracks, self.settings.run.batch, dims=self.settings.generator.dims,
                              settings=self.settings.material, generator=random)

    def weights(self, step: int) -> dict[str, float]:
        """The weights that are not 0."""
        return counting_weights(self.settings.weights)

    def batch(self, step: int) -> GeneratorStep:
        """Random stretches, and all that is random in the step."""
        random = batch_generator(self.settings.run.seed, step)
        drawn = self._drawn(random)
        B, F = drawn.real.shape[:2]
        noise = draw_noise(B, F - 1, self.settings.generator.noise, generator=random)
        real, jitter = drawn.real[drawn.talking], []
        if self.settings.landmark_jitter:
            jitter = [self.settings.landmark_jitter * torch.randn(one.shape, generator=random)
                      for one in (real, real, real[:, OBSERVED - 1 :])]
        adversarial = any(getattr(self.settings.weights, name) for name in TERMS)
        plan = draw_plan(F, OBSERVED, self.settings.discriminator, generator=random) if adversarial else None
        return GeneratorStep(drawn, noise, jitter, plan)

    def losses(self, batch: GeneratorStep, wanted: Collection[str]) -> StepLosses:
        """The terms that need no discriminator; those are shown what the talking clips of the batch came to."""
        drawn = batch.drawn
        made = compute_together(self.generator.rollout, drawn.observed, drawn.rows, batch.noise)    # (B, T, D * L)
        spoken, silent, real = made[drawn.talking], made[~drawn.talking], drawn.real[drawn.talking]
        true, inputs = real[:, OBSERVED - 1 :], None                                              # (B', T, D * L)
        if set(TERMS) & set(wanted):
            whole = torch.cat([real[:, : OBSERVED - 1], spoken], 1)                                 # (B', T + 2, D * L)
            shown, truth = (self._standard(motion, real) for motion in (whole, real))
            if batch.jitter:
                shown, truth = shown + batch.jitter[0], truth + batch.jitter[1]
            inputs = DiscriminatorInput(shown, truth, (truth[:, :OBSERVED], batch.plan))
        size = face_size(true[:, 0])
        terms = {"sync": lambda: self._sync_loss(spoken, batch),
                 "positions": lambda: position_loss(spoken, true), "lips": lambda: lip_loss(spoken, true, size),
                 "rest": lambda: rest_loss(silent, true, size) if len(silent) else made.new_zeros(()),
                 "rigid": lambda: rigid_loss(made), "spread": lambda: spread_loss(spoken, true, size)}
        return StepLosses({name: term() for name, term in terms.items() if name in wanted}, discriminator_input=inputs)

    def _sync_loss(self, spoken: Tensor, batch: GeneratorStep) -> Tensor:
        margin = ROWS_PER_FRAME * MARGIN_FRAMES
        seen = spoken + batch.jitter[2] if batch.jitter else spoken
        return sync_loss(self.syncers, seen, batch.drawn.rows[batch.drawn.talking][:, margin:-margin],
                         levels=self.settings.sync_levels)

    def _standard(self, motion: Tensor, real: Tensor) -> Tensor:
        """Motions (B, F, D * L) as the discriminators see them: the real start's face in the middle, at one size."""
        start = real[:, OBSERVED - 1]                                                   # (B, D * L)
        middle = start.unflatten(-1, (LANDMARKS, -1)).mean(1).repeat(1, LANDMARKS)      # (B, D * L)
        place = motion.new_tensor([STANDARD_PLACE, STANDARD_PLACE, 0.0])[: self.settings.generator.dims].repeat(LANDMARKS)
        return (motion - middle[:, None]) / face_size(start)[:, None] * STANDARD_SIZE + place

    def metrics(self, model: Generator, *, step: int) -> dict[str, float]:
        """Validation metrics on people never trained on; see `Validator`."""
        return self.validator.figures(model, seed=self.settings.run.seed)

    def finish(self, model: Generator, out: Path) -> Path:
        """The weight file `out`/generator.safetensors, its noise-driven head motion calibrated."""
        if self.settings.generator.head_noise:
            calibrate_head_noise(model, self.tracks, material=self.settings.material,
                           random=torch.Generator().manual_seed(self.settings.run.seed))
        form = {"generator": config_dict(self.settings.generator)}
        return save_weights(out / WEIGHT_FILE, model.state_dict(), config=form, half=True)


@checked
def train_landmarks(corpus: Corpus, out: str | Path, settings: TrainSettings) -> TrainReport:
    """The generator trained on the corpus's train people and kept by what it makes for its val people.

    Goes on where an earlier call stopped. The averaged weights of the best validation, their noise-driven head motion
    calibrated, become `out`/generator.safetensors. ValueError, before any work, when the corpus is not enough
    or there are no such syncers.

    >>> import headsync
    >>> settings = headsync.load_settings("landmarks", "tiny", "run.steps=2")
    >>> headsync.train_landmarks(headsync.open_corpus("people"), "runs/generator", settings).weights.name
    'generator.safetensors'
    """
    require(corpus, NEEDS["landmarks"]._replace(train_frames=settings.material.frames + OBSERVED - 1, val_frames=PIECE_FRAMES))
    syncers, validation = (load_syncers(one, device="cpu") for one in (settings.syncers, settings.validation_syncers))
    if syncers.features != "fbank26":
        raise ValueError(f"syncers {settings.syncers} take {syncers.features} as input, the generator fbank26; give others")
    validator = Validator(read_tracks(corpus, "val", features=validation.features), validation)
    return train_task(GeneratorTask(settings, read_tracks(corpus, "train"), syncers, validator), out)
