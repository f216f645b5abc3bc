"""A corpus of videos -> a renderer: reference pictures and landmarks to frames."""

import argparse

import torch

from experiment import load_config, run_command
from landmarks import open_corpus
from render_stage import RendererSettings, train_renderer


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="headsync-train-renderer", description=__doc__)
    parser.add_argument("--data", required=True, metavar="CORPUS", help="what headsync-preprocess wrote, with meshes")
    parser.add_argument("--out", required=True, metavar="RUN", help="run folder; run again to go on")
    parser.add_argument("--config", default="small", metavar="PRESET",
                        help="tiny, small, base, paper, an ablation's preset or a .yaml")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: a GPU if any")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="for example loop.steps=9000 weights.structure=0")
    return parser


def run(argv: list[str]) -> None:
    """Train, and say what the best state is worth on people it was never trained on."""
    options = arguments().parse_args(argv)
    settings = load_config(RendererSettings, stage="renderer", preset=options.config, overrides=options.overrides)
    report = train_renderer(open_corpus(options.data), options.out, settings, device=options.device)
    best = "never validated" if report.loop.best is None else f"val {settings.loop.monitor} {report.loop.best:.4f}"
    print(f"{report.weights}: written, {best}, {report.loop.step} steps; samples lie in {options.out}/sheets")


def main(argv: list[str] | None = None) -> int:
    """Entry point of `headsync-train-renderer`."""
    return run_command(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
