"""A corpus -> a small face encoder, for the renderer's perceptual loss or for the measure of identity."""

import argparse

from headsync.corpus import open_corpus
from headsync.experiment import load_config, run_training, training_parser
from render_stage.identity.training import EncoderTrainSettings, train_encoder


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    return training_parser("headsync-train-encoder", __doc__, preset="base",
                           presets="base (perceptual), identity, tiny or a .yaml", example="loop.steps=500 seed=3")


def run(argv: list[str]) -> None:
    """Train, and say what the best state is worth on people it was never trained on."""
    options = arguments().parse_args(argv)
    settings = load_config(EncoderTrainSettings, stage="encoder", preset=options.config, overrides=options.overrides)
    report = train_encoder(open_corpus(options.data), options.out, settings)
    print(report.told(settings.loop.monitor))


def main(argv: list[str] | None = None) -> int:
    """Entry point of `headsync-train-encoder`."""
    return run_training(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
