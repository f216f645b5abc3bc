"""Figures of learned head motion, beside what people did and simpler predictions: the tables of docs/results/heads.md on it.

    .venv/bin/python benchmarks/head_motion_figures.py --data CORPUS [--split val] [--weights FILE] [--folds 3 --config small]

Every stretch has a 64-frame reference and what came after it; stretches are 32 frames apart. Printed: distances of statistics
and 64-frame windows (in train people's deviations; motion of four seeds); confidence of the metric syncers at 800 and 1600 ms
for a face that only moves its head; how often a prediction from a person's own reference is nearer to his held-out motion than
one from another's. `--folds` evaluates train people instead, each by a learner that was trained on the others.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from headsync.corpus import Corpus, add_features, open_corpus
from headsync.experiment import Trainer, load_config
from headsync.landmarks import canonical_face
from headsync.landmarks.motion import head_track, reposed
from landmark_stage import load_generator, load_head_motion
from landmark_stage.head_motion.data import HeadBatch, HeadClip, read_head_clips, stretch
from landmark_stage.head_motion.network import SMOOTHING_TAPS, TAU, HeadMotion
from landmark_stage.head_motion.shrinkage import shrink_mean_prediction
from landmark_stage.head_motion.train import HeadMotionTask, HeadTrainSettings
from landmark_stage.head_motion.validate import (
    BASELINES,
    HeadDistances,
    head_distances,
    predicted,
    statistic_gaps,
    stretches_of,
)
from landmark_stage.ms_sync.data import rows_around
from landmark_stage.ms_sync.validate import Piece, generated
from syncers import SyncSample, aligned, level_profiles, load_syncers

SEEDS = (1, 2, 3, 4)
STEP = TAU // 2
SYNC_FRAMES = 100
STRANGERS = 6           # that each person is compared to in folds
CANVAS = 256


def show(name: str, values: Sequence[float]) -> None:
    """A line of a table."""
    print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in values) + " |", flush=True)


def distances_of(model: HeadMotion, batch: HeadBatch) -> dict[str, HeadDistances]:
    """Distances of the learner and the baselines."""
    found = {"learned": head_distances([predicted(model, batch, seed=seed) for seed in SEEDS], batch),
             "learned, mean prediction": head_distances([predicted(model, batch, seed=None)], batch)}
    return found | {name: head_distances([baseline(batch.reference, TAU)], batch) for name, baseline in BASELINES.items()}


def measure_statistics(model: HeadMotion, clips: list[HeadClip], corpus: Corpus | None) -> None:
    """Distances of all methods; with a corpus, of the generator's own head too, on clips with sound."""
    batch = stretches_of(clips, model, step=STEP)
    head_line(f"{len(batch.real)} stretches of {len({one.name for one in clips if len(one.head) >= 2 * TAU})} clips")
    for name, found in distances_of(model, batch).items():
        show(name, found)
    if corpus is not None:
        show("MS-Sync's own head", head_distances([own_heads(model, clips, corpus, seed) for seed in SEEDS], batch))


def head_line(what: str) -> None:
    """The first line of a table of distances."""
    print(f"\n| {what} | mean | deviation | speed | spectrum | Fréchet, 64 frames |\n|---|---|---|---|---|---|")


def sample_of(corpus: Corpus, name: str, features: str = "fbank26") -> SyncSample:
    """A clip's landmarks and rows, in sync, frame for frame as `read_head_clips` has them."""
    clip = next(one for one in corpus.clips if one.clip == name)
    add_features(corpus, [clip], features)
    rows = torch.from_numpy(corpus.features(clip, features).astype(np.float32))
    return aligned(SyncSample(torch.from_numpy(corpus.landmarks(clip).flat(3)), rows), clip.av_offset)


def own_heads(model: HeadMotion, clips: list[HeadClip], corpus: Corpus, seed: int) -> torch.Tensor:
    """The motion (B, T, 6) of the shipped generator's heads after each reference, from its last face."""
    generator, motions = load_generator("long"), []
    for one in clips:
        sample = sample_of(corpus, one.name)
        for begin in range(0, len(one.head) - 2 * TAU + 1, STEP):
            now = begin + TAU
            piece = Piece(SyncSample(sample.flat[now : now + TAU], sample.rows[4 * now : 4 * (now + TAU)]),
                          rows_around(sample.rows, now, TAU, known_before=True))
            made = torch.cat([sample.flat[begin:now], generated(generator, [piece], seed=seed + begin)[0]])
            head = torch.from_numpy(head_track(CANVAS * made.unflatten(1, (68, 3)).numpy(), taps=SMOOTHING_TAPS)).float()
            head = (head - head[:TAU].mean(0)) / model.motion_scale
            motions.append(head[TAU:])
    return torch.stack(motions)


