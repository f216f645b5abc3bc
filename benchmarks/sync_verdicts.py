"""How often `headsync sync` is sure, and how often it is then wrong: clips shifted by known frames, or with others' sound.

    python benchmarks/sync_verdicts.py --data corpus [--clips 48] [--frames 60]

Shapes: T frames.
"""

import argparse

import numpy as np
import torch

from headsync.corpus import open_corpus
from syncers import SyncSample, load_syncers, mismatched, shifted
from syncers.measure import level_profiles
from syncers.verdict import LEVELS, MILLISECONDS, verdict

SHIFTS = (-7, -5, -3, -2, 0, 2, 3, 5, 7)
MARGINS = (0.2, 0.4, 0.6, 0.8, 1.0)


def main() -> None:
    """Measure and print a line for each margin."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--frames", type=int, help="of each clip (default: all)")
    options = parser.parse_args()
    corpus, random, pyramid = open_corpus(options.data), np.random.default_rng(3), load_syncers("metric")
    clips = sorted((clip for clip in corpus.clips if clip.frames > 70), key=lambda clip: clip.split != "val")[: options.clips]
    told, other, last = [], [], None
    for clip in clips:
        points, rows = corpus.landmarks(clip), np.array(corpus.features(clip), np.float32)
        frames = min(len(points), len(rows) // 4)
        sample = SyncSample(torch.from_numpy(points.flat(3)[:frames]), torch.from_numpy(rows[: 4 * frames]))
        sample, kept = shifted(sample, -clip.av_offset), options.frames or frames
        sample = SyncSample(sample.flat[:kept], sample.rows[: 4 * kept])
        shift = int(random.choice(SHIFTS))
        found = verdict(level_profiles(pyramid, shifted(sample, shift)), start=0, frames=frames)
        told.append((found.margin, abs(found.ms / MILLISECONDS - shift)))
        if last is not None:
            other.append(verdict(level_profiles(pyramid, mismatched(sample, last)), start=0, frames=frames).margin)
        last = sample
    margins, errors = np.array(told).T
    print(f"{len(told)} clips, {LEVELS} time scales: {np.mean(errors <= 1):.0%} within a frame, median error "
          f"{np.median(errors) * MILLISECONDS:.0f} ms")
    for margin in MARGINS:
        sure = margins >= margin
        wrong = np.mean(errors[sure] > 1) if sure.any() else 0.0
        print(f"margin {margin}: sure {sure.mean():.0%}, of them wrong by over a frame {wrong:.1%}; another's sound sure "
              f"{np.mean(np.array(other) >= margin):.1%}")


if __name__ == "__main__":
    main()
