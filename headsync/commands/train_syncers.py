"""A corpus -> a pyramid of syncers, one per time scale: weights of the loss or the metric family."""

import argparse

from headsync.corpus import open_corpus
from headsync.experiment import load_config, run_training, training_parser
from syncers import TrainSettings, train_syncers


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    return training_parser("headsync-train-syncers", __doc__, presets="tiny, small, base, paper, metric or a .yaml",
                           example="loop.steps=500 seed=3")


def run(argv: list[str]) -> None:
    """Train all levels and say how well each retrieves on people it was never trained on."""
    options = arguments().parse_args(argv)
    settings = load_config(TrainSettings, stage="syncers", preset=options.config, overrides=options.overrides)
    report = train_syncers(open_corpus(options.data), options.out, settings)
    for level, result in enumerate(report.levels, start=1):
        print(f"level {level}: val retrieval {result.best:.1%} among 49 (chance 2.0%), {result.step} steps")
    print(f"{report.weights}: written")


def main(argv: list[str] | None = None) -> int:
    """Entry point of `headsync-train-syncers`."""
    return run_training(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
