"""Training of the syncers: one level at a time, evaluated by retrieval on people never trained on.

Shapes: n windows of a batch, E embedding features.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from headsync.corpus import NEEDS, Corpus, of_half, require
from headsync.experiment import (
    LoopResult,
    Parts,
    RunSettings,
    StepLosses,
    batch_generator,
    compute_together,
    config_dict,
    decayed_matrices,
    moved,
    save_weights,
    train_whole,
)
from headsync.landmarks import LEVELS
from headsync.media import checked
from syncers.data import Batch, MaterialSettings, NamedSample, build_material, draw_batch, draw_sequences, read_samples
from syncers.losses import LEAST_WINDOWS, NEGATIVES, Contrast, info_nce, lag_contrast, negative_weights, triplet
from syncers.model import LevelSyncer, SyncerSettings

VALIDATION_BATCHES = 8
WEIGHT_FILE = "syncers.safetensors"


MARGIN = 0.3                        # of the triplet loss
LAG_SEQUENCES, LAG_FRAMES, LAG_TEMPERATURE = 16, 100, 0.03      # of the loss on whole stretches


@dataclass(frozen=True)
class TrainSettings:
    """A whole training: one syncer per level. A batch is of `run.batch` sequences."""

    family: Literal["loss", "metric"]
    syncer: SyncerSettings
    levels: int
    material: MaterialSettings
    people: Literal["all", "first", "second"]   # of the train people: all, or one of two halves by a hash
    windows: int                    # of each sequence of a batch
    lag_weight: float               # of the loss on whole stretches
    loudness: float                 # level jitter, standard deviations of the first cepstrum's scale
    run: RunSettings

    def __post_init__(self):
        if not 1 <= self.levels <= LEVELS:
            raise ValueError(f"there are 1 to {LEVELS} levels, got {self.levels}")
        if LAG_FRAMES < 2 ** (self.levels - 1) * (self.syncer.channels.window + LEAST_WINDOWS - 1):
            raise ValueError(f"stretches of {LAG_FRAMES} frames do not hold {LEAST_WINDOWS} windows at level {self.levels}; "
                             "lower syncer.channels.window or levels")
        if (self.family == "loss") != self.syncer.normalised:
            raise ValueError("loss syncers need syncer.normalised=true, metric syncers false")


class LevelStep(NamedTuple):
    """What a step of one level needs."""

    windows: Batch
    stretches: tuple[Tensor, Tensor] | None     # (B, n, 5, C), (B, n, 5k, C'); None: there are none


class LevelTask:
    """One level's syncer as a `Task`."""

    def __init__(self, settings: TrainSettings, level: int, train: Sequence[NamedSample], val: Sequence[NamedSample]):
        self.settings, self.level, self.train, self.val = settings, level, train, val
        self.seed = 100 * settings.run.seed + level

    def build(self) -> Parts:
        """The syncer, and the material of both sides."""
        form, generator = self.settings.syncer, torch.Generator().manual_seed(self.seed)
        torch.manual_seed(self.seed)
        self.material = build_material([one.sample for one in self.train], form.channels, level=self.level,
                                       generator=generator, settings=self.settings.material)
        self.unseen = build_material([one.sample for one in self.val], form.channels, level=self.level, generator=generator)
        self.syncer = LevelSyncer(form)
        self.syncer.standardise_by(self.material.motion, self.material.audio)
        return Parts(self.syncer, groups=decayed_matrices([self.syncer], self.settings.run.weight_decay))

    def weights(self, step: int) -> dict[str, float]:
        """The contrast of windows, and that of lags where it counts."""
        return {"contrast": 1.0} | ({"lag": self.settings.lag_weight} if self.settings.lag_weight else {})

    def batch(self, step: int) -> LevelStep:
        """Windows, louder or quieter by the clip, and whole stretches."""
        run = self.settings.run
        generator, stretches = batch_generator(self.seed, step), None
        drawn = draw_batch(self.material, clips=run.batch, windows=self.settings.windows, generator=generator)
        louder = self._louder(drawn, generator)
        if self.settings.lag_weight:
            stretches = draw_sequences(self.material, count=LAG_SEQUENCES, steps=-(-LAG_FRAMES // 2 ** (self.level - 1)),
                                       generator=generator)
        return LevelStep(louder, stretches)

    def _louder(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Each clip a little louder or quieter: the first cepstrum, or all rows, moved by one number per clip.

        Not where a network makes the features, for which all sounds are equally loud.
        """
        if self.settings.syncer.channels.features not in ("fbank26", "mfcc26"):
            return batch
        numbers, inverse = batch.clip.unique(return_inverse=True)
        shift = self.settings.loudness * torch.randn(len(numbers), generator=generator)[inverse][:, None, None]
        if self.settings.syncer.channels.audio == "rows" and self.settings.syncer.channels.features == "fbank26":
            return batch._replace(audio=batch.audio + shift)
        return batch._replace(audio=torch.cat([batch.audio[..., :1] + shift, batch.audio[..., 1:]], dim=-1))

    def losses(self, batch: LevelStep, wanted: Collection[str]) -> StepLosses:
        """Both contrasts, and how often the right window was nearest beside its chance."""
        contrast = self._contrast(self.syncer, batch.windows)
        losses = {"contrast": contrast.loss}
        if "lag" in wanted:
            losses["lag"] = self._lag_loss(*batch.stretches) if batch.stretches else contrast.loss.new_zeros(())
        return StepLosses(losses, {"accuracy": contrast.accuracy, "chance": 1 / len(batch.windows.step),
                              "temperature": self.syncer.temperature.detach()})

    def _contrast(self, syncer: LevelSyncer, batch: Batch) -> Contrast:
        """The mean over the branches, each of which must find the sound by itself."""
        found = []
        embedded = (compute_together(syncer.branch_motion, batch.motion), compute_together(syncer.branch_audio, batch.audio))
        for motion, audio in zip(*embedded):                                                        # (n, E)
            if self.settings.family == "loss":
                found.append(info_nce(motion, audio, clip=batch.clip, step=batch.step, temperature=syncer.temperature))
            else:
                found.append(triplet(motion, audio, clip=batch.clip, step=batch.step, margin=MARGIN))
        return Contrast(*(torch.stack(scalars).mean() for scalars in zip(*found)))

    def _lag_loss(self, motion: Tensor, audio: Tensor) -> Tensor:
        """The true lag of whole stretches (B, n, 5, C), (B, n, 5k, C') against all others."""
        B, n = motion.shape[:2]
        embedded = (compute_together(self.syncer.branch_motion, motion.flatten(0, 1)),
                    compute_together(self.syncer.branch_audio, audio.flatten(0, 1)))
        losses = [lag_contrast(one.unflatten(0, (B, n)), other.unflatten(0, (B, n)), temperature=LAG_TEMPERATURE).loss
                  for one, other in zip(*embedded)]
        return torch.stack(losses).mean()

    def metrics(self, model: LevelSyncer, *, step: int) -> dict[str, float]:
        """Loss and retrieval of the right window among 1 + 48; always the same batches."""
        generator = torch.Generator().manual_seed(self.settings.run.seed)
        losses, found = [], []
        for _ in range(VALIDATION_BATCHES):
            batch = draw_batch(self.unseen, clips=self.settings.run.batch, windows=self.settings.windows, generator=generator)
            batch = moved(batch, model.motion_mean.device)
            losses.append(self._contrast(model, batch).loss)
            found.append(retrieval(model, batch, generator=generator))
        return {"loss": torch.stack(losses).mean().item(), "accuracy": torch.cat(found).float().mean().item(),
                "chance": 1 / (1 + NEGATIVES)}


def retrieval(syncer: LevelSyncer, batch: Batch, *, generator: torch.Generator) -> Tensor:
    """Whether each motion window (n,) finds its sound among 48 drawn negatives: as drawn in training, half of its own clip.

    Chance is 1 / 49; batches with fewer windows offer fewer negatives.
    """
    scores = -torch.cdist(syncer.motion(batch.motion), syncer.audio(batch.audio))   # (n, n)
    weights = negative_weights(batch.clip, batch.step)
    chances = torch.rand(weights.shape, generator=generator).to(weights)
    noise = -torch.log(-torch.log(chances))     # Gumbel: draws without replacement
    own = torch.eye(len(weights), dtype=torch.bool, device=weights.device)
    ranked = (weights + noise).masked_fill(own | (weights < -1e3), -torch.inf)
    drawn = ranked.topk(min(NEGATIVES, len(weights) - 1), dim=1)
    rivals = scores.gather(1, drawn.indices).masked_fill(drawn.values.isinf(), -torch.inf)
    return scores.diagonal() > rivals.max(1).values  # (n,)


class TrainReport(NamedTuple):
    """What `train_syncers` left behind."""

    weights: Path
    levels: list[LoopResult]


@checked
def train_syncers(corpus: Corpus, out: str | Path, settings: TrainSettings) -> TrainReport:
    """All levels of a family, trained on the corpus's train people and stopped early on its val people.

    Each level has a run folder `level1` ... under `out` and goes on where an earlier call stopped. The averaged weights of
    every level's best validation become one weight file. ValueError, before any work, when the corpus is not enough.

    >>> import headsync
    >>> settings = headsync.load_settings("syncers", "tiny", "run.steps=2")
    >>> headsync.train_syncers(headsync.open_corpus("people"), "runs/loss", settings).weights.name
    'syncers.safetensors'
    """
    out, step = Path(out), 2 ** (settings.levels - 1)
    window = settings.syncer.channels.window
    need = NEEDS["syncers"]._replace(train_frames=step * window, val_frames=step * (window + LEAST_WINDOWS - 2) + 1)
    require(corpus, need)
    kind = settings.syncer.channels.features
    train, val = (read_samples(corpus, usable(corpus, split), features=kind) for split in ("train", "val"))
    train = of_half(train, settings.people)
    names = {one.name for one in train}
    require(corpus, need, train=[clip for clip in corpus.select("train") if clip.clip in names])
    results, tensors = [], {}
    for level in range(1, settings.levels + 1):
        result, syncer = train_whole(LevelTask(settings, level, train, val), out / f"level{level}")
        if result.step < settings.run.steps and not result.stopped_early:
            raise KeyboardInterrupt     # stopped by a signal: the levels after it shall not begin
        results.append(result)
        tensors |= {f"levels.{level - 1}.{name}": one for name, one in syncer.state_dict().items()}
    path = out / WEIGHT_FILE
    forms = [config_dict(settings.syncer)] * settings.levels
    save_weights(path, tensors, config={"family": settings.family, "levels": forms}, half=True)
    return TrainReport(path, results)


def usable(corpus: Corpus, split: str) -> list:
    """The split's clips with sound that are not known to be unsure of their synchrony."""
    clips = [clip for clip in corpus.select(split, talking=True) if clip.sync != "unsure"]
    if not clips:
        raise ValueError(f"{corpus.folder} has no talking clip in its {split} split; syncers need some")
    return clips
