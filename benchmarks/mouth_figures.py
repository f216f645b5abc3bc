"""Do drawn mouths obey their landmarks, and what is seen in them? The tables of docs/results.md on faces.

    python -m benchmarks.mouth_figures --data CORPUS --model small sharp mine=runs/close_up/renderer.safetensors
        --portraits PHOTO... [--clips 24] [--sheets DIR]

Three parts. *Obedience*: from one picture (portraits; first frames, most shut and widest open frames of val clips) its own
landmarks with the lower lip and the jaw lowered until the lips stand so far apart (signed, in distances of the outer eye
corners), drawn, and found again by the embedded detector. *Interior*: val clips from their first frames with the real
landmarks; in frames whose real mouth is open: share of teeth, of dark pixels, contrast (`headsync.metrics.mouth_interior`), and
the variance of the Laplacian in boxes as a share of the real one (median over frames). *Talks* (`--audio SOUND...`): portraits
say sounds with the default lips; the share of frames whose lips are closed, asked by the landmarks and seen in the pictures.
"""

import argparse
import itertools
import sys
from pathlib import Path

import cv2
import numpy as np

from headsync import media
from headsync.corpus import Corpus, open_corpus
from headsync.evaluation.redetect import detect_again
from headsync.landmarks import GROUPS, contact_sheet, frontalise, head_pose, pose_points
from headsync.landmarks.detection import make_detector
from headsync.landmarks.lips import CLOSED, CROSSED, lip_shapes
from headsync.metrics.mouth_interior import laplacian_variance, mouth_interior
from landmark_stage import generate_landmarks, start_face
from render_stage import Drive, load_renderer, read_references
from render_stage.references import Reference

ASKED = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35)
LOWER = (55, 56, 57, 58, 59, 65, 66, 67)                # lips that go with the jaw
JAW = {6: 0.5, 7: 0.8, 8: 0.9, 9: 0.8, 10: 0.5, 5: 0.25, 11: 0.25, 4: 0.1, 12: 0.1}
TALK_FRAMES = 150                                       # of each talk
OPEN = 0.08                                             # real openings that are looked into
BOXES = {"mouth": GROUPS["mouth"], "eyes": (*GROUPS["right_eye"], *GROUPS["left_eye"]), "face": range(68)}


def asked_points(points: np.ndarray, openings: tuple[float, ...]) -> np.ndarray:
    """Landmarks (n, 68, 3) of one face (68, 3) with the mouth at signed openings."""
    pose = head_pose(points[None])
    front = np.repeat(frontalise(points[None], pose).astype(np.float64), len(openings), axis=0)
    shapes = lip_shapes(front)
    eyes = np.linalg.norm(front[0, 45, :2] - front[0, 36, :2])
    by = (np.array(openings) - shapes.opening) * eyes                                   # (n,)
    for landmark, share in {**dict.fromkeys(LOWER, 1.0), **JAW}.items():
        front[:, landmark, 1] += share * by
    repeated = pose._replace(h=np.repeat(pose.h, len(openings), axis=0))
    return pose_points(front, repeated)


def seen_openings(frames: np.ndarray, expected: np.ndarray, detector) -> np.ndarray:
    """Signed openings (n,) that the detector sees; NaN where it sees no face."""
    found = detect_again(list(frames), detector, expected=expected)
    pose = head_pose(found.points)
    openings = lip_shapes(frontalise(found.points, pose)).opening
    return np.where(found.visible, openings, np.nan)


def slope(asked: np.ndarray, seen: np.ndarray) -> float:
    """Of the line through asked and seen openings."""
    there = np.isfinite(seen)
    return float(np.polyfit(asked[there], seen[there], 1)[0]) if there.sum() > 2 else float("nan")


