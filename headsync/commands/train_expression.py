"""A corpus -> the expression learner: sound and a face to what lips and face do."""

import argparse

from headsync.corpus import open_corpus
from headsync.experiment import load_config, run_training, training_parser
from landmark_stage.expression.train import ExpressionTrainSettings, train_expression


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    return training_parser("headsync-train-expression", __doc__, data="what headsync-preprocess wrote, in sync",
                           example="model.hidden=64 seed=3")


def run(argv: list[str]) -> None:
    """Train, and say what the best state is worth on people it was never trained on."""
    options = arguments().parse_args(argv)
    settings = load_config(ExpressionTrainSettings, stage="expression", preset=options.config, overrides=options.overrides)
    report = train_expression(open_corpus(options.data), options.out, settings)
    print(report.told())


def main(argv: list[str] | None = None) -> int:
    """Entry point of `headsync-train-expression`."""
    return run_training(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
