"""Training of the head-motion learner: squared error of the mean prediction, statistics of the whole, and a discriminator.

Shapes: S sides (fake and real, or fake alone), B stretches, T frames, C = 6 numbers of a head.
Source: Rhythmic Head section 3.3, method/rhythmic_head.md#head-motion, method/decisions.md#expression-and-head-motion.
"""

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from headsync.corpus import NEEDS, Corpus, require
from headsync.experiment import (
    LOGISTIC,
    Adversary,
    DiscriminatorInput,
    Parts,
    RunSettings,
    Scores,
    StepLosses,
    TrainReport,
    batch_generator,
    check_loss_weights,
    compute_together,
    config_dict,
    counting_weights,
    own_rows,
    save_weights,
    train_task,
)
from headsync.media import checked
from landmark_stage.head_motion.data import (
    HeadBatch,
    HeadClip,
    HeadMaterialSettings,
    about_mean,
    draw_heads,
    read_head_clips,
    references_of,
)
from landmark_stage.head_motion.network import (
    TAU,
    HeadMotion,
    HeadMotionSettings,
    Reference,
    Trajectories,
    trajectories,
)
from landmark_stage.head_motion.people import keep_people
from landmark_stage.head_motion.shrinkage import shrink_mean_prediction
from landmark_stage.head_motion.statistics import band_covariances, discriminator_statistics, known
from landmark_stage.head_motion.tones import ToneSource
from landmark_stage.head_motion.validate import HeadValidator, statistics
from landmark_stage.sound_kinds import channels_of

WEIGHT_FILE = "head_motion.safetensors"
STATISTICS = 24             # that the discriminator sees
SLOPE = 0.2                 # of its leaky rectifier


@dataclass(frozen=True)
class HeadLossWeights:
    """What each term counts; a term of weight 0 is not computed."""

    error: float            # squared, of the mean prediction
    adversarial: float
    statistics: float       # of each stretch: absolute differences of mean, deviation, speed and bands
    energy: float           # of a batch as a whole: medians are smaller than means, and this asks for the means

    def __post_init__(self):
        check_loss_weights(self)


@dataclass(frozen=True)
class HeadDiscriminatorSettings:
    """The discriminator and how it learns."""

    hidden: int             # 0: linear, as in the public code
    lr: float


@dataclass(frozen=True)
class HeadTrainSettings:
    """A whole training."""

    model: HeadMotionSettings
    discriminator: HeadDiscriminatorSettings
    material: HeadMaterialSettings
    weights: HeadLossWeights
    run: RunSettings

    def __post_init__(self):
        if self.run.batch < 2:
            raise ValueError(f"run.batch must be 2 or more, got {self.run.batch}")


class HeadDiscriminator(nn.Module):
    """Statistics of motions to scores."""

    def __init__(self, hidden: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(STATISTICS, hidden), nn.LeakyReLU(SLOPE), nn.Linear(hidden, 1)) if hidden \
            else nn.Linear(STATISTICS, 1)

    def forward(self, sides: Tensor) -> Scores:
        """Scores (S, B, 1) of statistics (S, B, 24)."""
        return Scores({"adversarial": [self.layers(sides)]})


class HeadStep(NamedTuple):
    """What a step needs."""

    drawn: HeadBatch
    generator: torch.Generator      # of the tones, which are drawn as they are needed


