"""Putting a corpus in sync: each clip's offset by syncers not trained on its speaker, used when it is sure.

Shapes: B clips, T frames. Real clips are early or late by up to some frames; a syncer trained on them learns to
tolerate it, and a generator trained with that syncer speaks late. Source: issue on sync correction; SyncNet does the same.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from headsync.corpus import Corpus, SyncRow, fold_of, minutes, record_sync
from headsync.experiment import Trainer
from headsync.media import stage, tracked
from syncers.data import NamedSample, read_samples
from syncers.measure import SyncSample, aligned, level_profiles, mismatched
from syncers.model import SyncerPyramid
from syncers.offset import LagProfile
from syncers.train import LevelTask, TrainSettings

LARGEST_OFFSET_FRAMES = 8   # clips claimed to be farther off are not believed
SURE_SHARE = 0.95           # of mismatched pairs of like length that a sure clip's margin exceeds
LENGTHS = (0, 36, 60, 100, 200)     # frames; margins of mismatched pairs depend on the length
ITSELF_MINUTES, ITSELF_PEOPLE = 15, 20      # of train material, from which on a corpus corrects itself by default
MOST_PASSES, LEAST_STEPS = 30, 60           # of a fold's syncer over its windows: more only overfit a small corpus


@dataclass(frozen=True)
class CorrectionSettings:
    """Cross-fitting: the folds' syncers are the first level of `train`, for its steps; fewer on a small corpus."""

    folds: int
    rounds: int
    train: TrainSettings

    def __post_init__(self):
        if self.folds < 2 or self.rounds < 1:
            raise ValueError(f"cross-fitting needs 2 folds and 1 round or more, got {self.folds} and {self.rounds}")


class Estimate(NamedTuple):
    """A clip's offset and how far it stands out."""

    frames: int         # by which the sound is late
    margin: float       # smallest distance away from the peak minus the smallest of all
    sure: bool


def estimate(pyramid: SyncerPyramid, samples: Sequence[NamedSample]) -> dict[str, Estimate]:
    """An estimate per clip of at least two seconds' sense: sure when its margin exceeds that of mismatched audio.

    The threshold is the 95th percentile of the margins that clips of like length reach with another clip's sound.
    """
    profiles = {one.name: _first_profile(pyramid, one.sample) for one in tracked(samples, "evaluating clips", unit="clip")}
    strangers = {one.name: _first_profile(pyramid, mismatched(one.sample, other.sample))
                 for one, other in zip(samples, [*samples[7:], *samples[:7]]) if one.name != other.name}
    lengths = {one.name: len(one.sample.flat) for one in samples}
    thresholds = _thresholds(strangers, lengths)
    found = {}
    for name, profile in profiles.items():
        if profile is None:
            found[name] = Estimate(0, 0.0, False)
            continue
        stands_out = profile.margin > thresholds[_bin(lengths[name])]
        sure = stands_out and abs(profile.offset) <= LARGEST_OFFSET_FRAMES
        found[name] = Estimate(profile.offset, profile.margin, sure)
    return found


def _first_profile(pyramid: SyncerPyramid, sample: SyncSample) -> LagProfile | None:
    return next(iter(level_profiles(pyramid, sample)), None)


def _bin(frames: int) -> int:
    return max(length for length in LENGTHS if length <= frames)


def _thresholds(strangers: Mapping[str, LagProfile | None], lengths: Mapping[str, int]) -> dict[int, float]:
    """The margin to exceed per length; lengths without strangers take that of the next shorter, which is stricter."""
    reached: dict[int, list[float]] = {length: [] for length in LENGTHS}
    for name, profile in strangers.items():
        if profile is not None:
            reached[_bin(lengths[name])].append(profile.margin)
    everything = [value for values in reached.values() for value in values]
    last = max(everything, default=0.0)
    thresholds = {}
    for length in LENGTHS:
        last = float(np.quantile(reached[length], SURE_SHARE)) if reached[length] else last
        thresholds[length] = last
    return thresholds


