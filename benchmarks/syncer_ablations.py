"""Ablation of the syncers: one training per variant, evaluated on people that none of them was trained on.

    .venv/bin/python benchmarks/syncer_ablations.py --data CORPUS --out RUNS [VARIANT ...]

Every variant is preset `small`, one change apart, trained on the first half of the train people. Printed per level:
retrieval among 49 on val, and, on the second half of the train people (unseen, and three times as many as val's), the
share of pieces whose offset is found within one step (80 frames at 200 and 400 ms, 100 above). Features that the corpus
lacks are made. A finished run is only evaluated.
"""

import argparse
from pathlib import Path

from benchmarks.sync_figures import piece
from headsync.corpus import of_half, open_corpus
from headsync.experiment import load_config
from syncers import level_profiles, load_syncers
from syncers.data import read_samples
from syncers.train import TrainSettings, train_syncers, usable

POINTS = "syncer.channels.faces=[points]"
VARIANTS = {
    "small": [],
    "no stretch loss": ["lag_weight=0"],
    "positions only": ["syncer.channels.velocities=false", "syncer.channels.speeds=false"],
    "positions + velocities": ["syncer.channels.speeds=false"],
    "shapes only": ["syncer.channels.faces=[shape]"],
    "regions only": ["syncer.channels.faces=[regions]"],
    "all points, 2-D": [POINTS],
    "all points, 3-D": [POINTS, "syncer.channels.dims=3"],
    "windows not centred": ["syncer.centred_windows=false"],
    "no augmentation": ["material.copies=1", "material.noise=0", "material.ranges.scale=[1.0,1.0]",
                        "material.ranges.yaw_degrees=0", "material.ranges.pitch_degrees=0", "material.ranges.roll_degrees=0",
                        "material.ranges.flip=0", "material.ranges.shift=false"],
    "no noise, no dropout of channels": ["syncer.noise=0", "syncer.channel_dropout=0", "loudness=0"],
    "windows of 3 steps": ["syncer.channels.window=3"],
    "windows of 7 steps": ["syncer.channels.window=7"],
    "10 cepstra": ["syncer.channels.audio=cepstra"],
    "10 MFCC": ["syncer.channels.features=mfcc26", "syncer.channels.audio=cepstra"],
    "hama": ["syncer.channels.features=hama"],
    "whisper": ["syncer.channels.features=whisper"],
    "not sync-corrected": [],
}


def uncorrected(corpus):
    """The same clips with the train people's offsets taken back, for training alone: evaluated are the corrected ones."""
    return corpus._replace(clips=tuple(clip._replace(av_offset=0) if clip.split == "train" else clip for clip in corpus.clips))


def found_within_a_step(pyramid, samples) -> list[float]:
    """Per level the share of pieces (not overlapping) whose offset is within one step."""
    shares = []
    for level, frames in enumerate((80, 80, 100, 100)):
        pieces = [piece(one.sample, start, frames) for one in samples
                  for start in range(0, len(one.sample.flat) - frames + 1, frames)]
        near = [abs(level_profiles(pyramid, sample)[level].offset) <= 1 for sample in pieces]
        shares.append(sum(near) / len(near))
    return shares


def main() -> None:
    """Train what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help=f"of: {', '.join(VARIANTS)} (default: all)")
    options = parser.parse_args()
    print("| variant | val retrieval 200 / 400 / 800 / 1600 ms | offset within a step |", flush=True)
    for name in options.variants or VARIANTS:
        corpus = open_corpus(options.data)
        settings = load_config(TrainSettings, stage="syncers", preset="small", overrides=["people=first", *VARIANTS[name]])
        report = train_syncers(uncorrected(corpus) if name.startswith("not sync") else corpus,
                               options.out / name.replace(" ", "_").replace(",", "").replace("'", ""), settings)
        kind = settings.syncer.channels.features
        strangers = of_half(read_samples(corpus, usable(corpus, "train"), features=kind), "second")
        shares = found_within_a_step(load_syncers(report.weights), strangers)
        print(f"| {name} | {' / '.join(f'{100 * one.best:.1f}' for one in report.levels)} % "
              f"| {' / '.join(f'{100 * share:.1f}' for share in shares)} % |", flush=True)


if __name__ == "__main__":
    main()