def obedience(renderers: dict, starts: dict[str, list[Reference]], sheets: Path | None) -> None:
    """Prints asked and seen openings."""
    detector, asked = make_detector(), np.array(ASKED)
    print(f"| from | method | slope | error | seen of {' / '.join(f'{one:g}' for one in ASKED)} |\n|---|---|---|---|---|")
    for (kind, references), (name, renderer) in itertools.product(starts.items(), renderers.items()):
        rows, tiles = [], []
        for reference in references:
            points = asked_points(reference.points, ASKED)
            frames = renderer.frames(renderer.prepare([reference]), Drive(points))
            rows.append(seen_openings(frames, points, detector))
            tiles += [reference.picture, *frames[1:8:2], frames[-1]]
        seen = np.array(rows)
        middle = np.nanmedian(seen, axis=0)
        print(f"| {kind} ({len(references)}) | {name} | {np.nanmedian([slope(asked, one) for one in seen]):.2f} | "
              f"{np.nanmean(np.abs(seen - asked)):.3f} | {' / '.join(f'{one:.3f}' for one in middle)} |", flush=True)
        if sheets:
            write(sheets / f"asked_{kind}_{name}.png", tiles, columns=6)


def write(path: Path, tiles: list[np.ndarray], *, columns: int) -> None:
    """A contact sheet as PNG."""
    cv2.imwrite(str(path), contact_sheet([cv2.resize(one, (160, 160), interpolation=cv2.INTER_AREA) for one in tiles],
                                         columns=columns)[..., ::-1])


def starts_of(corpus: Corpus, clips: list, portraits: list[Path]) -> dict[str, list[Reference]]:
    """References by kind."""
    made: dict[str, list[Reference]] = {"shut": [], "open": []}
    for clip in clips:
        sequence, meshes = corpus.landmarks(clip), corpus.mesh(clip)
        openings = lip_shapes(frontalise(sequence.points, head_pose(sequence.points))).opening
        turned = np.abs(head_pose(sequence.points).h[:, 1])
        frames = dict(enumerate(media.read_frames(corpus.video_path(clip))))
        shut = int(np.argmin(openings + turned))
        wide = int(np.argmax(openings - 0.3 * turned))
        for kind, number in (("shut", shut), ("open", wide)):
            if (openings[number] < CLOSED) == (kind == "shut"):
                made[kind].append(Reference(frames[number], sequence.points[number].astype(np.float64),
                                            np.asarray(meshes[number], np.float32)))
    if portraits:
        made["portraits"] = [read_references([path]).on_canvas()[0] for path in portraits]
    return {kind: found for kind, found in made.items() if found}


