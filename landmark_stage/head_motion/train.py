"""Training of the head-motion learner: squared error of the mean path, statistics of the whole, and a judge that reaches it.

Shapes: B stretches, T frames, C = 6 numbers of a head. Source: Rhythmic Head section 3.3, facts 2.3 and decision 11.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
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
    own_rows,
    save_weights,
    share_gradients,
    train_whole,
    weighted_sum,
)
from landmark_stage.head_motion.calm import calm
from landmark_stage.head_motion.data import (
    HeadBatch,
    HeadClip,
    HeadMaterialSettings,
    about_mean,
    draw_heads,
    read_head_clips,
    references_of,
)
from landmark_stage.head_motion.judge import HeadJudge, statistics
from landmark_stage.head_motion.network import (
    TAU,
    HeadMotion,
    HeadMotionSettings,
    Reference,
    Trajectories,
    trajectories,
)
from landmark_stage.head_motion.statistics import band_covariances, judged_statistics, known
from landmark_stage.head_motion.tones import ToneSource
from syncers import ChannelSettings, audio_channels

WEIGHT_FILE = "head_motion.safetensors"
JUDGED = 24
LARGEST_GRADIENT = 1.0


@dataclass(frozen=True)
class HeadLossWeights:
    """What each term counts; a term of weight 0 is not computed."""

    error: float = 1.0          # squared, of the mean path
    judge: float = 0.1
    statistics: float = 0.0     # of each stretch: absolute differences of mean, deviation, speed and bands
    energy: float = 0.0         # of a batch as a whole: medians are smaller than means, and this asks for the means

    def __post_init__(self):
        check_loss_weights(asdict(self))


@dataclass(frozen=True)
class HeadTrainSettings:
    """A whole run. The defaults are the public code's, repaired."""

    model: HeadMotionSettings = field(default_factory=HeadMotionSettings)
    material: HeadMaterialSettings = field(default_factory=HeadMaterialSettings)
    weights: HeadLossWeights = field(default_factory=HeadLossWeights)
    loop: LoopSettings = field(default_factory=lambda: LoopSettings(steps=4000, validate_every=100, monitor="distance"))
    judge_hidden: int = 0           # of the discriminator; 0: linear, as in the public code
    batch: int = 64
    rate: float = 3e-4
    judge_rate: float = 3e-4
    decay: float = 2e-5             # of weights
    average: float = 0.99           # of the weights, what is judged and kept
    seed: int = 0
    wandb: Literal["disabled", "offline", "online"] = "disabled"

    def __post_init__(self):
        if self.batch < 2 or not 0 < self.rate < 1 or not 0 <= self.average < 1:
            raise ValueError(f"batch must be 2 or more, rate in (0, 1) and average in [0, 1), got {self.batch}, {self.rate} "
                             f"and {self.average}")


