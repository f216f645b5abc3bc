"""Figures of rendered faces on unseen people, beside two baselines: the table of docs/results/renderer.md.

    .venv/bin/python benchmarks/render_figures.py --data CORPUS [--split val] [--model small|NAME=FILE ...]
        [--references 1 8 32] [--clips N] [--frames-per-clip M] [--sheets DIR] [--out FILE.json] [--identity FILE]
        [--jobs J]

Landmark-driven reconstruction. References come from a clip's first 64 frames (a clip under 104 frames: its first
quarter): the very first for K = 1, as a user's one photo would be; for more those that `pick_faces` takes of a user's
clip (they cover its poses, from the most frontal on; one mouth open). Targets are M frames spread evenly over the rest,
and for what changes over time 25 consecutive ones from its middle; all methods draw the same frames from the same
landmarks.
    copy        the nearest reference by head motion (`motion_matcher.match`), as it is
    mesh        the same reference's textured mesh with the target's pose and landmarks over it, hard edges; the mouth's
                hole shows that frame's mouth, carried by the mesh; no network
Landmarks are found again by the embedded detector in made and in real frames alike, two looks per frame. Means are over
people (their clips averaged first), with 95 % bootstrap intervals over people. `evaluation` documents every measure;
"off" is the distance of CPBD, jitter and flicker from the real frames'. Flicker's error is shown and not evaluated by: a held
picture makes little of it.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from joblib import Parallel, delayed
from render_baselines import Case, Copy, Mesh, read_case
from tqdm import tqdm

from headsync.corpus import Clip, Corpus, open_corpus
from headsync.evaluation.redetect import Detected, detect_again
from headsync.landmarks import GROUPS, contact_sheet
from headsync.landmarks.detection import make_detector
from headsync.metrics import cpbd, frontal_distance, jitter_px, landmark_distance, psnr_db, squared_error
from headsync.metrics.flicker import flicker
from headsync.metrics.regions import hull_mask, mean_inside, ssim_map
from render_stage import Drive, load_renderer
from render_stage.identity.embedder import load_embedder
from render_stage.references import Reference
from syncers import summarise

SHOWN, RIM_PX = 3, 6
BASELINES = ("copy", "mesh")
HIGHER, LOWER, NEITHER = 1, -1, 0
MEASURES = {            # name: (which way is better, digits)
    "SSIM": (HIGHER, 3), "SSIM face": (HIGHER, 3), "SSIM mouth": (HIGHER, 3), "SSIM rest": (HIGHER, 3), "PSNR dB": (HIGHER, 2),
    "LMD px": (LOWER, 2), "LMD mouth": (LOWER, 2), "LMD frontal": (LOWER, 2), "LMD mouth frontal": (LOWER, 2),
    "lost %": (LOWER, 1), "CSIM": (HIGHER, 3), "CPBD": (NEITHER, 3), "CPBD off": (LOWER, 3), "jitter px": (NEITHER, 3),
    "jitter off": (LOWER, 3), "flicker": (NEITHER, 2), "flicker off": (LOWER, 2), "flicker error": (NEITHER, 2)}
TABLES = (tuple(MEASURES)[:5] + ("CPBD", "CPBD off", "CSIM"), tuple(MEASURES)[5:10],
          ("jitter px", "jitter off", "flicker", "flicker off", "flicker error"))


class Evaluator:
    """Measures drawn frames of one clip against the real ones, of which it looks at each once."""

    def __init__(self, case: Case, detector, embed):
        self.case, self.detector, self.embed = case, detector, embed
        self.found = self._detected(case.real)
        self.face = [hull_mask(mesh, frame.shape[:2]) for mesh, frame in zip(case.meshes, case.real)]
        self.mouth = [hull_mask(points[list(GROUPS["mouth"])], frame.shape[:2], grow_px=RIM_PX)
                      for points, frame in zip(case.points, case.real)]
        n = case.targets
        self.sharpness = float(np.mean([cpbd(frame).cpbd for frame in case.real[:n]]))
        self.jitter = self._jitter(self.found)
        self.identity = None if embed is None else embed(np.stack(case.real[:n]), self._places(self.found))

    def measures(self, made: np.ndarray) -> dict[str, float]:
        """All measures of made frames (t, H, W, 3)."""
        n, case = self.case.targets, self.case
        maps = [ssim_map(frame, real) for frame, real in zip(made[:n], case.real)]
        found = self._detected(list(made))
        sharpness, jitter = float(np.mean([cpbd(frame).cpbd for frame in made[:n]])), self._jitter(found)
        flickering = flicker(made[n:], case.real[n:])
        return {
            "SSIM": float(np.mean([mean_inside(one, np.ones(one.shape, bool)) for one in maps])),
            "SSIM face": float(np.nanmean([mean_inside(*pair) for pair in zip(maps, self.face)])),
            "SSIM mouth": float(np.nanmean([mean_inside(*pair) for pair in zip(maps, self.mouth)])),
            "SSIM rest": float(np.nanmean([mean_inside(one, ~face) for one, face in zip(maps, self.face)])),
            "PSNR dB": float(np.mean([psnr_db(squared_error(*pair)) for pair in zip(made[:n], case.real)])),
            **self._landmark_measures(found), "CSIM": self._likeness(made[:n], found),
            "CPBD": sharpness, "CPBD off": abs(sharpness - self.sharpness), "jitter px": jitter,
            "jitter off": abs(jitter - self.jitter), "flicker": flickering.share, "flicker off": abs(flickering.share - 1),
            "flicker error": flickering.error, "SSIM by frame": [float(np.nanmean(one)) for one in maps]}

    def _landmark_measures(self, found: Detected) -> dict[str, float]:
        n, mouth = self.case.targets, GROUPS["mouth"]
        both = (found.visible & self.found.visible)[:n]
        lost = 100 * float(1 - found.visible[:n].mean())
        if not both.any():
            return {"LMD px": np.nan, "LMD mouth": np.nan, "LMD frontal": np.nan, "LMD mouth frontal": np.nan, "lost %": lost}
        pair = found.points[:n][both], self.found.points[:n][both]
        return {"LMD px": landmark_distance(*pair).px, "LMD mouth": landmark_distance(*pair, indices=mouth).px,
                "LMD frontal": frontal_distance(*pair).px, "LMD mouth frontal": frontal_distance(*pair, indices=mouth).px,
                "lost %": lost}

    def _detected(self, frames: list[np.ndarray]) -> Detected:
        n = self.case.targets
        parts = [detect_again(frames[:n], self.detector, expected=self.case.points[:n]),
                 detect_again(frames[n:], self.detector, expected=self.case.points[n:], looks=1)]
        return Detected(*(np.concatenate(pair) for pair in zip(*parts)))

    def _jitter(self, found: Detected) -> float:
        run = slice(self.case.targets, None)
        return jitter_px(found.points[run]) if found.visible[run].all() else float("nan")

    def _likeness(self, made: np.ndarray, found: Detected) -> float:
        """Mean cosine of made and real faces, each aligned by the landmarks found in it."""
        if self.embed is None:
            return float("nan")
        return float((self.embed(made, self._places(found)) * self.identity).sum(1).mean())

    def _places(self, found: Detected) -> np.ndarray:
        """Landmarks (targets, 68, 3) as found, or as asked for where no face was."""
        n = self.case.targets
        return np.where(found.visible[:n, None, None], found.points[:n], self.case.points[:n])


def load_methods(models: Sequence[str]) -> dict:
    """Baselines and renderers by name."""
    methods = {"copy": Copy(), "mesh": Mesh()}
    for model in models:

        name, _, source = model.rpartition("=")
        methods[name or Path(source).stem] = load_renderer(source)
    return methods


def evaluate_clip(corpus: Corpus, clip: Clip, options: argparse.Namespace) -> list[dict]:
    """A row of measures for every K and method."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    case = read_case(corpus, clip, options.frames_per_clip)
    if case is None:
        print(f"left out: {clip.clip}: too few frames with a face", file=sys.stderr)
        return []
    methods, detector, rows = load_methods(options.model), make_detector(), []
    evaluator = Evaluator(case, detector, load_embedder(options.identity))
    for K in options.references:
        references, drawn = case.chosen(K), {}
        for name, method in methods.items():
            made = drawn[name] = method.frames(method.prepare(references), Drive(case.points))
            rows.append({"clip": clip.clip, "identity": clip.identity, "K": K, "method": name, "real CPBD": evaluator.sharpness,
                         "real jitter px": evaluator.jitter, **evaluator.measures(made)})
        if options.sheets:
            write_sheet(options.sheets / f"{clip.clip}_k{K}.png", case, references, drawn, rows[-len(drawn) :])
    detector.close()
    return rows


