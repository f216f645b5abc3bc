"""How well a pyramid of syncers evaluates people it was never trained on: every figure of docs/results/sync.md.

    .venv/bin/python benchmarks/sync_figures.py --data CORPUS [--weights metric|loss|FILE] [--split val] [--people all]
        [--keep-unsure]

Clips are cut into windows of 80, 100 and 200 frames that overlap by half or more, and evaluated whole. Printed per level
and length: offset within one step, exact offset, ROC area of distance at lag 0 against mismatched audio, and of
confidence against mismatched audio and against a static face; then AV-Off and AV-Conf with their anchors, how planted
shifts are followed, and speed.
"""

import argparse
import time
from pathlib import Path

import torch

from headsync.corpus import HALVES, of_half, open_corpus
from syncers import SyncSample, level_profiles, load_syncers, mismatched, separation, shifted, static, summarise
from syncers.data import read_samples

LENGTHS = (80, 100, 200)
WHOLE = 80              # clips of this many frames or more are also evaluated whole, one vote each
STRIDE = 40
SHIFTS = (-12, -8, -4, -1, 1, 4, 8, 12)


class Pieces:
    """Windows of one length from all clips, and for each the sound of another clip."""

    def __init__(self, samples, frames: int | None):
        self.frames = frames or "whole"
        self.names, self.samples = [], []
        for one in samples:
            if frames is None and len(one.sample.flat) >= WHOLE:
                self.names.append(one.name)
                self.samples.append(one.sample)
            for start in range(0, len(one.sample.flat) - (frames or len(one.sample.flat) + 1) + 1, STRIDE):
                self.names.append(one.name)
                self.samples.append(piece(one.sample, start, frames))
        self.others = [next((t for n, t in zip(self.names[i:] + self.names, self.samples[i:] + self.samples)
                             if n != name), None)
                       for i, name in enumerate(self.names)]


def piece(sample: SyncSample, start: int, frames: int) -> SyncSample:
    """A stretch of a clip."""
    return sample.cut(start, start + frames)


def lag_zero(pyramid, sample: SyncSample) -> list[float]:
    """Mean distance at lag 0 per level."""
    with torch.no_grad():
        return [torch.nn.functional.pairwise_distance(level.motion[0], level.audio[0]).mean().item()
                for level in pyramid.embeddings(sample.flat[None], sample.rows[None])]


def evaluate(pyramid, pieces: Pieces, mode: str) -> None:
    """One line per level."""
    genuine = [level_profiles(pyramid, sample, mode=mode) for sample in pieces.samples]
    wrong = [level_profiles(pyramid, mismatched(one, other), mode=mode) for one, other in zip(pieces.samples, pieces.others)]
    still = [level_profiles(pyramid, static(sample), mode=mode) for sample in pieces.samples]
    near = [lag_zero(pyramid, sample) for sample in pieces.samples]
    far = [lag_zero(pyramid, mismatched(sample, other)) for sample, other in zip(pieces.samples, pieces.others)]
    for level in range(min(map(len, genuine))):
        offsets = [profiles[level].offset for profiles in genuine]
        missed = sorted({name for name, offset in zip(pieces.names, offsets) if abs(offset) > 1})
        conf = [[profiles[level].confidence for profiles in kind] for kind in (genuine, wrong, still)]
        n = len(offsets)
        print(f"| {mode} | {level + 1} | {pieces.frames} | {n} ({len(set(pieces.names))}) "
              f"| {sum(abs(o) <= 1 for o in offsets) / n:.1%} | {offsets.count(0) / n:.1%} "
              f"| {separation([-d[level] for d in near], [-d[level] for d in far]):.3f} "
              f"| {separation(conf[0], conf[1]):.3f} | {separation(conf[0], conf[2]):.3f} | {' '.join(missed)} |")
        if pieces.frames == LENGTHS[-1] or (mode == "syncnet" and pieces.frames == LENGTHS[0]):
            for name, kind, values in zip(("genuine", "mismatched", "static"), (genuine, wrong, still), conf):
                off = summarise([abs(profiles[level].offset) for profiles in kind])
                sure = summarise(values)
                print(f"|   {name} | {level + 1} | AV-Off {shown(off)} | AV-Conf {shown(sure)} |")


def shown(figure) -> str:
    """Mean, deviation and interval in a few characters."""
    return f"{figure.mean:.3f} ± {figure.deviation:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def follow_shifts(pyramid, pieces: Pieces) -> None:
    """Share of windows right at shift 0 whose offset moves by k / 2^(level - 1), within half a step's rounding."""
    start = [level_profiles(pyramid, sample) for sample in pieces.samples]
    for level in range(min(map(len, start))):
        right = [i for i, profiles in enumerate(start) if abs(profiles[level].offset) <= 1]
        shares = {}
        for k in SHIFTS:
            moved = [level_profiles(pyramid, shifted(pieces.samples[i], k))[level].offset - start[i][level].offset
                     for i in right]
            shares[k] = sum(abs(step - k / 2**level) <= 1 for step in moved) / len(right)
        print(f"| planted | {level + 1} | {len(right)} | mean {sum(shares.values()) / len(shares):.1%} | "
              + ", ".join(f"{k:+d}: {share:.0%}" for k, share in shares.items()) + " |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", default="metric")
    parser.add_argument("--split", default="val")
    parser.add_argument("--people", default="all", choices=("all", *HALVES),
                        help="of the split: the half that a family with the other `people` was not trained on")
    parser.add_argument("--keep-unsure", action="store_true", help="evaluate clips of doubtful synchrony too")
    options = parser.parse_args()
    corpus = open_corpus(options.data)
    clips = [clip for clip in corpus.select(options.split, talking=True) if options.keep_unsure or clip.sync != "unsure"]
    pyramid = load_syncers(options.weights)
    samples = of_half(read_samples(corpus, clips, features=pyramid.features), options.people)
    print(f"{len(samples)} clips of {len({one.identity for one in samples})} people of {options.split}, half {options.people}, "
          f"{options.weights}")
    print("| mode | level | frames | windows (clips) | within 1 step | exact | AUC lag 0 | AUC conf mismatched | static "
          "| missed |")
    for mode in ("valid", "syncnet"):
        for frames in (*LENGTHS, None):
            evaluate(pyramid, Pieces(samples, frames), mode)
    follow_shifts(pyramid, Pieces(samples, 200))
    minute = SyncSample(torch.cat([one.sample.flat for one in samples])[:1500],
                        torch.cat([one.sample.rows for one in samples])[: 1500 * pyramid.rows_per_frame])
    begun = time.perf_counter()
    level_profiles(pyramid, minute)
    print(f"one minute of landmarks at all levels: {time.perf_counter() - begun:.2f} s on {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
