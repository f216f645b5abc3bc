"""Options that say which renderer draws, and where PC-AVS takes head poses from."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from headsync.commands.parser import CommandParser

if TYPE_CHECKING:
    from render_stage import Renderer
    from render_stage.references import ReferenceSet
    from render_stage.video import Motion

RENDERERS = ("rhythmic-head", "pc-avs")
WORDS = ("hold", "frontal")     # of --pose; anything else is a video


def add_renderer_arguments(parser: CommandParser) -> None:
    """Which renderer, and its weights."""
    parser.add_argument("--renderer", default="rhythmic-head", choices=RENDERERS,
                        help="rhythmic-head (default), or pc-avs: the mouth straight from the sound")
    parser.add_argument("--model", metavar="WEIGHTS", help="small (default), sharp or a weight file; pc-avs needs a file")
    parser.add_argument("--mouth-gain", type=float, metavar="X",
                        help="of pc-avs: how much the sound moves the mouth (default 1)")


def check_renderer_options(options: argparse.Namespace, *, pose: str | None = None) -> None:
    """ValueError, one line, for options of pc-avs without it."""
    if options.renderer == "pc-avs":
        if options.model is None:
            raise ValueError("--renderer pc-avs has no weights of its own; train some with headsync train pc-avs --data CORPUS "
                             "--out RUN and give --model RUN/pc_avs.safetensors")
        return
    for name, value in (("--pose", pose), ("--mouth-gain", options.mouth_gain)):
        if value is not None:
            raise ValueError(f"{name} is for --renderer pc-avs; add that, or leave {name} out")


def chosen_renderer(options: argparse.Namespace, *, pose: str | None = None) -> "Renderer":
    """The renderer that the options name; `pose` is what --pose said."""
    from render_stage import load_pc_avs, load_renderer

    if options.renderer != "pc-avs":
        return load_renderer(options.model or "small", device=options.device)
    source = "landmarks" if pose is None else pose if pose in WORDS else "video"
    gain = 1.0 if options.mouth_gain is None else options.mouth_gain
    return load_pc_avs(options.model, pose=source, mouth_gain=gain, device=options.device)


def posed_motion(pose: str, references: "ReferenceSet", frames: int) -> "tuple[Motion, object]":
    """A motion of so many frames for --pose, and the canvases that it was extracted from, None unless it is a video's."""
    from render_stage import held_motion, video_motion

    if pose in WORDS:
        return held_motion(references, frames), None
    found = video_motion(Path(pose), frames)
    return found.motion, found.canvases()
