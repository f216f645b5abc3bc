"""Control over the head in figures: still, halved, copied, looped, and what each source does to lip sync.

    .venv/bin/python benchmarks/control_figures.py --data CORPUS [--split val] [--frames 80]

Faces are made by MS-Sync's generator from each val piece's first frame and sound; heads come from every source. Copied heads
are those of other val people's clips, cut to 40 frames so that they loop. Printed: how far rigid points move under `still`;
what `--head-scale 0.5` leaves of turns and shifts; how far a copied head is from its source; the largest step between frames;
and confidence of the metric syncers at 200 ms under each source as a share of that under the face's own head, which may itself
agree with the sound, and of that under a still one, which cannot: the latter says what a head does to lips.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from headsync.corpus import open_corpus
from headsync.landmarks import RIGID17, RIGID27, rotation_matrix, rotation_vector, similarity_fit
from headsync.landmarks.motion import anchored, compose_motion, head_track, looped, still_head
from headsync.landmarks.motion.compose import JITTER_TAPS, TRANSITION_FRAMES
from headsync.media import recut
from landmark_stage import HeadReference, load_generator, load_head_motion
from landmark_stage.head_motion.generate import HeadStream, person_of
from landmark_stage.ms_sync.data import read_tracks
from landmark_stage.ms_sync.validate import Piece, generated, pieces_of, synchrony
from syncers import SyncSample, load_syncers

CANVAS, SOURCE_FRAMES, BLOCK, FIT = 256, 40, 23, list(RIGID17)


def learned(model, reference: np.ndarray, rows: torch.Tensor) -> Iterator[np.ndarray]:
    """Blocks (t, 6) of a learned head that goes on from a reference (n, 68, 3) for rows (4T, 26)."""
    person = person_of(model, HeadReference(reference))
    stream = HeadStream(model, person, generator=torch.Generator().manual_seed(1))
    for piece in (stream.push(rows), stream.finish()):
        yield np.array([*person.turned, 0, 0, 0]) + (model.motion_scale * piece).double().numpy()


def points_of(flat: torch.Tensor) -> np.ndarray:
    """Points (T, 68, 3), pixels, of a motion (T, 204)."""
    return (CANVAS * flat.unflatten(1, (68, 3))).numpy()


def turned_from(start: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Turns (T, 3) of the head against the start's, in degrees."""
    return np.degrees(rotation_vector(similarity_fit(start[FIT].astype(np.float64), points[:, FIT]).rotation))


def composed(points: np.ndarray, *, block: int = BLOCK, **how) -> np.ndarray:
    """The motion (T, 68, 3), composed block by block."""
    return np.concatenate(list(compose_motion(recut([points], block), points[0], frames=len(points), **how)))


def largest_step(points: np.ndarray) -> float:
    """The largest way of a rigid point from frame to frame, pixels."""
    return float(np.linalg.norm(np.diff(points[:, FIT, :2], axis=0), axis=-1).max())


def measure_still(made: list[np.ndarray]) -> None:
    """Rigid points under `still`, and half a head against a whole one."""
    still = [composed(one, head=still_head(one[0])) for one in made]
    for name, indices in (("17 rigid points", RIGID17), ("27 rigid points", RIGID27)):
        moved = [np.sqrt(np.square(one[:, list(indices), :2] - one[0, list(indices), :2]).sum(-1).mean()) for one in still]
        print(f"| still: {name} move, rms px: mean of pieces, largest | {np.mean(moved):.3f}, {max(moved):.3f} |", flush=True)
    whole, half = ([composed(one, head_scale=scale) for one in made] for scale in (1.0, 0.5))
    turns = [np.linalg.norm(turned_from(b[0], b)) / np.linalg.norm(turned_from(a[0], a)) for a, b in zip(whole, half)]
    ways = [[np.linalg.norm(one[:, FIT].mean(1) - one[0, FIT].mean(0)) for one in side] for side in (whole, half)]
    shifts = [b / a for a, b in zip(*ways)]
    print(f"| --head-scale 0.5: share of turns and shifts left, smallest to largest of pieces | {min(turns):.4f} to "
          f"{max(turns):.4f}, {min(shifts):.4f} to {max(shifts):.4f} |")


