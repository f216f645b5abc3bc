"""Ablation of the generator: one short training per variant, evaluated on val people.

    .venv/bin/python benchmarks/generator_ablations.py --data CORPUS --out RUNS [--steps 150] [VARIANT ...]

Every variant is preset `small`, one change apart, trained for the same few steps; so figures are lower than the shipped
weights' and compare with each other only. Printed, for pieces of 80 frames: the score at each time scale by the metric
syncers (0: still face, 1: real) and the Fréchet distances of positions, velocities and windows. A finished run is only
evaluated.
"""

import argparse
from pathlib import Path

from headsync.corpus import open_corpus
from headsync.experiment import load_config
from landmark_stage import load_generator
from landmark_stage.ms_sync.data import read_tracks
from landmark_stage.ms_sync.train import TrainSettings, train_landmarks
from landmark_stage.ms_sync.validate import Validator
from syncers import load_syncers

VARIANTS = {
    "full": [],
    "single-scale loss and generator": ["generator.levels=1", "sync_levels=1"],
    "multi-scale loss, single-scale generator": ["generator.levels=1"],
    "no frame discriminator": ["weights.frame=0"],
    "no sequence discriminator": ["weights.sequence=0"],
    "no joint discriminator": ["weights.joint=0"],
    "no discriminators": ["weights.frame=0", "weights.sequence=0", "weights.joint=0"],
    "2-D": ["generator.dims=2", "weights.rigid=0"],
    "no synchrony loss": ["weights.sync=0"],
    "no springs": ["generator.head_spring=0", "generator.face_spring=0"],
}


def main() -> None:
    """Train what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help=f"of: {', '.join(VARIANTS)} (default: all)")
    options = parser.parse_args()
    corpus = open_corpus(options.data)
    syncers = load_syncers("metric")
    validator = Validator(read_tracks(corpus, "val", features=syncers.features), syncers)
    print("| variant | score 200 / 400 / 800 / 1600 ms | positions / velocities / windows |", flush=True)
    for name in options.variants or VARIANTS:
        steps = [f"run.steps={options.steps}", f"run.validate_every={options.steps}"]
        settings = load_config(TrainSettings, stage="landmarks", preset="small", overrides=[*steps, *VARIANTS[name]])
        report = train_landmarks(corpus, options.out / name.replace(" ", "_").replace(",", ""), settings)
        found = validator.figures(load_generator(report.weights), seed=settings.run.seed)
        scores = " / ".join(f"{found[f'score{level}']:.2f}" for level in range(1, 5))
        distances = f"{found['positions']:.0f} / {found['velocities']:.1f} / {found['windows']:.0f}"
        print(f"| {name} | {scores} | {distances} |", flush=True)


if __name__ == "__main__":
    main()
