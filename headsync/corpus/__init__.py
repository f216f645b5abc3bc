"""A corpus of clips of people: preprocessing, manifest, splits, quality, frames for training."""

from headsync.corpus.clips import PreprocessSettings
from headsync.corpus.cluster import cluster_workers
from headsync.corpus.corpus import Clip, Corpus, Rejection, SyncRow, open_corpus, record_sync, split_of
from headsync.corpus.features import add_features
from headsync.corpus.needs import NEEDS, Need, how_people_are_distinguished, require, shortfalls
from headsync.corpus.people import HALVES, fold_of, of_half, pooled_codes
from headsync.corpus.phonetics import Variation, add_phonetics, read_phonetics, variation_of
from headsync.corpus.preprocess import BuildReport, build_corpus, minutes
from headsync.corpus.sources import Source, find_sources

__all__ = [
    "PreprocessSettings", "cluster_workers", "Clip", "Corpus", "Rejection", "SyncRow", "open_corpus", "record_sync",
    "split_of", "NEEDS", "Need", "how_people_are_distinguished", "require", "shortfalls",
    "HALVES", "fold_of", "of_half", "pooled_codes", "add_features", "Variation", "add_phonetics", "read_phonetics",
    "variation_of",
    "BuildReport", "build_corpus", "minutes", "Source",
    "find_sources",
]
