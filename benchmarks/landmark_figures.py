"""Figures of generated motion, beside real, still and borrowed motion: the tables of docs/results/generator.md.

    .venv/bin/python benchmarks/landmark_figures.py --data CORPUS [--split val] [--method NAME=WEIGHTS ...]
        [--parts synchrony distances behaviour]

A method is the shipped `short` or `long` generator (both by default) or a weight file. Pieces do not overlap. Printed:
synchrony by the metric syncers at 80 and 200 frames (mean |AV-Off| in steps, AV-Conf, and the score, 0 for a still face
and 1 for the real one), Fréchet distances at 40, 80 and 200 frames, and behaviour: spread of head and lips against real,
the networks' own lips (signed openings), lips in two seconds of silence, and the shape of the face after 500 frames.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from headsync.corpus import open_corpus
from headsync.landmarks.geometry import frontal
from headsync.landmarks.lips import lip_opening, lip_shapes
from headsync.landmarks.motion import face_shape_error, motion_statistics
from headsync.metrics import motion_distances
from headsync.metrics.lips import lip_metrics
from landmark_stage import load_generator
from landmark_stage.ms_sync.audio_pyramid import SILENT_ROW
from landmark_stage.ms_sync.data import Track, read_tracks
from landmark_stage.ms_sync.validate import Piece, generated, pieces_of, plane, synchrony
from syncers import SyncSample, load_syncers, mismatched, static

CANVAS = 256
LENGTHS = (40, 80, 200)
LONG, SILENCE = 500, 50
PARTS = ("synchrony", "distances", "behaviour")


def points_of(flat: torch.Tensor) -> np.ndarray:
    """Points (T, 68, 3) in pixels of the 256 canvas of a motion (T, D * 68)."""
    points = CANVAS * flat.unflatten(1, (68, -1)).numpy()
    return np.pad(points, ((0, 0), (0, 0), (0, 3 - points.shape[2]))).astype(np.float32)


def show_synchrony(name: str, found, real, still) -> None:
    """A line: offset / confidence / score of every level."""
    cells = [f"{off:.2f} / {conf:.2f} / {(conf - low) / (high - low):.2f}"
             for off, conf, low, high in zip(*found, still.confidence, real.confidence)]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def measure_synchrony(methods: dict, tracks: list[Track], frames: int) -> None:
    """The table at one length."""
    syncers, pieces = load_syncers("metric"), pieces_of(tracks, frames)
    samples = [piece.real for piece in pieces]
    names = [one.name for one in tracks for _ in range(0, len(one.flat) - frames + 1, frames)]
    others = [next(sample for other, sample in zip(names[k:] + names, samples[k:] + samples) if other != name)
              for k, name in enumerate(names)]
    real, still = synchrony(syncers, samples), synchrony(syncers, [static(sample) for sample in samples])
    print(f"\n| {frames} frames, {len(pieces)} pieces of {len(set(names))} clips | " +
          " | ".join(f"{200 << level} ms: off / conf / score" for level in range(len(real.offset))) + " |")
    for name, found in (("real", real), ("still face", still),
                        ("mismatched audio", synchrony(syncers, [mismatched(a, b) for a, b in zip(samples, others)]))):
        show_synchrony(name, found, real, still)
    for name, generator in methods.items():
        for noise in (1.0, 0.0):
            made = generated(generator, pieces, seed=1, noise=noise)
            found = synchrony(syncers, [sample._replace(flat=motion) for sample, motion in zip(samples, made)])
            show_synchrony(name + ", mean prediction" * (noise == 0), found, real, still)


def measure_distances(methods: dict, tracks: list[Track], strangers: list[Track]) -> None:
    """Positions, velocities, windows at every length."""
    print("\n| Fréchet distance | " + " | ".join(f"{n} frames: positions / velocities / windows" for n in LENGTHS) + " |")
    rows: dict[str, list[str]] = {}
    for frames in LENGTHS:
        pieces = pieces_of(tracks, frames)
        real = [plane(piece.real.flat) for piece in pieces]
        borrowed = [plane(piece.real.flat) for piece in pieces_of(strangers, frames)][: len(real)]
        sets = {"still face": [np.repeat(one[:1], frames, 0) for one in real], "other people's real motion": borrowed}
        sets |= {name: [plane(one) for one in generated(generator, pieces, seed=1)] for name, generator in methods.items()}
        for name, clips in sets.items():
            rows.setdefault(name, []).append(" / ".join(f"{value:.1f}" for value in motion_distances(
                clips, real, frames=frames, seed=1)))
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |")


def measure_spread(methods: dict, tracks: list[Track], frames: int = 80) -> None:
    """Means of each clip's standard deviations, as shares of the real ones'."""
    pieces = pieces_of(tracks, frames)
    real = [motion_statistics(points_of(piece.real.flat)) for piece in pieces]
    print(f"\n| {frames} frames, share of real | head turn (3 axes) | head shift (3 axes) | lip opening | jitter |")
    for name, generator in methods.items():
        made = [motion_statistics(points_of(one)) for one in generated(generator, pieces, seed=1)]
        shares = [np.mean([one[k] for one in made], axis=0) / np.mean([one[k] for one in real], axis=0)
                  for k in range(len(real[0]))]
        cells = [" ".join(f"{value:.2f}" for value in np.atleast_1d(share)) for share in shares]
        print(f"| {name} | {' | '.join(cells)} |")
    shapes = [lip_shapes(frontal(points_of(piece.real.flat))) for piece in pieces]
    print("\n| lips | closed (real) | crossed | r of mean with first | r of opening | closures (chance) | deviation / p95 |")
    for name, generator in methods.items():
        found = lip_metrics([lip_shapes(frontal(points_of(one))) for one in generated(generator, pieces, seed=1)], shapes)
        print("| {} | {closed:.2f} ({closed_real:.2f}) | {crossed:.3f} | {first_r:.2f} | {opening_r:.2f} | "
              "{closure_recall:.2f} ({recall_chance:.2f}) | {deviation:.2f} / {p95:.2f} |".format(name, **found))


def measure_rest(methods: dict, tracks: list[Track]) -> None:
    """Lips in silence after speech, and faces after 500 frames of all clips' sound on end."""
    print("\n| | lip opening in 2 s of silence, share of speech | face-shape error at 500 frames, px (real: median, 95 %) |")
    pieces = pieces_of(tracks, 80)
    quiet = [piece._replace(rows=torch.full_like(piece.rows, SILENT_ROW)) for piece in pieces]
    real = np.concatenate([face_shape_error(points_of(one.flat), points_of(one.flat[:1])[0]) for one in tracks])
    rows = torch.cat([one.rows for one in tracks])[: 4 * LONG]
    for name, generator in methods.items():
        speech, rest = (np.mean([lip_opening(points_of(one))[-SILENCE:].std() for one in generated(generator, kind, seed=1)])
                        for kind in (pieces, quiet))
        around = torch.nn.functional.pad(rows, (0, 0, 128, 128), value=SILENT_ROW)
        starts = [Piece(SyncSample(one.flat[:1].expand(LONG, -1), rows), around) for one in tracks]
        ends = [face_shape_error(points_of(motion)[-25:], points_of(motion[:1])[0]).mean()
                for motion in generated(generator, starts, seed=1)]
        print(f"| {name} | {rest / speech:.1%} | median {np.median(ends):.2f}, largest {max(ends):.2f} "
              f"(real: {np.median(real):.2f}, {np.percentile(real, 95):.2f}) |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--method", action="append", metavar="NAME=WEIGHTS", default=[])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    chosen = dict(one.split("=", 1) for one in options.method) or {"short": "short", "long": "long"}
    methods = {name: load_generator(weights) for name, weights in chosen.items()}
    corpus = open_corpus(options.data)
    tracks = read_tracks(corpus, options.split, features=load_syncers("metric").features)
    for frames in LENGTHS[1:] if "synchrony" in options.parts else ():
        measure_synchrony(methods, tracks, frames)
    if "distances" in options.parts:
        measure_distances(methods, tracks, read_tracks(corpus, "train"))
    if "behaviour" in options.parts:
        measure_spread(methods, tracks)
        measure_rest(methods, tracks)


if __name__ == "__main__":
    main()
