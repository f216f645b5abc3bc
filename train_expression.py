"""A corpus -> the expression learner: sound and a face to what lips and face do."""

import argparse

from experiment import load_config, run_command
from landmark_stage.expression_train import ExpressionTrainSettings, train_expression
from landmarks import open_corpus


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="headsync-train-expression", description=__doc__)
    parser.add_argument("--data", required=True, metavar="CORPUS", help="what headsync-preprocess wrote, in sync")
    parser.add_argument("--out", required=True, metavar="RUN", help="run folder; run again to go on")
    parser.add_argument("--config", default="small", metavar="PRESET", help="tiny, small, base, paper or a .yaml")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="for example model.hidden=64 seed=3")
    return parser


def run(argv: list[str]) -> None:
    """Train, and say what the best state is worth on people it was never trained on."""
    options = arguments().parse_args(argv)
    settings = load_config(ExpressionTrainSettings, stage="expression", preset=options.config, overrides=options.overrides)
    report = train_expression(open_corpus(options.data), options.out, settings)
    best = "never validated" if report.loop.best is None else f"val {settings.loop.monitor} {report.loop.best:.3f}"
    print(f"{report.weights}: written, {best}, {report.loop.step} steps")


def main(argv: list[str] | None = None) -> int:
    """Entry point of `headsync-train-expression`."""
    return run_command(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
