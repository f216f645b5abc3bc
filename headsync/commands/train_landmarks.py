"""A corpus and its syncers -> a landmark generator: sound and a first face to head and lip motion."""

import argparse

from headsync.corpus import open_corpus
from headsync.experiment import load_config, run_training, training_parser
from landmark_stage import TrainSettings, train_landmarks


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    return training_parser("headsync-train-landmarks", __doc__, data="what headsync-preprocess wrote, in sync",
                           example="material.frames=80 seed=3")


def run(argv: list[str]) -> None:
    """Train, and say what the best state is worth on people it was never trained on."""
    options = arguments().parse_args(argv)
    settings = load_config(TrainSettings, stage="landmarks", preset=options.config, overrides=options.overrides)
    report = train_landmarks(open_corpus(options.data), options.out, settings)
    print(report.told(settings.loop.monitor))


def main(argv: list[str] | None = None) -> int:
    """Entry point of `headsync-train-landmarks`."""
    return run_training(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
