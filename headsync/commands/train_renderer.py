"""A corpus of videos -> a renderer: reference pictures and landmarks to frames."""

import argparse

import torch

from headsync.corpus import open_corpus
from headsync.experiment import load_config, run_training, training_parser
from render_stage import RendererSettings, train_renderer


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = training_parser("headsync-train-renderer", __doc__, data="what headsync-preprocess wrote, with meshes",
                             presets="tiny, small, base, paper, an ablation's preset or a .yaml",
                             example="loop.steps=9000 weights.structure=0")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: a GPU if any")
    return parser


def run(argv: list[str]) -> None:
    """Train, and say what the best state is worth on people it was never trained on."""
    options = arguments().parse_args(argv)
    settings = load_config(RendererSettings, stage="renderer", preset=options.config, overrides=options.overrides)
    report = train_renderer(open_corpus(options.data), options.out, settings, device=options.device)
    print(f"{report.told(settings.loop.monitor, digits=4)}; samples lie in {options.out}/sheets")


def main(argv: list[str] | None = None) -> int:
    """Entry point of `headsync-train-renderer`."""
    return run_training(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
