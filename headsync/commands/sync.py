"""Videos -> by how many frames their sound is early or late, at four time scales, with a confidence and a picture."""

import argparse
from pathlib import Path

from headsync.commands.command import report_failures
from headsync.commands.parser import CommandParser

EXAMPLE = "sync talking.mp4 --plot plots"


def add_arguments(parser: CommandParser) -> None:
    """Its options."""
    parser.add_argument("videos", nargs="+", metavar="VIDEO")
    parser.add_argument("--mode", choices=("valid", "syncnet"), default="valid", help="syncnet: as published figures")
    parser.add_argument("--weights", default="metric", help="metric (default), loss, or a weight file")
    parser.add_argument("--plot", metavar="DIR", help="one picture per video: similarity over time, distance over lag")


def run(options: argparse.Namespace) -> int:
    """Measure each video; 1 when some could not be measured."""
    from syncers import as_talk, load_syncers, plot_sync, talk_offsets

    pyramid = load_syncers(options.weights)
    failures = []
    for video in options.videos:
        try:
            talk = as_talk(video, video)
            print(video)
            for found in talk_offsets(talk, pyramid, mode=options.mode):
                print(f"  {found.window_ms:5d} ms: sound late by {found.frames:+3d} frames ({40 * found.frames:+5d} ms), "
                      f"confidence {found.confidence:.2f}, distance {found.distance:.2f}")
            if options.plot:
                Path(options.plot).mkdir(parents=True, exist_ok=True)
                picture = Path(options.plot) / f"{Path(video).stem}.png"
                plot_sync(picture, talk, pyramid, title=Path(video).name)
        except (ValueError, OSError) as error:
            failures.append(f"{video}: {error}")
    if len(failures) == len(options.videos) == 1:
        raise ValueError(failures[0])
    return report_failures(failures)

