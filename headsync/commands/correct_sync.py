"""A corpus -> by how many frames each clip's sound is late, recorded in its manifest; unsure clips are flagged."""

import argparse

from headsync.commands.parser import CommandParser

EXAMPLE = "correct-sync --data corpus"


def add_arguments(parser: CommandParser) -> None:
    """Its options."""
    parser.add_argument("--data", required=True, metavar="CORPUS", help="what headsync preprocess wrote")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--weights", metavar="NAME_OR_FILE",
                     help="syncers not trained on these people: metric, metric-hama, loss or a file (default: metric for a "
                          "small corpus)")
    how.add_argument("--cross-fit", action="store_true",
                     help="each clip by syncers trained on other people of the corpus: minutes of work (default from 15 "
                          "minutes and 20 people on, and with --config or key=value)")
    parser.add_argument("--config", metavar="PRESET", help="of the cross-fitting: base (default), tiny or a .yaml")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="for example rounds=3 train.run.seed=5")


def run(options: argparse.Namespace) -> None:
    """Estimate, record, and say what was found."""
    import numpy as np

    from headsync.corpus import open_corpus
    from headsync.experiment import load_config, only_run
    from syncers import load_syncers
    from syncers.correction import CorrectionSettings, correct_corpus, corrects_itself, cross_fit_corpus

    corpus = open_corpus(options.data)
    if options.weights and (options.config or options.overrides):
        raise ValueError("--config and key=value are for cross-fitting, which trains syncers; --weights gives trained ones: "
                         "leave out one of them")
    trains = not options.weights and (options.cross_fit or options.config or options.overrides or corrects_itself(corpus))
    if trains:
        settings = load_config(CorrectionSettings, stage="correction", preset=options.config or "base",
                               overrides=options.overrides)
        print(f"by syncers trained on the corpus itself, {settings.rounds} rounds (--weights metric takes seconds)")
    else:
        pyramid = load_syncers(options.weights or "metric")
        print(f"by the syncers {options.weights or 'metric, which are shipped (--cross-fit trains some on the corpus itself)'}")
    with only_run(corpus.folder):
        rounds = cross_fit_corpus(corpus, settings) if trains else [correct_corpus(corpus, pyramid)]
    for number, found in enumerate(rounds, start=1):
        sure = [one.frames for one in found.values() if one.sure]
        counts = ", ".join(f"{value:+d}: {sure.count(value)}" for value in range(-4, 5)) if sure else "none"
        print(f"round {number}: {len(sure)} of {len(found)} clips are sure; late by frames {counts}; "
              f"mean {np.mean(sure) if sure else 0:+.2f}")