def measure_synchrony(model: HeadMotion, clips: list[HeadClip], corpus: Corpus) -> None:
    """Metric syncers at 800 and 1600 ms, for a face that only moves its head."""
    syncers, long = load_syncers("metric"), [one for one in clips if len(one.head) >= TAU + SYNC_FRAMES]
    batch = stretches_of(long, model, frames=SYNC_FRAMES, step=SYNC_FRAMES)
    begins = [(one, begin) for one in long for begin in range(0, len(one.head) - TAU - SYNC_FRAMES + 1, SYNC_FRAMES)]
    motions = {"real head": [batch.real], "learned": [predicted(model, batch, seed=seed) for seed in SEEDS]}
    motions |= {name: [baseline(batch.reference, SYNC_FRAMES)] for name, baseline in BASELINES.items()}
    print(f"\n| head alone, {len(begins)} pieces of {SYNC_FRAMES} frames | AV-Conf 800 ms | 1600 ms |\n|---|---|---|")
    for name, draws in motions.items():
        found = []
        for draw in draws:
            for (one, begin), motion in zip(begins, draw):
                rows = sample_of(corpus, one.name, syncers.features).cut(begin + TAU, begin + TAU + SYNC_FRAMES).rows
                profiles = level_profiles(syncers, SyncSample(face_of(model, motion), rows))
                found.append([profiles[level].confidence for level in (2, 3)])
        show(name, np.mean(found, 0))


def face_of(model: HeadMotion, motion: torch.Tensor) -> torch.Tensor:
    """The canonical face (T, 204), canvas shares, under a head motion (T, 6), standard."""
    face = canonical_face()
    points = reposed(face[None].repeat(len(motion), 0), face, (motion * model.motion_scale).double().numpy())
    return torch.from_numpy(points / CANVAS).flatten(1)


def measure_persons(model: HeadMotion, clips: list[HeadClip], *, strangers: int | None = None) -> np.ndarray:
    """Whether own references are nearer, one value per comparison: target by target, every other person's first reference.

    The held-out motion is another clip of the person where there is one, else the frames after the reference. `strangers`
    limits the others, to those next in line.
    """
    of_person: dict[str, list[HeadClip]] = {}
    for one in clips:
        of_person.setdefault(one.identity, []).append(one)
    targets = []
    for identity, own in of_person.items():
        long = sorted(own, key=lambda one: -len(one.head))
        if len(long) > 1:
            targets.append((identity, long[0], 0, long[1], 0))
        elif len(long[0].head) >= 2 * TAU:
            targets.append((identity, long[0], 0, long[0], TAU))
    wins = []
    for number, (*_, held, begin) in enumerate(targets):
        T = min(len(held.head) - begin, 2 * TAU)
        drive, gaps = stretch(held, begin, T, 0, model).reference, []
        for _, other, at, *_ in (targets[number:] + targets[:number])[: None if strangers is None else strangers + 1]:
            reference = stretch(other, at, min(TAU, len(other.head)), 0, model).reference
            batch = HeadBatch(reference, drive.sound, drive.motion, torch.tensor([T]))
            made = [predicted(model, batch, seed=seed) for seed in SEEDS]
            gaps.append(float(torch.stack([statistic_gaps(one, batch.real)[:, 1:].sum() for one in made]).mean()))
        wins += [gaps[0] < gap for gap in gaps[1:]]
    return np.array(wins)


def cross_fitted(corpus: Corpus, options: argparse.Namespace) -> None:
    """The same on train people, each by a learner of the others; trained as long as the preset says, the last weights taken."""
    settings = load_config(HeadTrainSettings, stage="head_motion", preset=options.config)
    clips = read_head_clips(corpus, "train", silent=True)
    people = sorted({one.identity for one in clips})
    folds = {identity: number % options.folds for number, identity in enumerate(people)}
    found, counts, wins = [], [], []
    for fold in range(options.folds):
        training = Trainer(HeadMotionTask(settings, [one for one in clips if folds[one.identity] != fold], None))
        for _ in range(settings.run.steps):
            training.step()
        model = shrink_mean_prediction(training.average.module)
        held = [one for one in clips if folds[one.identity] == fold]
        batch = stretches_of(held, model, step=STEP)
        found.append(distances_of(model, batch))
        counts.append(len(batch.real))
        wins.append(measure_persons(model, held, strangers=STRANGERS))
        print(f"fold {fold + 1}: {counts[-1]} stretches, learned {found[-1]['learned']}", flush=True)
    head_line(f"{sum(counts)} stretches of train people in {options.folds} folds")
    for name in found[0]:
        show(name, np.average([one[name] for one in found], axis=0, weights=counts))
    print(f"\nown reference nearer: {np.mean(np.concatenate(wins)):.1%} of {sum(map(len, wins))} comparisons")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--weights", default="head_motion")
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--config", default="small")
    options = parser.parse_args()
    corpus, model = open_corpus(options.data), load_head_motion(options.weights)
    if options.folds:
        cross_fitted(corpus, options)
        return
    everyone = read_head_clips(corpus, options.split, least_frames=TAU)
    talking = [one for one in everyone if one.sound is not None]
    measure_statistics(model, everyone, None)
    measure_statistics(model, talking, corpus)
    measure_synchrony(model, talking, corpus)
    wins = measure_persons(model, everyone)
    print(f"\nown reference nearer to the held-out motion: {wins.mean():.1%} of {len(wins)} comparisons")


if __name__ == "__main__":
    main()
