"""Videos -> a corpus of landmark, audio and frame clips."""

import argparse
from typing import TYPE_CHECKING

from headsync.commands.command import about, report_failures
from headsync.commands.motion_arguments import DETECTORS
from headsync.commands.parser import CommandParser

if TYPE_CHECKING:
    from headsync.corpus import BuildReport, Corpus

EXAMPLE = "preprocess --videos videos --out corpus"

FEW_MINUTES = 20


def add_arguments(parser: CommandParser) -> None:
    """Its options."""
    parser.add_argument("--videos", nargs="+", metavar="DIR",
                        help="folders of videos, searched through; none: an existing corpus gets the --features")
    parser.add_argument("--out", required=True, metavar="DIR", help="the corpus; run again to resume or to add videos")
    parser.add_argument("--manifest", nargs="+", default=(), metavar="CSV",
                        help="clip names with identity and split; else folders are people and a hash splits them")
    parser.add_argument("--val", nargs="+", default=(), metavar="PERSON",
                        help="people to validate on (default: one person in ten, by a hash of the name)")
    parser.add_argument("--jobs", type=int, help="videos worked on at once (default 1; of a cluster as many as it can)")
    parser.add_argument("--cluster", metavar="ADDRESS", help="dask://HOST:PORT or ray://HOST:PORT whose workers do it")
    parser.add_argument("--detector", choices=DETECTORS, default="mediapipe")
    parser.add_argument("--face", default="largest", help="largest, centre or an index from the left (default largest)")
    parser.add_argument("--features", nargs="+", choices=("fbank26", "mfcc26", "hama", "whisper"), default=(), metavar="KIND",
                        help="audio features beside fbank26, which are always made: mfcc26, hama, whisper (trainings make what "
                             "they lack)")
    parser.add_argument("--sync-correct", nargs="?", const="metric", metavar="SYNCERS",
                        help="find early and late sound by these syncers (default metric), note it, flag doubtful clips")


def run(options: argparse.Namespace) -> int:
    """Build the corpus; 0 when every source could be read, 1 when some could not."""
    from headsync.corpus import minutes

    if options.jobs is not None and options.jobs < 1:
        raise ValueError(f"--jobs {options.jobs} is less than 1; give the number of videos to work on at once")
    if not options.videos:
        return extend(options)
    report = build(options)
    clips = report.corpus.clips
    for split in ("train", "val", "test"):
        chosen = report.corpus.select(split)
        people = len({clip.identity for clip in chosen})
        print(f"{split}: {len(chosen)} clips, {people} people, {minutes(chosen):.1f} min")
    left_out = [one for one in report.rejections if not one.failed]
    print(f"{len(clips)} clips, {minutes(clips):.1f} min in {options.out}; {len(left_out)} stretches left out "
          f"(rejected.csv); {report.processed} videos processed, {report.skipped} finished before")
    print("\n".join(advice(report.corpus)))
    return report_failures([about(one.source, ValueError(one.reason)) for one in report.rejections if one.failed])


def build(options: argparse.Namespace) -> "BuildReport":
    """The corpus of the videos, with the features and the sync correction asked for."""
    from headsync.corpus import PreprocessSettings, add_features, build_corpus, cluster_workers, find_sources
    from headsync.experiment import only_run
    from syncers import load_syncers
    from syncers.correction import correct_corpus

    settings = PreprocessSettings(detector=options.detector, face=options.face)
    sources = find_sources(options.videos, manifests=options.manifest)
    pyramid = load_syncers(options.sync_correct) if options.sync_correct else None
    with only_run(options.out), cluster_workers(options.cluster):
        report = build_corpus(sources, options.out, settings=settings, jobs=options.jobs or (-1 if options.cluster else 1),
                              val=options.val)
        for kind in options.features:
            add_features(report.corpus, report.corpus.clips, kind)
        found = correct_corpus(report.corpus, pyramid) if pyramid is not None else None
    if found is not None:
        sure = [one.frames for one in found.values() if one.sure]
        print(f"{len(sure)} clips are sure of their synchrony, {sum(map(bool, sure))} of them were early or late")
    return report


def extend(options: argparse.Namespace) -> int:
    """Features that the clips of an existing corpus lack; 0."""
    from headsync.corpus import add_features, open_corpus
    from headsync.experiment import only_run

    if not options.features:
        raise ValueError("there is nothing to do: give --videos, or --features for the corpus that is there")
    corpus = open_corpus(options.out)
    with only_run(options.out):
        for kind in options.features:
            made = add_features(corpus, corpus.clips, kind)
            print(f"{kind}: made for {made} of {len(corpus.select(talking=True))} clips with sound")
    return 0


def advice(corpus: "Corpus") -> list[str]:
    """Lines that say which trainings the corpus is enough for, what it lacks for the others, how it knows people."""
    from headsync.corpus import NEEDS, how_people_are_distinguished, minutes, shortfalls
    from render_stage.identity.data import encoder_shortfalls

    lacking = {name: shortfalls(corpus, need) for name, need in NEEDS.items()}
    lacking["encoder"] = encoder_shortfalls(corpus, "first")
    enough = [name for name, phrases in lacking.items() if not phrases]
    lines = [f"enough to train: {', '.join(enough) or 'nothing yet'}"]
    lines += [f"not enough to train {name}: {'; '.join(phrases)}" for name, phrases in lacking.items() if phrases]
    length, people = minutes(corpus.select("train")), len(corpus.people("train"))
    if enough and length < FEW_MINUTES:
        lines.append(f"{length:.1f} min of {people} people let every command be tried; the shipped weights learned from "
                     "30 to 60 minutes of more than 100 people")
    advice_on_people = how_people_are_distinguished(corpus.clips)
    return lines + [advice_on_people] * bool(advice_on_people)
