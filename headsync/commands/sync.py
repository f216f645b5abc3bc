"""Videos -> by how many frames their sound is early or late, at four time scales, with a confidence and a picture."""

import argparse
from pathlib import Path

from headsync.commands.checks import check_inputs
from headsync.commands.command import run_each
from headsync.commands.motion_arguments import add_device_argument
from headsync.commands.parser import CommandParser

EXAMPLE = "sync talking.mp4 --plot plots"


def add_arguments(parser: CommandParser) -> None:
    """Its options."""
    parser.add_argument("videos", nargs="+", metavar="VIDEO")
    parser.add_argument("--mode", choices=("valid", "syncnet"), default="valid", help="syncnet: as published figures")
    parser.add_argument("--weights", default="metric", help="metric (default), loss, or a weight file")
    parser.add_argument("--plot", metavar="DIR", help="one picture per video: similarity over time, distance over lag")
    add_device_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Measure each video; 1 when some could not be measured."""
    from headsync.media import stage

    if len(options.videos) == 1:
        check_inputs(options.videos, options.videos, of="the video")
    with stage("reading networks"):
        from syncers import as_sync_sample, load_syncers, plot_sync, sample_offsets

        pyramid = load_syncers(options.weights, device=options.device)

    def measure(video: str) -> None:
        sample = as_sync_sample(video, video)
        print(video)
        for found in sample_offsets(sample, pyramid, mode=options.mode):
            print(f"  {found.window_ms:5d} ms: sound late by {found.frames:+3d} frames ({40 * found.frames:+5d} ms), "
                  f"confidence {found.confidence:.2f}, distance {found.distance:.2f}")
        if options.plot:
            Path(options.plot).mkdir(parents=True, exist_ok=True)
            plot_sync(Path(options.plot) / f"{Path(video).stem}.png", sample, pyramid, title=Path(video).name)

    return run_each(measure, [(video,) for video in options.videos])
