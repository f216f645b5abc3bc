"""A corpus -> the head-motion learner: sound and a few seconds of a person to head motion."""

import argparse

from experiment import load_config, run_command
from landmark_stage.head_motion_train import HeadTrainSettings, train_head_motion
from landmarks import open_corpus


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="headsync-train-head-motion", description=__doc__)
    parser.add_argument("--data", required=True, metavar="CORPUS", help="what headsync-preprocess wrote, in sync")
    parser.add_argument("--out", required=True, metavar="RUN", help="run folder; run again to go on")
    parser.add_argument("--config", default="small", metavar="PRESET", help="tiny, small, base, paper or a .yaml")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="for example model.features=8 seed=3")
    return parser


def run(argv: list[str]) -> None:
    """Train, and say what the best state is worth on people it was never trained on."""
    options = arguments().parse_args(argv)
    settings = load_config(HeadTrainSettings, stage="head_motion", preset=options.config, overrides=options.overrides)
    report = train_head_motion(open_corpus(options.data), options.out, settings)
    best = "never validated" if report.loop.best is None else f"val {settings.loop.monitor} {report.loop.best:.3f}"
    print(f"{report.weights}: written, {best}, {report.loop.step} steps")


def main(argv: list[str] | None = None) -> int:
    """Entry point of `headsync-train-head-motion`."""
    return run_command(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