def write_sheet(path: Path, case: Case, references: list[Reference], drawn: dict, rows: list[dict]) -> None:
    """First reference, real frame and every method's, for three targets."""
    tiles, labels = [], []
    for t in np.linspace(0, case.targets - 1, SHOWN + 2).round().astype(int)[1:-1]:
        tiles += [references[0].picture, case.real[t], *(frames[t] for frames in drawn.values())]
        labels += [f"{case.clip.clip} K={rows[0]['K']}", f"real, target {t}",
                   *(f"{row['method']} {row['SSIM by frame'][t]:.3f}" for row in rows)]
    cv2.imwrite(str(path), contact_sheet(tiles, columns=2 + len(drawn), labels=labels)[..., ::-1])


def write_worst(folder: Path, rows: list[dict], method: str, K: int) -> list[str]:
    """The three clips in which `method` loses most SSIM against the mesh (the mesh itself: against the copy)."""
    of = {(row["clip"], row["method"]): row["SSIM"] for row in rows if row["K"] == K}
    rival = "copy" if method == "mesh" else "mesh"
    clips = sorted({clip for clip, _ in of}, key=lambda clip: of[clip, method] - of[clip, rival])[:3]
    sheets = [cv2.imread(str(folder / f"{clip}_k{K}.png")) for clip in clips]
    cv2.imwrite(str(folder / f"worst_{method}_k{K}.png"), np.concatenate(sheets))
    return [f"{clip} ({of[clip, method] - of[clip, rival]:+.3f} against {rival})" for clip in clips]


