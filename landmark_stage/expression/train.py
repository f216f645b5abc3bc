"""Training of the expression learner: components weighted by their variance, lips point by point, velocities.

Shapes: B stretches, T frames, L = 68 landmarks, P = 20 components. Source: Rhythmic Head section 3.2; facts 2.2.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from headsync.corpus import NEEDS, Corpus, require
from headsync.experiment import (
    LoopSettings,
    TrainReport,
    check_loss_weights,
    compute_together,
    config_dict,
    counting_weights,
    follow,
    half_cosine,
    save_weights,
    share_batch_norms,
    share_gradients,
    train_whole,
    weighted_sum,
)
from headsync.experiment.precision import in_float32
from headsync.landmarks import GROUPS
from landmark_stage.expression.data import (
    LEAST_FRAMES,
    ExpressionClip,
    ExpressionMaterialSettings,
    draw_expressions,
    measure,
    read_expressions,
)
from landmark_stage.expression.network import LANDMARKS, Expression, ExpressionSettings, padded

WEIGHT_FILE = "expression.safetensors"
MOUTH = list(GROUPS["mouth"])
LARGEST_GRADIENT = 1.0
LAST_SHARE = 0.05           # of the rate, at the end


@dataclass(frozen=True)
class ExpressionLossWeights:
    """What each term counts; a term of weight 0 is not computed. The defaults are the public code's: components alone."""

    components: float = 1.0         # squared error, each weighted by its variance
    mouth: float = 0.0              # absolute error of the mouth's points, in canonical pixels
    velocity: float = 0.0           # absolute error of their steps from frame to frame

    def __post_init__(self):
        check_loss_weights(asdict(self))
        if not any(asdict(self).values()):
            raise ValueError(f"weights of losses must be 0 or more and one above it, got {asdict(self)}")


@dataclass(frozen=True)
class ExpressionTrainSettings:
    """A whole run. The defaults are the public code's, repaired."""

    model: ExpressionSettings = field(default_factory=ExpressionSettings)
    material: ExpressionMaterialSettings = field(default_factory=ExpressionMaterialSettings)
    weights: ExpressionLossWeights = field(default_factory=ExpressionLossWeights)
    loop: LoopSettings = field(default_factory=lambda: LoopSettings(steps=20000, validate_every=500, monitor="lmd"))
    batch: int = 4
    rate: float = 2e-5
    momentum: float = 0.5           # Adam's first beta
    decay: float = 0.0
    average: float = 0.99           # of the weights, what is judged and kept
    seed: int = 0
    wandb: Literal["disabled", "offline", "online"] = "disabled"

    def __post_init__(self):
        if self.batch < 1 or not 0 < self.rate < 1 or not 0 <= self.average < 1:
            raise ValueError(f"batch must be 1 or more, rate in (0, 1) and average in [0, 1), got {self.batch}, {self.rate} "
                             f"and {self.average}")


@torch.no_grad()
@in_float32
def predicted_faces(model: Expression, clip: ExpressionClip, rest: Tensor | None = None) -> Tensor:
    """Frontal faces (T, 3 L) for a clip's sound, from its face at rest or another one (3 L,)."""
    rest = clip.rest if rest is None else rest
    sound = padded(model.eval().standard_sound(clip.sound)[None], model)
    return rest + model.spoken(sound, model.shape_code(rest[None]))[0]  # (T, 3 L)


def mouth_error(made: Tensor, real: Tensor) -> float:
    """The mean distance of the mouth's 20 points, in x and y, of frontal faces (T, 3 L), in canonical pixels."""
    apart = (made - real).unflatten(-1, (LANDMARKS, 3))[:, MOUTH, :2]
    return float(apart.norm(dim=-1).mean())


