"""Generated videos or landmark sequences against real ones -> every figure as JSON, and a report to look at."""

import argparse
from pathlib import Path

from headsync.commands.command import report_failures
from headsync.commands.motion_arguments import add_device_argument
from headsync.commands.parser import CommandParser

EXAMPLE = "evaluate --generated made --reference corpus --split val --report report"


def add_arguments(parser: CommandParser) -> None:
    """Its options."""
    add = parser.add_argument
    add("--generated", type=Path, metavar="G", help="a file, a folder, or a manifest (.csv) that names references, too")
    add("--method", action="append", default=[], metavar="NAME=G", help="the same with a name; several are compared")
    add("--reference", type=Path, metavar="R", help="a file, a folder, or a corpus; clips are named alike")
    add("--split", help="of a reference corpus: every clip of it is asked for (train, val, test)")
    add("--audio", type=Path, metavar="A", help="the sound, or a folder of sounds (default: the reference's own)")
    add("--report", type=Path, required=True, metavar="DIR", help="folder for metrics.json, metrics.csv and report.html")
    add("--follows", choices=("sound", "reference"), default="sound", help="what the motion was made from")
    add("--every", type=int, default=5, metavar="N", help="compare every Nth frame as a picture (default 5)")
    add("--rank-by", default="", metavar="FIGURE", help="what the worst clips are found by")
    add("--syncers", default="metric", help="metric (default), metric-hama, loss, or a weight file")
    add("--identity", default="mobilefacenet", metavar="W", help="network of CSIM-S: mobilefacenet, an encoder's file, none")
    add("--published", type=Path, metavar="DIR", help="weight files of SyncNet, Inception, I3D, ArcFace, LPIPS, by their names")
    add("--wandb", choices=("disabled", "offline", "online"), default="disabled", help="log the means there, too")
    add("--seed", type=int, default=7)
    add_device_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Evaluate, write, name what could not be evaluated; 1 when there was any."""
    from headsync.evaluation.evaluate import EvaluationSettings, evaluate_videos
    from headsync.evaluation.items import find_items, named_methods
    from headsync.evaluation.published_figures import load_published
    from headsync.evaluation.report.page import write_report
    from headsync.evaluation.summary import means
    from headsync.experiment import RunLog, only_run
    from render_stage.identity.embedder import load_embedder
    from syncers import load_syncers

    methods = named_methods(options.method, options.generated)
    find_items(methods, options.reference, audio=options.audio, split=options.split)    # refused before networks are read
    settings = EvaluationSettings(every=options.every, follows=options.follows, rank_by=options.rank_by, seed=options.seed)
    embed = None if options.identity == "none" else load_embedder(options.identity, device=options.device)
    published = load_published(options.published) if options.published else None
    with only_run(options.report):
        found = evaluate_videos(methods, options.reference, audio=options.audio, split=options.split, settings=settings,
                                pyramid=load_syncers(options.syncers, device=options.device), embed=embed, published=published)
        print(f"{write_report(options.report, found).page}: {found.cost}")
        if options.wandb != "disabled":
            with RunLog(options.report, wandb=options.wandb, config=found.settings) as log:
                for method in found.methods:
                    log.write(0, method, **means(found, method))
    return report_failures([": ".join(part for part in problem if part) for problem in found.problems])