def interior(renderers: dict, corpus: Corpus, clips: list, most: int, sheets: Path | None) -> None:
    """Prints what is seen in open mouths, and sharpness."""
    rows: dict[str, list[dict]] = {name: [] for name in renderers}
    tiles: dict[str, list[np.ndarray]] = {name: [] for name in renderers}
    for clip in clips:
        sequence, meshes = corpus.landmarks(clip), corpus.mesh(clip)
        openings = lip_shapes(frontalise(sequence.points, head_pose(sequence.points))).opening
        wide = np.flatnonzero((openings > OPEN) & sequence.visible)
        wide = wide[wide > 5][:: max(1, len(wide) // most)][:most]
        if not len(wide):
            continue
        frames = dict(enumerate(media.read_frames(corpus.video_path(clip))))
        reference = Reference(frames[0], sequence.points[0].astype(np.float64), np.asarray(meshes[0], np.float32))
        for name, renderer in renderers.items():
            drive = Drive(sequence.points[wide].astype(np.float64))
            made = renderer.frames(renderer.prepare([reference]), drive)
            for number, picture in zip(wide, made):
                row = measures(picture, frames[number], sequence.points[number])
                if row:
                    rows[name].append(row)
            tiles[name] += [reference.picture, made[0], frames[wide[0]]]
    print("| method | teeth | dark | contrast | L1 inside | Laplacian " + " | ".join(BOXES) + " | inside |\n|" + "---|" * 9)
    for name, found in rows.items():
        mean = {key: np.mean([row[key] for row in found]) for key in found[0]}
        real = " | ".join(f"{mean[key]:.3f}" for key in ("teeth_real", "dark_real", "contrast_real"))
        print(f"| real ({len(found)} frames) | {real} |"
              " | 1 | 1 | 1 | 1 |")
        shares = [np.median([row[box] for row in found]) for box in (*BOXES, "inside")]
        print(f"| {name} | {mean['teeth']:.3f} | {mean['dark']:.3f} | {mean['contrast']:.3f} | {mean['l1']:.3f} | "
              + " | ".join(f"{one:.2f}" for one in shares) + " |", flush=True)
        if sheets:
            write(sheets / f"interior_{name}.png", tiles[name], columns=6)


def talks(renderers: dict, portraits: list[Path], sounds: list[Path], sheets: Path | None) -> None:
    """Prints how often mouths are closed, asked and seen."""
    detector = make_detector()
    starts = [(start_face(path), read_references([path]).on_canvas()[0]) for path in portraits]
    print("| method | closed, asked | closed, seen | crossed, asked | r of asked and seen |\n|---|---|---|---|---|")
    for name, renderer in renderers.items():
        asked, seen, agreement, tiles = [], [], [], []
        for (start, reference), sound in zip(starts, itertools.cycle(sounds)):
            points = generate_landmarks(sound, start).points[:TALK_FRAMES].astype(np.float64)
            frames = renderer.frames(renderer.prepare([reference]), Drive(points))
            wanted = lip_shapes(frontalise(points, head_pose(points))).opening
            found = seen_openings(frames, points, detector)
            there = np.isfinite(found)
            asked.append(wanted[there])
            seen.append(found[there])
            agreement.append(np.corrcoef(wanted[there], found[there])[0, 1])
            tiles += [reference.picture, *frames[30:80:10]]
        asked_all, seen_all = np.concatenate(asked), np.concatenate(seen)
        print(f"| {name} ({len(starts)} portraits) | {(asked_all < CLOSED).mean():.2f} | {(seen_all < CLOSED).mean():.2f} | "
              f"{(asked_all < CROSSED).mean():.3f} | {np.nanmean(agreement):.2f} |", flush=True)
        if sheets:
            write(sheets / f"talks_{name}.png", tiles, columns=6)


def measures(made: np.ndarray, real: np.ndarray, points: np.ndarray) -> dict[str, float] | None:
    """One frame beside the real one; None where the mouth is too small."""
    ours, theirs = mouth_interior(made, points), mouth_interior(real, points)
    if ours is None or theirs is None:
        return None
    inner = points[60:68, :2]
    (left, top), (right, bottom) = inner.min(0).astype(int), inner.max(0).astype(int) + 1
    box = (slice(top, bottom), slice(left, right))
    row = {"teeth": ours.teeth, "dark": ours.dark, "contrast": ours.contrast, "teeth_real": theirs.teeth,
           "dark_real": theirs.dark, "contrast_real": theirs.contrast,
           "l1": float(np.abs(made[box].astype(float) - real[box]).mean() / 255)}
    for name, landmarks in {**BOXES, "inside": range(60, 68)}.items():
        margin = 0.0 if name == "inside" else 0.2
        row[name] = laplacian_variance(made, points, landmarks, margin=margin) / max(
            laplacian_variance(real, points, landmarks, margin=margin), 1e-6)
    return row


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", nargs="+", default=["small"], metavar="NAME=FILE")
    parser.add_argument("--portraits", nargs="*", default=[], type=Path)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--frames", type=int, default=8, help="open mouths of a clip that are looked into")
    parser.add_argument("--audio", nargs="*", default=[], type=Path, help="what portraits say, in turn")
    parser.add_argument("--sheets", type=Path)
    options = parser.parse_args()
    if options.sheets:
        options.sheets.mkdir(parents=True, exist_ok=True)
    corpus = open_corpus(options.data)
    clips = corpus.select(options.split)[: options.clips]
    renderers = {one.partition("=")[0]: load_renderer(one.partition("=")[2] or one) for one in options.model}
    print(f"{len(clips)} clips", file=sys.stderr)
    obedience(renderers, starts_of(corpus, clips, options.portraits), options.sheets)
    print()
    interior(renderers, corpus, clips, options.frames, options.sheets)
    if options.audio and options.portraits:
        print()
        talks(renderers, options.portraits, options.audio, options.sheets)


if __name__ == "__main__":
    main()
