"""A corpus -> by how many frames each clip's sound is late, recorded in its manifest; unsure clips are flagged."""

import argparse

from headsync.commands.parser import CommandParser

EXAMPLE = "correct-sync --data corpus --weights metric"


def add_arguments(parser: CommandParser) -> None:
    """Its options."""
    parser.add_argument("--data", required=True, metavar="CORPUS", help="what headsync preprocess wrote")
    parser.add_argument("--weights", metavar="NAME_OR_FILE",
                        help="syncers that never met these people: metric, loss or a file; without it the corpus corrects "
                             "itself, each clip by syncers trained on other people")
    parser.add_argument("--config", default="base", metavar="PRESET", help="of the self-correction: base, tiny or a .yaml")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="for example rounds=3 train.run.seed=5")


def run(options: argparse.Namespace) -> None:
    """Estimate, record, and say what was found."""
    import numpy as np

    from headsync.corpus import open_corpus
    from headsync.experiment import load_config, only_run
    from syncers import CorrectionSettings, correct_corpus, cross_fit_corpus, load_syncers

    corpus = open_corpus(options.data)
    if options.weights:
        pyramid = load_syncers(options.weights)
    else:
        settings = load_config(CorrectionSettings, stage="correction", preset=options.config, overrides=options.overrides)
    with only_run(corpus.folder):
        rounds = [correct_corpus(corpus, pyramid)] if options.weights else cross_fit_corpus(corpus, settings)
    for number, found in enumerate(rounds, start=1):
        sure = [one.frames for one in found.values() if one.sure]
        counts = ", ".join(f"{value:+d}: {sure.count(value)}" for value in range(-4, 5)) if sure else "none"
        print(f"round {number}: {len(sure)} of {len(found)} clips are sure; late by frames {counts}; "
              f"mean {np.mean(sure) if sure else 0:+.2f}")