def cross_fit(train: Sequence[NamedSample], others: Sequence[NamedSample],
              settings: CorrectionSettings) -> list[dict[str, Estimate]]:
    """Each round's estimates for all clips, by syncers trained on people of other folds; `others` never train.

    The first round trains on the clips as they are; each later one on those the round before was sure of, shifted. A fold
    for which these are none is evaluated by syncers trained on the clips as they are, in the last resort on all of them.
    """
    folds = fold_of(train, settings.folds)
    rounds: list[dict[str, Estimate]] = []
    for number in range(settings.rounds):
        material = _corrected(train, rounds[-1] if rounds else None)
        work = []
        for fold in range(settings.folds + 1):
            held = [one for one in train if folds[one.name] == fold] if fold < settings.folds else list(others)
            strangers = [[one for one in samples if folds[one.name] != fold] for samples in (material, train)]
            if held:
                work.append((fold, held, next(filter(None, strangers), train)))
        total = sum(fitting_steps(samples, settings) for _, _, samples in work)
        found: dict[str, Estimate] = {}
        with stage(f"cross-fitting, round {number + 1} of {settings.rounds}", total=total, unit="step") as step:
            for fold, held, samples in work:
                found |= estimate(_fit(samples, settings, settings.train.run.seed + 1000 * (number + 1) + fold, step), held)
        rounds.append(found)
    return rounds


def _corrected(samples: Sequence[NamedSample], estimates: Mapping[str, Estimate] | None) -> list[NamedSample]:
    if estimates is None:
        return list(samples)
    return [one._replace(sample=aligned(one.sample, estimates[one.name].frames)) for one in samples
            if estimates[one.name].sure]


def fitting_steps(samples: Sequence[NamedSample], settings: CorrectionSettings) -> int:
    """Steps that a fold's syncer is trained for: those of its settings, or thirty passes over the windows, 60 at least."""
    form = settings.train
    windows = form.material.copies * sum(max(len(one.sample.flat) - form.syncer.channels.window + 1, 0) for one in samples)
    passes = math.ceil(MOST_PASSES * windows / (form.run.batch * form.windows))
    return min(form.run.steps, max(LEAST_STEPS, passes))


def _fit(samples: Sequence[NamedSample], settings: CorrectionSettings, seed: int, step: Callable[[], None]) -> SyncerPyramid:
    """A first-level syncer trained on the clips for as many steps as fit their number; `step` is called after each."""
    run = replace(settings.train.run, seed=seed, steps=fitting_steps(samples, settings))
    train = replace(settings.train, run=run)
    trainer = Trainer(LevelTask(train, 1, samples, samples[:1]))
    for _ in range(run.steps):
        trainer.step()
        step()
    pyramid = SyncerPyramid([train.syncer])
    pyramid.levels[0].load_state_dict(trainer.average.module.state_dict())
    return pyramid.eval()


def corrects_itself(corpus: Corpus) -> bool:
    """Whether a corpus is large enough to be corrected by syncers trained on itself: 15 minutes and 20 people with sound.

    A smaller one is better served by the shipped syncers, which learned from more people than it has.
    """
    talking = corpus.select("train", talking=True)
    return minutes(talking) >= ITSELF_MINUTES and len({clip.identity for clip in talking}) >= ITSELF_PEOPLE


def cross_fit_corpus(corpus: Corpus, settings: CorrectionSettings) -> list[dict[str, Estimate]]:
    """Correct a corpus with nothing but itself; the last round is recorded in `sync.csv` and the manifest.

    ValueError when it has no two train clips with sound.
    """
    uncorrected = [clip._replace(av_offset=0) for clip in corpus.select(talking=True)]
    kind = settings.train.syncer.channels.features
    train = read_samples(corpus, [clip for clip in uncorrected if clip.split == "train"], features=kind)
    others = read_samples(corpus, [clip for clip in uncorrected if clip.split != "train"], features=kind)
    if len(train) < 2:
        raise ValueError(f"{corpus.folder} has {len(train)} train clips with sound; to correct itself a corpus needs two or "
                         "more: use the shipped syncers (--weights metric)")
    rounds = cross_fit(train, others, settings)
    record(corpus, rounds[-1])
    return rounds


def correct_corpus(corpus: Corpus, pyramid: SyncerPyramid) -> dict[str, Estimate]:
    """Correct a corpus of people whom the pyramid was not trained on, and record it."""
    samples = read_samples(corpus, [clip._replace(av_offset=0) for clip in corpus.select(talking=True)],
                           features=pyramid.features)
    with torch.no_grad():
        found = estimate(pyramid, samples)
    record(corpus, found)
    return found


def record(corpus: Corpus, estimates: Mapping[str, Estimate]) -> None:
    """Write the estimates where readers of the corpus find them: sure ones shift their clip, others flag it."""
    rows = [SyncRow(name, one.frames if one.sure else 0, "corrected" if one.sure else "unsure", round(one.margin, 4))
            for name, one in sorted(estimates.items())]
    record_sync(corpus.folder, rows)
