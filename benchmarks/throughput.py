"""How fast each part is, how its cost grows with its input, and what a second core brings: README's commands, timed.

    .venv/bin/python benchmarks/throughput.py --data CORPUS --videos VIDEOS                 # every row, on all cores
    taskset -c 0 .venv/bin/python benchmarks/throughput.py --data CORPUS --videos VIDEOS    # on one
    ... --parts generation rendering

Every command runs at three sizes: the first warms up; what the last one costs more than the second, over how much larger it
is, is the rate; what is left of the second is the start (weights, opening the corpus; Python and imports, about 8 s of one
slow core, are not in it). Wall time is what a user waits; processor time is what can still be measured on a busy machine.
Prints a row of Markdown for each as soon as it is there, with the load of the machine.
"""

import argparse
import contextlib
import io
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from headsync.commands.program import main as program
from headsync.corpus import open_corpus
from headsync.media import FPS, SAMPLE_RATE_HZ, read_audio, write_flac
from landmark_stage import generate_landmarks, start_face

ROOT = Path(__file__).parents[1]
SPEECH, PHOTO = ROOT / "examples/speech.flac", ROOT / "examples/astronaut.jpg"


class Part(NamedTuple):
    """One command at three sizes."""

    unit: str                                           # what is counted
    sizes: tuple[int, int, int]
    command: Callable[[argparse.Namespace, Path, int, int], list]    # of options, folder, size and cores
    per_second: float = 1.0                             # units in a second of material; 0 where there is none


class Cost(NamedTuple):
    wall_s: float
    processor_s: float      # of the process and those it started, user and system


def sound(folder: Path, seconds: int) -> Path:
    """So much of the shipped sentence, over and over."""
    path = folder / f"{seconds}s.flac"
    if not path.exists():
        write_flac(path, np.resize(read_audio(SPEECH), seconds * SAMPLE_RATE_HZ))
    return path


def motion(folder: Path, frames: int) -> Path:
    path = folder / f"{frames}.npz"
    if not path.exists():
        generate_landmarks(sound(folder, frames // FPS), start_face(PHOTO)).save(path)
    return path


def some_videos(options: argparse.Namespace, folder: Path, count: int) -> Path:
    place = folder / f"videos{count}"
    if not place.exists():
        place.mkdir()
        for path in sorted(options.videos.glob("*.mp4"))[:count]:
            shutil.copy(path, place)
    return place


def some_motions(options: argparse.Namespace, folder: Path, count: int) -> Path:
    """Landmark files of real val clips, taken for generated ones."""
    place, corpus = folder / f"motions{count}", open_corpus(options.data)
    if not place.exists():
        place.mkdir()
        for clip in [clip for clip in corpus.clips if clip.split == "val"][:count]:
            shutil.copy(corpus.folder / "landmarks" / f"{clip.clip}.npz", place)
    return place


def training(kind: str, *settings: str) -> Callable:
    """The command of a training of so many steps; the loop's other work (evaluating, saving) comes once, at the end."""
    def command(options: argparse.Namespace, folder: Path, size: int, cores: int) -> list:
        out = folder / f"{kind}{size}on{cores}"
        every = f"run.validate_every={10**6}", f"run.checkpoint_every={10**6}", f"run.steps={size}"
        return ["train", kind, "--data", options.data, "--out", out, *every, *settings]

    return command


PARTS = {
    "preprocessing": Part("video", (1, 2, 8), lambda options, folder, size, cores: [
        "preprocess", "--videos", some_videos(options, folder, size), "--jobs", cores,
        "--out", folder / f"corpus{size}on{cores}"], 0),
    "syncer training, a level": Part("step of 768 windows", (2, 20, 80), training("syncers", "levels=1"), 0),
    "generator training": Part("step of 16 stretches of 40 frames", (1, 2, 8), training("landmarks"), 0),
    "renderer training": Part("step of 8 samples", (1, 2, 6), training("renderer", "flows_until=1"), 0),
    "generation": Part("s of sound", (1, 10, 130), lambda options, folder, size, cores: [
        "gen-landmarks", "--audio", sound(folder, size), "--refs", PHOTO, "--out", folder / "generated.npz"]),
    "rendering": Part("frame", (25, 50, 150), lambda options, folder, size, cores: [
        "render", "--landmarks", motion(folder, size), "--refs", PHOTO, "--out", folder / "rendered.mp4"], FPS),
    "evaluation of landmarks": Part("clip", (1, 3, 9), lambda options, folder, size, cores: [
        "evaluate", "--generated", some_motions(options, folder, size), "--reference", options.data,
        "--report", folder / f"report{size}on{cores}"], 0),
}


def spent() -> float:
    """Processor time of this process and those that it has waited for."""
    return sum(os.times()[:4])


def cost(command: list) -> Cost:
    """What a command costs; its words where it fails."""
    said = io.StringIO()
    began, before = time.monotonic(), spent()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = program([str(one) for one in command])
    if code:
        raise SystemExit(f"headsync: {' '.join(map(str, command))} ended with {code}: {said.getvalue()[-1500:]}")
    return Cost(time.monotonic() - began, spent() - before)


def row(name: str, part: Part, options: argparse.Namespace, folder: Path, cores: int) -> str:
    """A row of the table: rate by wall and by processor time, start, growth."""
    _, small, large = (cost(part.command(options, folder, size, cores)) for size in part.sizes)
    more = part.sizes[2] - part.sizes[1]
    wall, processor = ((after - before) / more for before, after in zip(small, large))
    start = small.processor_s - part.sizes[1] * processor
    speed = f"{1 / wall:.3g} a second" if wall > 0 else "not to be told beside other work"
    if part.per_second and wall > 0:
        speed += f" = {1 / wall / part.per_second:.3g} x real time"
    both = f"{part.sizes[1]} and {part.sizes[2]}: {small.processor_s:.1f} and {large.processor_s:.1f} s"
    return (f"| {name}, per {part.unit} | {cores} | {wall:.3g} s | {processor:.3g} s | {speed} | {start:.1f} s | {both} | "
            f"{os.getloadavg()[0]:.1f} |")


def main() -> None:
    """Time each part at each number of cores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a corpus of headsync preprocess")
    parser.add_argument("--videos", type=Path, help="a folder of videos, for preprocessing")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=tuple(PARTS))
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(cores)
    print("| part | cores | wall | processor | rate | start | processor time at two sizes | load |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name in options.parts:
        if name == "preprocessing" and options.videos is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            print(row(name, PARTS[name], options, Path(folder), cores), flush=True)


if __name__ == "__main__":
    main()
