"""Trains one of the ten kinds of networks on a corpus, or goes on with a training that was stopped."""

import argparse
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from headsync.commands.parser import CommandParser

EXAMPLE = "train syncers --data corpus --out runs/syncers"


class Kind(NamedTuple):
    """What the command line and the code call one training."""

    about: str
    module: str             # where the next two are
    settings: str           # the class of its settings
    train: str              # train(corpus, out, settings) does it
    stage: str              # the folder of its presets in configs/
    setting: str            # an example of key=value
    presets: str = "tiny, small, base, paper or a .yaml"
    preset: str = "small"
    data: str = "what headsync preprocess wrote, in sync"


KINDS = {
    "syncers": Kind("A corpus -> a pyramid of syncers, one per time scale: weights of the loss or the metric family.",
                    "syncers.train", "TrainSettings", "train_syncers", "syncers", "run.steps=500 run.seed=3",
                    presets="tiny, small, base, paper, metric or a .yaml", data="what headsync preprocess wrote"),
    "landmarks": Kind("A corpus and its syncers -> a landmark generator: sound and a first face to head and lip motion.",
                      "landmark_stage.ms_sync.train", "TrainSettings", "train_landmarks", "landmarks",
                      "material.frames=80 run.seed=3"),
    "articulation": Kind("A corpus -> the articulation learner: sound to lips and jaw about a person's neutral mouth.",
                         "landmark_stage.articulation.train", "ArticulationTrainSettings", "train_articulation",
                         "articulation", "model.width=64 run.seed=3", presets="tiny, small, live, base or a .yaml"),
    "expression": Kind("A corpus -> the expression learner: sound and a face to what lips and face do.",
                       "landmark_stage.expression.train", "ExpressionTrainSettings", "train_expression", "expression",
                       "model.hidden=64 run.seed=3"),
    "head-motion": Kind("A corpus -> the head-motion learner: sound and a few seconds of a person to head motion.",
                        "landmark_stage.head_motion.train", "HeadTrainSettings", "train_head_motion", "head_motion",
                        "model.features=8 run.seed=3"),
    "renderer": Kind("A corpus of videos -> a renderer: reference pictures and landmarks to frames.",
                     "render_stage.rhythmic_head.train", "RendererSettings", "train_renderer", "renderer",
                     "run.steps=9000 weights.structure=0",
                     presets="tiny, small, base, paper, an ablation's preset or a .yaml",
                     data="what headsync preprocess wrote, with meshes"),
    "close-up": Kind("A corpus and a renderer -> the renderer with a network that draws its mouths again, close up.",
                     "render_stage.close_up.train", "CloseUpTrainSettings", "train_close_up", "close_up",
                     "material.samples=20000 run.seed=3", presets="tiny, small, base or a .yaml",
                     data="what headsync preprocess wrote, with meshes"),
    "pc-avs": Kind("A corpus of videos -> a renderer that draws the mouth from the sound and the pose from any video.",
                   "render_stage.pc_avs.train", "PcAvsTrainSettings", "train_pc_avs", "pc_avs", "network.pose=36 run.seed=3",
                   data="what headsync preprocess wrote, with meshes"),
    "g4g": Kind("A corpus -> G4G: the mouth of a video's own frames drawn anew, for headsync dub --renderer.",
                "render_stage.g4g.train", "G4GTrainSettings", "train_g4g", "g4g", "run.steps=9000 network.alignment=false",
                data="what headsync preprocess wrote, with meshes and sound in sync"),
    "encoder": Kind("A corpus -> a small face encoder, for the renderer's perceptual loss or for the measure of identity.",
                    "render_stage.identity.training", "EncoderTrainSettings", "train_encoder", "encoder",
                    "run.steps=500 run.seed=3", presets="base (perceptual), identity, tiny or a .yaml", preset="base",
                    data="what headsync preprocess wrote"),
}


USED_BY = {"landmarks": "--motion-model {}", "articulation": "--lips {}",
           "expression": "--generator expression --motion-model {}",
           "head-motion": "--head-motion learned --head-motion-model {}", "renderer": "--model {}", "close-up": "--model {}",
           "pc-avs": "--renderer pc-avs --model {}"}
DUBS = ("g4g",)     # what headsync dub uses


def add_arguments(parser: CommandParser) -> None:
    """A command for each kind; the words differ, hardly an option does."""
    for name, kind in KINDS.items():
        example = f"train {name} --data corpus --out runs/{name} --config tiny {kind.setting}"
        one = parser.add_command(name, about=kind.about, example=example, run=run)
        one.set_defaults(kind=name)
        one.add_argument("--data", required=True, metavar="CORPUS", help=kind.data)
        one.add_argument("--out", required=True, metavar="RUN", help="run folder; run again to go on")
        one.add_argument("--config", default=kind.preset, metavar="PRESET", help=f"{kind.presets} (default {kind.preset})")
        one.add_argument("--device", help="auto (a GPU where there is one), cpu, cuda, cuda:1 (default: the preset's)")
        one.add_argument("overrides", nargs="*", metavar="key=value", help=f"for example {kind.setting}")


def run(options: argparse.Namespace) -> None:
    """Train, in as many processes as torchrun started, and print the best state's validation metric."""
    from headsync.corpus import open_corpus
    from headsync.experiment import check_run, chosen_device, joined_processes, load_config

    kind = KINDS[options.kind]
    module = import_module(kind.module)
    with joined_processes():
        schema = getattr(module, kind.settings)
        if options.device:
            chosen_device(options.device)       # refused before any work
        device = [f"run.device={options.device}"] if options.device else []
        settings = load_config(schema, stage=kind.stage, preset=options.config, overrides=[*options.overrides, *device])
        check_run(settings, options.out)
        corpus = open_corpus(options.data)
        report = getattr(module, kind.train)(corpus, options.out, settings)
        print(summary(options, report, settings))


def summary(options: argparse.Namespace, report: object, settings: object) -> str:
    """The lines about a training that has ended; the last two say which file was written, and what to type next."""
    if options.kind == "syncers":
        levels = [f"level {level}: val retrieval {result.best:.1%} among 49 (chance 2.0%), {result.step} steps"
                  for level, result in enumerate(report.levels, start=1)]
        lines = [*levels, f"{report.weights}: written"]
    elif options.kind in ("renderer", "close-up", "pc-avs", "g4g"):
        lines = [f"samples lie in {options.out}/sheets", report.summary(digits=4)]
    else:
        lines = [report.summary()]
    return "\n".join([*lines, f"next: headsync {next_command(options, report.weights, settings)}"])


def next_command(options: argparse.Namespace, weights: Path, settings: object) -> str:
    """What is done with a training's weights, as typed after `headsync`."""
    beside = Path(options.out).parent
    if options.kind == "syncers":
        if settings.people == "first":
            return f"train syncers --data {options.data} --out {beside / 'metric'} --config metric people=second"
        use = f"validation_syncers={weights}" if settings.people == "second" else f"syncers={weights}"
        return f"train landmarks --data {options.data} --out {beside / 'generator'} {use}"
    if options.kind == "encoder":
        return f"train renderer --data {options.data} --out {beside / 'renderer'} perceptual={weights}"
    if options.kind in DUBS:
        return f"dub --video clip.mp4 --audio speech.wav --out mine.mp4 --renderer {weights}"
    return f"talk --audio speech.wav --refs photo.jpg --out mine.mp4 {USED_BY[options.kind].format(weights)}"