class HeadMotionTraining:
    """The learner, its discriminator, their optimisers and the running average: a `Trainee`."""

    def __init__(self, settings: HeadTrainSettings, clips: Sequence[HeadClip], judge: HeadJudge | None):
        torch.manual_seed(settings.seed)
        self.settings, self.clips, self.judge = settings, clips, judge
        self.random = torch.Generator().manual_seed(settings.seed)
        self.model = HeadMotion(settings.model)
        self._measure()
        self.average = HeadMotion(settings.model).requires_grad_(False).eval()
        self.average.load_state_dict(self.model.state_dict())
        hidden = settings.judge_hidden
        self.critic = nn.Sequential(nn.Linear(JUDGED, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1)) if hidden \
            else nn.Linear(JUDGED, 1)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), settings.rate, weight_decay=settings.decay)
        self.critic_optimiser = torch.optim.AdamW(self.critic.parameters(), settings.judge_rate, weight_decay=settings.decay)
        self.steps = 0

    @torch.no_grad()
    def _measure(self) -> None:
        """What is known of train people in closed form: scales of sound and motion, and how a head's numbers go together."""
        model, heard = self.model, [one.sound for one in self.clips if one.sound is not None]
        if heard:
            sound = torch.cat(heard)
            sound = audio_channels(sound[None], ChannelSettings())[0] if model.settings.sound == "rows" else sound[:, None]
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

    def step(self) -> dict[str, float]:
        """One step of the discriminator, then one of the learner, on the same batch."""
        batch = draw_heads(self.clips, self.settings.batch, self.model, settings=self.settings.material, generator=self.random)
        self.model.train()
        made = self._made(batch)
        told = self._critic_step(made.whole.detach(), batch) if self.settings.weights.judge else {}
        losses = self._losses(made, batch)
        weights = counting_weights(self.settings.weights)
        total = weighted_sum(weights, losses)
        self.optimiser.zero_grad()
        total.backward()
        share_gradients(self.model.parameters())
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        self.steps += 1
        follow(self.average, self.model, share=self.settings.average, step=self.steps)
        return told | {name: loss.item() for name, loss in losses.items()} | {"total": total.item(), "gradient": norm.item()}

    def _made(self, batch: HeadBatch) -> Trajectories:
        """Predictions, with tones where the learner has them."""
        source = None
        if self.settings.model.tones:
            source = ToneSource(generator=self.random, batch=len(batch.real), rows=own_rows(len(batch.real)))

        def paths(motion: Tensor, heard: Tensor, lengths: Tensor, sound: Tensor) -> Trajectories:
            return trajectories(self.model, Reference(motion, heard, lengths), sound, source)

        return Trajectories(*compute_together(paths, *batch.reference, batch.sound))

    def _critic_step(self, made: Tensor, batch: HeadBatch) -> dict[str, float]:
        real, fake = (self.critic(judged_statistics(x, batch.lengths)) for x in (batch.real, made))
        loss = F.softplus(-real).mean() + F.softplus(fake).mean()
        self.critic_optimiser.zero_grad()
        loss.backward()
        share_gradients(self.critic.parameters())
        self.critic_optimiser.step()
        return {"critic": loss.item(), "critic_real": real.mean().item(), "critic_fake": fake.mean().item()}

    def _losses(self, made: Trajectories, batch: HeadBatch) -> dict[str, Tensor]:
        """The learner's terms, each where its weight is not 0."""
        terms = {"error": lambda: self._error(made.mean, batch),
                 "judge": lambda: F.softplus(-self.critic(judged_statistics(made.whole, batch.lengths))).mean(),
                 "statistics": lambda: self._statistics_gap(made.whole, batch),
                 "energy": lambda: self._energy_gap(made.whole, batch)}
        return {name: term() for name, term in terms.items() if getattr(self.settings.weights, name)}

    def _error(self, path: Tensor, batch: HeadBatch) -> Tensor:
        """The squared error of the mean path, padding left out."""
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

    def validate(self) -> dict[str, float]:
        """Distances on people never trained on; see `HeadJudge`."""
        return self.judge.figures(self.average)

    def state(self) -> dict[str, Any]:
        """Everything that a step changes."""
        return {"model": self.model.state_dict(), "average": self.average.state_dict(), "steps": self.steps,
                "critic": self.critic.state_dict(), "optimiser": self.optimiser.state_dict(),
                "critic_optimiser": self.critic_optimiser.state_dict(), "random": self.random.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name in ("model", "average", "critic", "optimiser", "critic_optimiser"):
            getattr(self, name).load_state_dict(state[name])
        self.random.set_state(state["random"])
        self.steps = state["steps"]


def train_head_motion(corpus: Corpus, out: str | Path, settings: HeadTrainSettings) -> TrainReport:
    """The learner trained on the corpus's train people and kept by what it predicts for its val people.

    Goes on where an earlier call stopped. The averaged weights of the best validation become `out`/head_motion.safetensors,
    calmed (`head_motion_calm`), with the mean code of train people for whoever gives no reference. ValueError, before
    any work, when the corpus is not enough.
    """
    require(corpus, NEEDS["head-motion"]._replace(sound=not settings.material.silent_clips))
    out, form = Path(out), dict(sound=settings.model.sound, silent=settings.material.silent_clips)
    clips = read_head_clips(corpus, "train", **form)
    training = HeadMotionTraining(settings, clips, HeadJudge(read_head_clips(corpus, "val", **form)))
    result, best = train_whole(training, out, settings)
    model = HeadMotion(settings.model).eval()
    model.load_state_dict(best["average"])
    with torch.no_grad():
        model.typical.copy_(model.encode(references_of(clips, model, frames=TAU)).mean(0))
    calm(model)
    form = {"head_motion": config_dict(settings.model)}
    return TrainReport(save_weights(out / WEIGHT_FILE, model.state_dict(), config=form, half=True), result)
