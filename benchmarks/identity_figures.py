"""Whom CSIM's network holds for whom: genuine and impostor cosines, ROC and thresholds, on people of a corpus.

    .venv/bin/python benchmarks/identity_figures.py --data CORPUS [--network mobilefacenet FILE ...] [--splits val test]
        [--frames 6] [--roc roc.csv]

Printed for each network: cosines of the same person (frames of one clip a second apart or of two clips; and of two clips
alone) and of different people, ROC area, equal error rate, and for 5, 1 and 0.1 % of impostors taken the cosine that takes
them and the share of genuine pairs above it. `--roc` writes threshold, genuine share and impostor share as a table.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from headsync.corpus import open_corpus
from headsync.metrics.verification import Pairs, pair_cosines, threshold_at, verify
from render_stage.identity.data import Faces, read_faces
from render_stage.identity.embedder import load_embedder

TAKEN = (0.05, 0.01, 0.001)
STEPS, STRIDE = 201, 3


def canvases(faces: Faces) -> np.ndarray:
    """The faces' pictures (N, S, S, 3) uint8."""
    return np.stack([faces.stores[clip].picture(int(index)) for clip, index in zip(faces.clip, faces.index)])


def show(name: str, title: str, genuine: np.ndarray, impostor: np.ndarray) -> None:
    """A line of the table."""
    told = verify(genuine, impostor)
    limits = " | ".join("{:.2f}: {:.1%}".format(*threshold_at(genuine, impostor, taken=taken)) for taken in TAKEN)
    print(f"| {name}, {title} | {told.genuine_mean:.3f} ± {told.genuine_std:.3f} ({len(genuine)}) | "
          f"{told.impostor_mean:.3f} ± {told.impostor_std:.3f} ({len(impostor)}) | {told.roc_area:.4f} | "
          f"{told.equal_error:.1%} | {limits} |", flush=True)


def write_roc(path: Path, pairs: Pairs) -> None:
    """Shares of pairs above each threshold from -1 to 1."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["threshold", "genuine", "impostor"])
        for limit in np.linspace(-1, 1, STEPS):
            table.writerow([f"{limit:.2f}", *(f"{(one > limit).mean():.5f}" for one in (pairs.genuine, pairs.impostor))])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="CORPUS")
    parser.add_argument("--network", nargs="+", default=["mobilefacenet"], metavar="W")
    parser.add_argument("--splits", nargs="+", default=["val"])
    parser.add_argument("--frames", type=int, default=6, help="of each clip, at most")
    parser.add_argument("--roc", type=Path, metavar="CSV", help="of the last network")
    options = parser.parse_args()
    corpus = open_corpus(options.data)
    clips = [clip for split in options.splits for clip in corpus.select(split)]
    faces = read_faces(corpus, clips, stride=STRIDE, most=options.frames)
    pictures = canvases(faces)
    print(f"{faces.people} people, {len(clips)} clips, {len(pictures)} frames of {', '.join(options.splits)}")
    print(f"| network, pairs | same person | different people | ROC area | equal error | "
          f"{' | '.join(f'{taken:.1%} taken' for taken in TAKEN)} |\n|---|---|---|---|---|---|---|---|")
    for name in options.network:
        found = load_embedder(name)(pictures, faces.points)
        pairs = pair_cosines(found, faces.person, faces.clip, faces.frame)
        show(name, "all", pairs.genuine, pairs.impostor)
        if len(pairs.other_clip):
            show(name, "two clips", pairs.other_clip, pairs.impostor)
        if options.roc:
            write_roc(options.roc, pairs)


if __name__ == "__main__":
    main()