def measure_copies(made: list[np.ndarray], sources: list[np.ndarray]) -> None:
    """A copied head against its source, the transitions at both ends left out; places after alignment of their means."""
    turned, place = [], []
    for one, source in zip(made, sources):
        source = source[: len(one)]
        copy = composed(one, head=looped(anchored(head_track(source, taps=JITTER_TAPS))))
        inside = slice(TRANSITION_FRAMES, len(source) - TRANSITION_FRAMES)
        ours, theirs = head_track(copy)[inside], head_track(source)[inside]
        apart = rotation_matrix(ours[:, :3]) @ np.swapaxes(rotation_matrix(theirs[:, :3]), 1, 2)
        turned.append(np.degrees(np.linalg.norm(rotation_vector(apart), axis=1)))
        gap = ours[:, 3:5] - theirs[:, 3:5]
        place.append(np.linalg.norm(gap - gap.mean(0), axis=1))
    turned, place = np.concatenate(turned), np.concatenate(place)
    print(f"| copied head off its source, {len(made)} pairs: turn in degrees: mean, 95 %, frames within 1; place in px: mean, "
          f"95 %, frames within 2 | {turned.mean():.2f}, {np.percentile(turned, 95):.2f}, {(turned < 1).mean():.1%}; "
          f"{place.mean():.2f}, {np.percentile(place, 95):.2f}, {(place < 2).mean():.1%} |")


def measure_loops(made: list[np.ndarray], sources: list[np.ndarray]) -> None:
    """The largest step at loop points and block borders, beside that of the source itself."""
    turns, borders, own = [], [], []
    for one, source in zip(made, sources):
        short = source[:SOURCE_FRAMES]
        track = anchored(head_track(short, taps=JITTER_TAPS))
        copy, whole = composed(one, head=looped(track)), composed(one, head=looped(track), block=len(one))
        moments = range(SOURCE_FRAMES - 1, len(copy) - 1, SOURCE_FRAMES - 1)
        turns += [largest_step(copy[at - 1 : at + 2]) for at in moments]
        borders.append(np.abs(copy - whole).max())
        own.append(largest_step(short))
    print(f"| largest step at loop points, px: median of pieces, largest (largest inside the {SOURCE_FRAMES}-frame sources) | "
          f"{np.median(turns):.2f}, {max(turns):.2f} ({np.median(own):.2f}, {max(own):.2f}) |")
    print(f"| blocks of {BLOCK} frames off the whole, largest, px | {max(borders):.1e} |")


def measure_lips(made: list[np.ndarray], pieces: list[Piece], sources: list[np.ndarray], model) -> None:
    """Synchrony at 200 ms under every source of head motion."""
    syncers = load_syncers("metric")
    heads = {"its own": lambda one, piece, source: None, "still": lambda one, piece, source: still_head(one[0]),
             "copied, looped": lambda one, piece, source: looped(
                 anchored(head_track(source[:SOURCE_FRAMES], taps=JITTER_TAPS))),
             "learned": lambda one, piece, source: learned(model, source, piece.own_rows)}
    found = {}
    for name, head in heads.items():
        shown = [composed(one, head=head(one, piece, source)) for one, piece, source in zip(made, pieces, sources)]
        lips = [composed(one, head=still_head(one[0])) for one in shown]        # what is left without the head
        found[name] = [synchrony(syncers, [SyncSample(torch.from_numpy(one / CANVAS).flatten(1), piece.real.rows)
                                           for one, piece in zip(side, pieces)]) for side in (shown, lips)]
    print("\n| head | mean abs. AV-Off at 200 ms, frames | AV-Conf | share of own | share of still | head taken out: AV-Conf | "
          "share of own | share of still |\n|---|---|---|---|---|---|---|---|")
    for name, sides in found.items():
        cells = [f"{sides[0].offset[0]:.2f}"]
        for number, side in enumerate(sides):
            confidence = side.confidence[0]
            cells += [f"{confidence:.3f}", *(f"{confidence / found[anchor][number].confidence[0]:.1%}"
                                             for anchor in ("its own", "still"))]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--weights", default="head_motion")
    parser.add_argument("--frames", type=int, default=80)
    options = parser.parse_args()
    tracks = read_tracks(open_corpus(options.data), options.split, features=load_syncers("metric").features)
    pieces = pieces_of(tracks, options.frames)
    made = [points_of(one) for one in generated(load_generator("long"), pieces, seed=1)]
    others = [points_of(piece.real.flat) for piece in pieces]
    sources = others[len(others) // 2 :] + others[: len(others) // 2]
    print("| what | figure |\n|---|---|")
    measure_still(made)
    measure_copies(made, sources)
    measure_loops(made, sources)
    for name, faces in (("MS-Sync's faces", made), ("real faces", others)):
        print(f"\n{name}:")
        measure_lips(faces, pieces, sources, load_head_motion(options.weights))


if __name__ == "__main__":
    main()