class HeadMotionTask:
    """The head-motion learner as a `Task`."""

    def __init__(self, settings: HeadTrainSettings, clips: Sequence[HeadClip], validator: HeadValidator | None):
        self.settings, self.clips, self.validator = settings, clips, validator

    def build(self) -> Parts:
        """The learner, measured, and its discriminator."""
        settings = self.settings
        self.model = HeadMotion(settings.model)
        self._measure()
        self.measured = copy.deepcopy(self.model)       # stays on the CPU, where batches are drawn
        adversary = Adversary(HeadDiscriminator(settings.discriminator.hidden), lr=settings.discriminator.lr, losses=LOGISTIC,
                              beta1=settings.run.beta1, weight_decay=settings.run.weight_decay)
        return Parts(self.model, adversary=adversary)

    @torch.no_grad()
    def _measure(self) -> None:
        """What is known of train people in closed form: scales of sound and motion, and how a head's numbers go together."""
        model, audio = self.model, [one.sound for one in self.clips if one.sound is not None]
        if audio:
            sound = torch.cat(audio)
            sound = channels_of(sound[None], model.settings.sound)[0]
            model.sound_mean.copy_(sound.mean(0))
            model.sound_scale.copy_(sound.std(0).clamp(min=1e-3))
        apart = torch.cat([one.head - one.head.mean(0) for one in self.clips])
        model.motion_scale.copy_(apart.square().mean(0).sqrt().clamp(min=1e-6))
        references = references_of(self.clips, model, frames=TAU)
        if model.settings.tones:
            found = band_covariances(about_mean(references.motion, references.lengths), references.lengths)     # (N, K, C, C)
            sizes = found.diagonal(dim1=-2, dim2=-1).clamp(min=1e-6).sqrt()                                     # (N, K, C)
            alike = (found / (sizes[..., None] * sizes[..., None, :])).mean(0)                                  # (K, C, C)
            model.alike.copy_(alike)

    def weights(self, step: int) -> dict[str, float]:
        """The weights that are not 0."""
        return counting_weights(self.settings.weights)

    def batch(self, step: int) -> HeadStep:
        """Random stretches."""
        generator = batch_generator(self.settings.run.seed, step)
        return HeadStep(draw_heads(self.clips, self.settings.run.batch, self.measured, settings=self.settings.material,
                                   generator=generator), generator)

    def losses(self, batch: HeadStep, wanted: Collection[str]) -> StepLosses:
        """The learner's terms; the discriminator is shown statistics of its motion with the tones, and of the real one."""
        drawn, made = batch.drawn, self._made(batch)
        terms = {"error": lambda: self._error(made.mean, drawn),
                 "statistics": lambda: self._statistics_gap(made.whole, drawn),
                 "energy": lambda: self._energy_gap(made.whole, drawn)}
        inputs = None
        if "adversarial" in wanted:
            inputs = DiscriminatorInput(*(discriminator_statistics(x, drawn.lengths) for x in (made.whole, drawn.real)))
        return StepLosses({name: term() for name, term in terms.items() if name in wanted}, discriminator_input=inputs)

    def _made(self, batch: HeadStep) -> Trajectories:
        """Predictions, with tones where the learner has them."""
        source, count = None, len(batch.drawn.real)
        if self.settings.model.tones:
            source = ToneSource(generator=batch.generator, batch=count, rows=own_rows(count), device=batch.drawn.real.device)

        def paths(motion: Tensor, audio: Tensor, lengths: Tensor, sound: Tensor) -> Trajectories:
            return trajectories(self.model, Reference(motion, audio, lengths), sound, source)

        return Trajectories(*compute_together(paths, *batch.drawn.reference, batch.drawn.sound))

    def _error(self, path: Tensor, batch: HeadBatch) -> Tensor:
        """The squared error of the mean prediction, padding left out."""
        mask = known(path.shape[1], batch.lengths)[..., None]                                   # (B, T, 1)
        return ((path - batch.real).square() * mask).sum() / (mask.sum() * path.shape[2])

    def _statistics_gap(self, made: Tensor, batch: HeadBatch) -> Tensor:
        """Absolute differences of each stretch's mean, deviation, speed and bands, the latter summed."""
        gaps = [(one - other).abs() for one, other in zip(*(statistics(x, batch.lengths) for x in (made, batch.real)))]
        return sum(gap.mean() for gap in gaps[:3]) + gaps[3].sum(1).mean()

    def _energy_gap(self, made: Tensor, batch: HeadBatch) -> Tensor:
        """How far the batch's energy in each band of each number is from the real one: squared logarithms of ratios."""
        ours, real = (statistics(x, batch.lengths)[3].square().mean(0) + 1e-4 for x in (made, batch.real))     # (K, C)
        return (ours / real).log().square().mean()

    def metrics(self, model: HeadMotion, *, step: int) -> dict[str, float]:
        """Distances on people never trained on; see `HeadValidator`."""
        return self.validator.figures(model)

    def finish(self, model: HeadMotion, out: Path) -> Path:
        """The weight file `out`/head_motion.safetensors: mean prediction shrunk, with the mean code and codes of train people.

        Codes are of the shrunk network, whose typical code is made before it: `shrink_mean_prediction` changes that one too.
        """
        with torch.no_grad():
            model.typical.copy_(model.encode(references_of(self.clips, model, frames=TAU)).mean(0))
        shrink_mean_prediction(model)
        keep_people(model, self.clips)
        return save_weights(out / WEIGHT_FILE, model.state_dict(), config={"head_motion": config_dict(self.settings.model)},
                            half=True)


@checked
def train_head_motion(corpus: Corpus, out: str | Path, settings: HeadTrainSettings) -> TrainReport:
    """The learner trained on the corpus's train people and kept by what it predicts for its val people.

    Goes on where an earlier call stopped. The averaged weights of the best validation become `out`/head_motion.safetensors,
    mean prediction shrunk (`shrinkage.py`), with the mean code of train people for whoever gives no reference. ValueError,
    before any work, when the corpus is not enough.

    >>> import headsync
    >>> settings = headsync.load_settings("head-motion", "tiny", "run.steps=2")
    >>> headsync.train_head_motion(headsync.open_corpus("people"), "runs/head_motion", settings).weights.name
    'head_motion.safetensors'
    """
    require(corpus, NEEDS["head-motion"]._replace(sound=not settings.material.silent_clips))
    form = dict(sound=settings.model.sound, silent=settings.material.silent_clips)
    clips, val = (read_head_clips(corpus, split, **form) for split in ("train", "val"))
    return train_task(HeadMotionTask(settings, clips, HeadValidator(val)), out)