def people(rows: list[dict], method: str, K: int, measure: str) -> list[float]:
    """A measure's mean of every person."""
    of: dict[str, list[float]] = {}
    for row in rows:
        if row["method"] == method and row["K"] == K and np.isfinite(row[measure]):
            of.setdefault(row["identity"], []).append(row[measure])
    return [float(np.mean(values)) for values in of.values()]


def cell(values: list[float], digits: int) -> str:
    """Mean and interval."""
    if not values:
        return "-"
    found = summarise(values)
    return f"{found.mean:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def print_tables(rows: list[dict]) -> None:
    """Three tables, then what is not better than both baselines and where more references hurt."""
    methods, counts = list(dict.fromkeys(row["method"] for row in rows)), list(dict.fromkeys(row["K"] for row in rows))
    clips, persons = ({row[name] for row in rows} for name in ("clip", "identity"))
    real = [cell(people(rows, methods[0], counts[0], name), 3) for name in ("real CPBD", "real jitter px")]
    print(f"{len(clips)} clips of {len(persons)} people; real frames: CPBD {real[0]}, jitter {real[1]} px")
    for names in TABLES:
        print(f"\n| K | method | {' | '.join(names)} |\n|{'---|' * (2 + len(names))}")
        for K in counts:
            for method in methods:
                cells = [cell(people(rows, method, K, name), MEASURES[name][1]) for name in names]
                print(f"| {K} | {method} | {' | '.join(cells)} |")
    print()
    compared = [name for name, (way, _) in MEASURES.items() if way]
    gain = {(K, method, name): MEASURES[name][0] * float(np.mean(values)) for K in counts for method in methods
            for name in compared if (values := people(rows, method, K, name))}
    for method in methods:
        for K in counts if method not in BASELINES else ():
            behind = [name for name in compared if (K, method, name) in gain
                      and gain[K, method, name] < max(gain.get((K, rival, name), -np.inf) for rival in BASELINES)]
            print(f"{method}, K = {K}: behind a baseline in {', '.join(behind) or 'nothing'}")
        hurt = [f"{name} {few} -> {many}" for few, many in itertools.pairwise(counts) for name in compared
                if gain.get((many, method, name), 0) < gain.get((few, method, name), 0)]
        print(f"{method}: more references hurt {', '.join(hurt) or 'nothing'}")


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", nargs="*", default=[], metavar="NAME=FILE", help="shipped weights or weight files")
    parser.add_argument("--references", type=int, nargs="+", default=[1, 8, 32], metavar="K")
    parser.add_argument("--clips", type=int, help="only the first N")
    parser.add_argument("--frames-per-clip", type=int, default=16, metavar="M")
    parser.add_argument("--sheets", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    parser.add_argument("--identity", default="mobilefacenet", metavar="W", help="network of CSIM, or a file")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    if options.sheets:
        options.sheets.mkdir(parents=True, exist_ok=True)
    corpus = open_corpus(options.data)
    clips = corpus.select(options.split)[: options.clips]
    rows, found = [], Parallel(n_jobs=options.jobs, return_as="generator")(
        delayed(evaluate_clip)(corpus, clip, options) for clip in clips)
    for part in tqdm(found, total=len(clips), desc="clips", unit="clip", disable=None):
        rows += part
        if options.out:     # after every clip: a run that is cut off leaves what it has
            told = {"options": {name: str(value) for name, value in vars(options).items()}, "rows": rows}
            options.out.write_text(json.dumps(told, indent=1))
    print_tables(rows)
    if options.sheets:
        for method in list(dict.fromkeys(row["method"] for row in rows))[1:]:
            print(f"worst of {method}: {'; '.join(write_worst(options.sheets, rows, method, options.references[0]))}")


if __name__ == "__main__":
    main()
