"""Training of the expression learner: components weighted by their variance, lips point by point, velocities.

Shapes: B stretches, T frames, L = 68 landmarks, P = 20 components. Source: Rhythmic Head section 3.2;
method/rhythmic_head.md#expression.
"""

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from headsync.corpus import NEEDS, Corpus, require
from headsync.experiment import (
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
from headsync.experiment.precision import in_float32
from headsync.landmarks import GROUPS, lip_shapes
from headsync.media import checked
from headsync.metrics.lips import lip_metrics
from landmark_stage.expression.data import (
    LEAST_FRAMES,
    ExpressionBatch,
    ExpressionClip,
    ExpressionMaterialSettings,
    draw_expressions,
    measure,
    read_expressions,
)
from landmark_stage.expression.network import LANDMARKS, Expression, ExpressionSettings, padded

WEIGHT_FILE = "expression.safetensors"
MOUTH = list(GROUPS["mouth"])


@dataclass(frozen=True)
class ExpressionLossWeights:
    """What each term counts; a term of weight 0 is not computed."""

    components: float       # squared error, each weighted by its variance
    mouth: float            # absolute error of the mouth's points, in canonical pixels
    velocity: float         # absolute error of their steps from frame to frame

    def __post_init__(self):
        check_loss_weights(self)


@dataclass(frozen=True)
class ExpressionTrainSettings:
    """A whole training."""

    model: ExpressionSettings
    material: ExpressionMaterialSettings
    weights: ExpressionLossWeights
    run: RunSettings


@torch.no_grad()
@in_float32
def predicted_faces(model: Expression, clip: ExpressionClip, rest: Tensor | None = None) -> Tensor:
    """Frontal faces (T, 3 L) for a clip's sound, from its face at rest or another one (3 L,)."""
    device = model.basis.device
    rest = (clip.rest if rest is None else rest).to(device)
    sound = padded(model.eval().standard_sound(clip.sound.to(device))[None], model)
    return (rest + model.spoken(sound, model.shape_code(rest[None]))[0]).cpu()  # (T, 3 L)


def mouth_error(made: Tensor, real: Tensor) -> float:
    """The mean distance of the mouth's 20 points, in x and y, of frontal faces (T, 3 L), in canonical pixels."""
    apart = (made - real).unflatten(-1, (LANDMARKS, 3))[:, MOUTH, :2]
    return float(apart.norm(dim=-1).mean())


class ExpressionTask:
    """The expression learner as a `Task`."""

    def __init__(self, settings: ExpressionTrainSettings, clips: Sequence[ExpressionClip], val: Sequence[ExpressionClip]):
        self.settings, self.clips, self.val = settings, clips, val

    def build(self) -> Parts:
        """The learner, its components and scales measured."""
        self.model = Expression(self.settings.model)
        measure(self.model, self.clips)
        self.measured = copy.deepcopy(self.model)       # stays on the CPU, where batches are drawn
        return Parts(self.model)

    def weights(self, step: int) -> dict[str, float]:
        """The weights that are not 0."""
        return counting_weights(self.settings.weights)

    def batch(self, step: int) -> ExpressionBatch:
        """Random stretches."""
        run = self.settings.run
        return draw_expressions(self.clips, run.batch, self.measured, settings=self.settings.material,
                                generator=batch_generator(run.seed, step))

    def losses(self, batch: ExpressionBatch, wanted: Collection[str]) -> StepLosses:
        """The terms of components (B, T, P) made and expressions (B, T, 3 L) real."""
        model, made, real = self.model, compute_together(self.model, batch.sound, batch.shape), batch.real
        share = model.spread.square() / model.spread.square().sum()                             # (P,)
        ours, theirs = (faces.unflatten(-1, (LANDMARKS, 3))[:, :, MOUTH, :2] for faces in (model.faces(made), real))
        terms = {"components": lambda: ((made - model.components(real)).square() * share).sum(-1).mean(),
                 "mouth": lambda: (ours - theirs).abs().mean(),
                 "velocity": lambda: (ours.diff(dim=1) - theirs.diff(dim=1)).abs().mean()}
        return StepLosses({name: terms[name]() for name in wanted})

    def metrics(self, model: Expression, *, step: int) -> dict[str, float]:
        """The mouth's error on people never trained on, how large the made motion is as a share of the real one, and lips."""
        made = [predicted_faces(model, clip) for clip in self.val]
        errors = [mouth_error(one, clip.faces) for one, clip in zip(made, self.val)]
        spread = [float(one.std(0).mean() / clip.faces.std(0).mean()) for one, clip in zip(made, self.val)]
        lips = ([lip_shapes(faces.unflatten(-1, (LANDMARKS, 3)).numpy()) for faces in side]
                for side in (made, [clip.faces for clip in self.val]))
        return {"lmd": float(np.mean(errors)), "spread": float(np.mean(spread))} | lip_metrics(*lips)

    def finish(self, model: Expression, out: Path) -> Path:
        """The weight file `out`/expression.safetensors."""
        return save_weights(out / WEIGHT_FILE, model.state_dict(), config={"expression": config_dict(self.settings.model)},
                            half=True)


@checked
def train_expression(corpus: Corpus, out: str | Path, settings: ExpressionTrainSettings) -> TrainReport:
    """The learner trained on the corpus's train people and kept by its error on the mouths of its val people.

    Goes on where an earlier call stopped. The averaged weights of the best validation become `out`/expression.safetensors.
    ValueError, before any work, when the corpus is not enough.

    >>> import headsync
    >>> settings = headsync.load_settings("expression", "tiny", "run.steps=2")
    >>> headsync.train_expression(headsync.open_corpus("people"), "runs/expression", settings).weights.name
    'expression.safetensors'
    """
    require(corpus, NEEDS["expression"]._replace(train_frames=max(settings.material.frames, LEAST_FRAMES)))
    clips, val = (read_expressions(corpus, split, sound=settings.model.sound) for split in ("train", "val"))
    return train_task(ExpressionTask(settings, clips, val), out)