class ExpressionTraining:
    """The learner, its optimiser and its running average: a `Trainee`."""

    def __init__(self, settings: ExpressionTrainSettings, clips: Sequence[ExpressionClip], val: Sequence[ExpressionClip]):
        torch.manual_seed(settings.seed)
        self.settings, self.clips, self.val = settings, clips, val
        self.random = torch.Generator().manual_seed(settings.seed)
        self.model = share_batch_norms(Expression(settings.model))
        measure(self.model, clips)
        self.average = Expression(settings.model).requires_grad_(False).eval()
        self.average.load_state_dict(self.model.state_dict())
        self.optimiser = torch.optim.AdamW(self.model.parameters(), settings.rate, (settings.momentum, 0.999),
                                           weight_decay=settings.decay)
        self.steps = 0

    def step(self) -> dict[str, float]:
        """One step on a batch of stretches."""
        self._set_rate()
        batch = draw_expressions(self.clips, self.settings.batch, self.model, settings=self.settings.material,
                                 generator=self.random)
        losses = self._losses(compute_together(self.model.train(), batch.sound, batch.shape), batch.real)
        weights = counting_weights(self.settings.weights)
        total = weighted_sum(weights, losses)
        self.optimiser.zero_grad()
        total.backward()
        share_gradients(self.model.parameters())
        nn.utils.clip_grad_norm_(self.model.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        self.steps += 1
        follow(self.average, self.model, share=self.settings.average, step=self.steps)
        return {name: loss.item() for name, loss in losses.items()} | {"total": total.item()}

    def _losses(self, made: Tensor, real: Tensor) -> dict[str, Tensor]:
        """The terms, each where its weight is not 0, of components (B, T, P) made and expressions (B, T, 3 L) real."""
        model = self.model
        share = model.spread.square() / model.spread.square().sum()                             # (P,)
        ours, theirs = (faces.unflatten(-1, (LANDMARKS, 3))[:, :, MOUTH, :2] for faces in (model.faces(made), real))
        terms = {"components": lambda: ((made - model.components(real)).square() * share).sum(-1).mean(),
                 "mouth": lambda: (ours - theirs).abs().mean(),
                 "velocity": lambda: (ours.diff(dim=1) - theirs.diff(dim=1)).abs().mean()}
        return {name: term() for name, term in terms.items() if getattr(self.settings.weights, name)}

    def _set_rate(self) -> None:
        """Half a cosine from the rate to a twentieth of it."""
        share = half_cosine(self.steps / self.settings.loop.steps, last=LAST_SHARE)
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.rate * share

    def validate(self) -> dict[str, float]:
        """The mouth's error on people never trained on, and how large the made motion is as a share of the real one."""
        made = [predicted_faces(self.average, clip) for clip in self.val]
        errors = [mouth_error(one, clip.faces) for one, clip in zip(made, self.val)]
        spread = [float(one.std(0).mean() / clip.faces.std(0).mean()) for one, clip in zip(made, self.val)]
        return {"lmd": float(np.mean(errors)), "spread": float(np.mean(spread))}

    def state(self) -> dict[str, Any]:
        """Everything that a step changes."""
        return {"model": self.model.state_dict(), "average": self.average.state_dict(), "steps": self.steps,
                "optimiser": self.optimiser.state_dict(), "random": self.random.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name in ("model", "average", "optimiser"):
            getattr(self, name).load_state_dict(state[name])
        self.random.set_state(state["random"])
        self.steps = state["steps"]


def train_expression(corpus: Corpus, out: str | Path, settings: ExpressionTrainSettings) -> TrainReport:
    """The learner trained on the corpus's train people and kept by its error on the mouths of its val people.

    Goes on where an earlier call stopped. The averaged weights of the best validation become `out`/expression.safetensors.
    ValueError, before any work, when the corpus is not enough.
    """
    out = Path(out)
    require(corpus, NEEDS["expression"]._replace(train_frames=max(settings.material.frames, LEAST_FRAMES)))
    training = ExpressionTraining(settings, *(read_expressions(corpus, split, sound=settings.model.sound)
                                              for split in ("train", "val")))
    result, best = train_whole(training, out, settings)
    weights = save_weights(out / WEIGHT_FILE, best["average"], config={"expression": config_dict(settings.model)},
                           half=True)
    return TrainReport(weights, result)
