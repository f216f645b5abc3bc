"""A corpus -> the head-motion learner: sound and a few seconds of a person to head motion."""

import argparse

from headsync.corpus import open_corpus
from headsync.experiment import load_config, run_training, training_parser
from landmark_stage.head_motion.train import HeadTrainSettings, train_head_motion


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    return training_parser("headsync-train-head-motion", __doc__, data="what headsync-preprocess wrote, in sync",
                           example="model.features=8 seed=3")


def run(argv: list[str]) -> None:
    """Train, and say what the best state is worth on people it was never trained on."""
    options = arguments().parse_args(argv)
    settings = load_config(HeadTrainSettings, stage="head_motion", preset=options.config, overrides=options.overrides)
    report = train_head_motion(open_corpus(options.data), options.out, settings)
    print(report.told(settings.loop.monitor))


def main(argv: list[str] | None = None) -> int:
    """Entry point of `headsync-train-head-motion`."""
    return run_training(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
