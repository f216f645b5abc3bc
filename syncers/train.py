"""Training of the syncers: one level at a time, judged by retrieval on people never trained on.

Shapes: n windows of a batch, E embedding features.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from headsync.corpus import NEEDS, Corpus, require
from headsync.experiment import (
    LoopResult,
    LoopSettings,
    compute_together,
    config_dict,
    follow,
    save_weights,
    share_gradients,
    train_whole,
)
from headsync.landmarks import LEVELS
from syncers.data import Batch, MaterialSettings, NamedTalk, build_material, draw_batch, draw_sequences, of_half, read_talks
from syncers.losses import LEAST_WINDOWS, NEGATIVES, Contrast, info_nce, lag_contrast, negative_weights, triplet
from syncers.model import LevelSyncer, SyncerSettings

JUDGED_BATCHES = 8
WEIGHT_FILE = "{family}.safetensors"


@dataclass(frozen=True)
class TrainSettings:
    """A whole run: one syncer per level."""

    family: Literal["loss", "metric"] = "loss"
    syncer: SyncerSettings = field(default_factory=SyncerSettings)
    levels: int = LEVELS
    material: MaterialSettings = field(default_factory=MaterialSettings)
    loop: LoopSettings = field(default_factory=lambda: LoopSettings(steps=1500, validate_every=250, monitor="accuracy",
                                                                   mode="max"))
    seed: int = 0
    people: Literal["all", "first", "second"] = "all"   # of the train people: all, or one of two halves by a hash
    clips: int = 32                 # sequences of a batch
    windows: int = 24               # windows of each
    rate: float = 2e-3
    decay: float = 0.05
    warmup_steps: int = 100
    average: float = 0.99           # of the weights, what is judged and kept
    margin: float = 0.3             # metric family
    lag_weight: float = 0.0         # of the loss on whole stretches
    lag_sequences: int = 16
    lag_frames: int = 100
    lag_temperature: float = 0.03
    loudness: float = 0.5           # level jitter, standard deviations of the first cepstrum's scale
    wandb: Literal["disabled", "offline", "online"] = "disabled"

    def __post_init__(self):
        if not 1 <= self.levels <= LEVELS:
            raise ValueError(f"there are 1 to {LEVELS} levels, got {self.levels}")
        if self.lag_frames < 2 ** (self.levels - 1) * (self.syncer.channels.window + LEAST_WINDOWS - 1):
            raise ValueError(f"lag_frames must leave {LEAST_WINDOWS} windows at level {self.levels}, got {self.lag_frames}")
        if (self.family == "loss") != self.syncer.normalised:
            raise ValueError("loss syncers need syncer.normalised=true, metric syncers false")


class LevelTraining:
    """One level's syncer, its optimiser, its data, and its running average: a `Trainee`."""

    def __init__(self, settings: TrainSettings, level: int, train: Sequence[NamedTalk], val: Sequence[NamedTalk]):
        self.settings, self.level = settings, level
        seed = 100 * settings.seed + level
        torch.manual_seed(seed)
        self.generator = torch.Generator().manual_seed(seed)
        form = settings.syncer
        self.material = build_material([one.talk for one in train], form.channels, level=level,
                                       generator=self.generator, settings=settings.material)
        self.judged = build_material([one.talk for one in val], form.channels, level=level, generator=self.generator)
        self.syncer = LevelSyncer(form)
        self.syncer.standardise_by(self.material.motion, self.material.audio)
        self.average = LevelSyncer(form)
        self.average.load_state_dict(self.syncer.state_dict())
        matrices = [one for one in self.syncer.parameters() if one.ndim > 1]
        others = [one for one in self.syncer.parameters() if one.ndim <= 1]
        self.optimiser = torch.optim.AdamW([{"params": matrices, "weight_decay": settings.decay},
                                            {"params": others, "weight_decay": 0.0}], settings.rate, (0.9, 0.98))
        self.steps = 0

    def step(self) -> dict[str, float]:
        """One optimisation step: loss and in-batch retrieval accuracy beside its chance."""
        self._set_rate()
        self.syncer.train()
        batch = draw_batch(self.material, clips=self.settings.clips, windows=self.settings.windows,
                           generator=self.generator)
        contrast = self._contrast(self.syncer, self._louder(batch))
        lag = self._lag_loss()
        self.optimiser.zero_grad()
        (contrast.loss + self.settings.lag_weight * lag).backward()
        share_gradients(self.syncer.parameters())
        torch.nn.utils.clip_grad_norm_(self.syncer.parameters(), 1.0)
        self.optimiser.step()
        self.steps += 1
        follow(self.average, self.syncer, share=self.settings.average, step=self.steps)
        return {"loss": contrast.loss.item(), "lag": lag.item(), "accuracy": contrast.accuracy.item(),
                "chance": 1 / len(batch.step), "temperature": self.syncer.temperature.item()}

    def _set_rate(self) -> None:
        share = min(1.0, self.steps / self.settings.loop.steps)
        factor = min(1.0, (self.steps + 1) / self.settings.warmup_steps) * (0.51 + 0.5 * math.cos(math.pi * share))
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.rate * factor

    def _louder(self, batch: Batch) -> Batch:
        """Each clip a little louder or quieter: the first cepstrum, or all rows, moved by one number per clip."""
        numbers, inverse = batch.clip.unique(return_inverse=True)
        shift = self.settings.loudness * torch.randn(len(numbers), generator=self.generator)[inverse][:, None, None]
        if self.settings.syncer.channels.audio == "rows":
            return batch._replace(audio=batch.audio + shift)
        return batch._replace(audio=torch.cat([batch.audio[..., :1] + shift, batch.audio[..., 1:]], dim=-1))

    def _contrast(self, syncer: LevelSyncer, batch: Batch) -> Contrast:
        """The mean over the branches, each of which must find the sound by itself."""
        found = []
        embedded = (compute_together(syncer.branch_motion, batch.motion), compute_together(syncer.branch_audio, batch.audio))
        for motion, audio in zip(*embedded):                                                        # (n, E)
            if self.settings.family == "loss":
                found.append(info_nce(motion, audio, clip=batch.clip, step=batch.step, temperature=syncer.temperature))
            else:
                found.append(triplet(motion, audio, clip=batch.clip, step=batch.step, margin=self.settings.margin))
        return Contrast(*(torch.stack(scalars).mean() for scalars in zip(*found)))

    def _lag_loss(self) -> Tensor:
        """The true lag of whole stretches against all others; 0 when no clip is long enough or nothing is asked."""
        if not self.settings.lag_weight:
            return torch.zeros(())
        steps = -(-self.settings.lag_frames // 2 ** (self.level - 1))
        drawn = draw_sequences(self.material, count=self.settings.lag_sequences, steps=steps, generator=self.generator)
        if drawn is None:
            return torch.zeros(())
        motion, audio = drawn                                                       # (B, n, 5, C), (B, n, 20, C')
        B, n = motion.shape[:2]
        losses = []
        embedded = (compute_together(self.syncer.branch_motion, motion.flatten(0, 1)),
                    compute_together(self.syncer.branch_audio, audio.flatten(0, 1)))
        for one, other in zip(*embedded):
            losses.append(lag_contrast(one.unflatten(0, (B, n)), other.unflatten(0, (B, n)),
                                       temperature=self.settings.lag_temperature).loss)
        return torch.stack(losses).mean()

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss and retrieval of the right window among 1 + 48 by the averaged weights; always the same batches."""
        generator = torch.Generator().manual_seed(self.settings.seed)
        self.average.eval()
        losses, found = [], []
        for _ in range(JUDGED_BATCHES):
            batch = draw_batch(self.judged, clips=self.settings.clips, windows=self.settings.windows, generator=generator)
            losses.append(self._contrast(self.average, batch).loss)
            found.append(retrieval(self.average, batch, generator=generator))
        return {"loss": torch.stack(losses).mean().item(), "accuracy": torch.cat(found).float().mean().item(),
                "chance": 1 / (1 + NEGATIVES)}

    def state(self) -> dict[str, Any]:
        """Everything that a step changes."""
        return {"syncer": self.syncer.state_dict(), "average": self.average.state_dict(), "steps": self.steps,
                "optimiser": self.optimiser.state_dict(), "generator": self.generator.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.syncer.load_state_dict(state["syncer"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        self.steps = state["steps"]


def retrieval(syncer: LevelSyncer, batch: Batch, *, generator: torch.Generator) -> Tensor:
    """Whether each motion window (n,) finds its sound among 48 drawn negatives: as drawn in training, half of its own clip.

    Chance is 1 / 49; batches with fewer windows offer fewer negatives.
    """
    scores = -torch.cdist(syncer.motion(batch.motion), syncer.audio(batch.audio))   # (n, n)
    weights = negative_weights(batch.clip, batch.step)
    noise = -torch.log(-torch.log(torch.rand(weights.shape, generator=generator)))  # Gumbel: draws without replacement
    own = torch.eye(len(weights), dtype=torch.bool)
    ranked = (weights + noise).masked_fill(own | (weights < -1e3), -torch.inf)
    drawn = ranked.topk(min(NEGATIVES, len(weights) - 1), dim=1)
    rivals = scores.gather(1, drawn.indices).masked_fill(drawn.values.isinf(), -torch.inf)
    return scores.diagonal() > rivals.max(1).values  # (n,)


class TrainReport(NamedTuple):
    """What `train_syncers` left behind."""

    weights: Path
    levels: list[LoopResult]


def train_syncers(corpus: Corpus, out: str | Path, settings: TrainSettings) -> TrainReport:
    """All levels of a family, trained on the corpus's train people and stopped early on its val people.

    Each level has a run folder `level1` ... under `out` and goes on where an earlier call stopped. The averaged weights of
    every level's best validation become one weight file. ValueError, before any work, when the corpus is not enough.
    """
    out, step = Path(out), 2 ** (settings.levels - 1)
    window = settings.syncer.channels.window
    need = NEEDS["syncers"]._replace(train_frames=step * window, val_frames=step * (window + LEAST_WINDOWS - 2) + 1)
    require(corpus, need)
    train, val = (read_talks(corpus, usable(corpus, split)) for split in ("train", "val"))
    train = of_half(train, settings.people)
    names = {one.name for one in train}
    require(corpus, need, train=[clip for clip in corpus.select("train") if clip.clip in names])
    results, tensors = [], {}
    for level in range(1, settings.levels + 1):
        result, best = train_whole(LevelTraining(settings, level, train, val), out / f"level{level}", settings)
        if result.step < settings.loop.steps and not result.stopped_early:
            raise KeyboardInterrupt     # stopped by a signal: the levels after it shall not begin
        results.append(result)
        tensors |= {f"levels.{level - 1}.{name}": one for name, one in best["average"].items()}
    path = out / WEIGHT_FILE.format(family=settings.family)
    forms = [config_dict(settings.syncer)] * settings.levels
    save_weights(path, tensors, config={"family": settings.family, "levels": forms}, half=True)
    return TrainReport(path, results)


def usable(corpus: Corpus, split: str) -> list:
    """The split's clips with sound that are not known to be unsure of their synchrony."""
    clips = [clip for clip in corpus.select(split, talking=True) if clip.sync != "unsure"]
    if not clips:
        raise ValueError(f"{corpus.folder} has no talking clip in its {split} split; syncers need some")
    return clips
