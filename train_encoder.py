"""A corpus -> a small face encoder, for the renderer's perceptual loss or for the measure of identity."""

import argparse

from experiment import load_config, run_command
from landmarks import open_corpus
from render_stage.encoder_training import EncoderTrainSettings, train_encoder


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="headsync-train-encoder", description=__doc__)
    parser.add_argument("--data", required=True, metavar="CORPUS", help="what headsync-preprocess wrote")
    parser.add_argument("--out", required=True, metavar="RUN", help="run folder; run again to go on")
    parser.add_argument("--config", default="base", metavar="PRESET", help="base (perceptual), identity, tiny or a .yaml")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="for example loop.steps=500 seed=3")
    return parser


def run(argv: list[str]) -> None:
    """Train, and say what the best state is worth on people it was never trained on."""
    options = arguments().parse_args(argv)
    settings = load_config(EncoderTrainSettings, stage="encoder", preset=options.config, overrides=options.overrides)
    report = train_encoder(open_corpus(options.data), options.out, settings)
    best = "never validated" if report.loop.best is None else f"val {settings.loop.monitor} {report.loop.best:.3f}"
    print(f"{report.weights}: written, {best}, {report.loop.step} steps")


def main(argv: list[str] | None = None) -> int:
    """Entry point of `headsync-train-encoder`."""
    return run_command(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
