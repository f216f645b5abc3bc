"""How far heads move beside real people's, and whether they stay in the picture: the tables of docs/results/heads.md on sizes.

    .venv/bin/python benchmarks/head_size_figures.py --data CORPUS --portraits FOLDER --audio FILE [--split val]

Figures of four seconds each: the way of the tip of the nose from its median that is not exceeded 95 % of the time, in
distances of the outer eye corners, and the same of the head's three turns in degrees. Printed: real people of the split;
learned heads of the same people, three seeds, a minute each; learned heads without a clip, by seeds (the default of `talk`);
the generator's own heads. Then how many frames of portraits have a landmark outside the canvas, a minute each, without and
with `kept_inside`, the faces speaking; and drift over ten minutes.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from headsync import media
from headsync.corpus import Corpus, open_corpus
from headsync.landmarks import LandmarkSequence
from headsync.landmarks.detection import extract
from headsync.landmarks.motion import compose_motion, head_track, kept_inside
from landmark_stage import (
    HeadReference,
    MotionControl,
    generate_landmarks,
    load_articulation,
    load_generator,
    load_head_motion,
    start_face,
    stream_heads,
)
from landmark_stage.articulation.generate import articulated, lip_stream
from landmark_stage.head_motion.network import SMOOTHING_TAPS, HeadMotion
from landmark_stage.push import pushed

WINDOW, MINUTE, SEEDS, STRANGERS = 4 * media.FPS, 60 * media.FPS, (1, 2, 3), 120
PERCENTILES = (10, 25, 50, 75, 90)
STILL, LIVELY = 0.15, 0.4       # nose, eye distances: people who hardly move, and who move much


def ways(points: np.ndarray) -> np.ndarray:
    """The 95 % ways (W, 4) of nose and turns in each four seconds of landmarks (T, 68, 3)."""
    eyes = np.median(np.linalg.norm(points[:, 45] - points[:, 36], axis=1))
    track = head_track(points, taps=SMOOTHING_TAPS)
    found = []
    for begin in range(0, len(points) - WINDOW + 1, WINDOW):
        nose, turns = points[begin : begin + WINDOW, 30, :2], np.degrees(track[begin : begin + WINDOW, :3])
        apart = [np.linalg.norm(nose - np.median(nose, axis=0), axis=1) / eyes, *np.abs(turns - np.median(turns, axis=0)).T]
        found.append([np.percentile(one, 95) for one in apart])
    return np.array(found)


def show(name: str, found: np.ndarray) -> None:
    """A line: percentiles and mean of the nose's way, means of the turns'."""
    nose = [f"{value:.3f}" for value in np.percentile(found[:, 0], PERCENTILES)]
    print(f"| {name}, {len(found)} | " + " | ".join([*nose, *(f"{value:.3f}" for value in found.mean(0))]) + " |", flush=True)


def faces(start: np.ndarray, head: Iterable[np.ndarray], *, speaking: np.ndarray | None = None) -> np.ndarray:
    """Landmarks (T, 68, 3) of a face (68, 3) under a head; it says nothing unless `speaking` (T, 68, 3) is given."""
    track = np.concatenate(list(head))
    face = np.repeat(start[None], len(track), 0) if speaking is None else speaking
    return np.concatenate(list(compose_motion([face], start, head=iter([track]))))


def talking(corpus: Corpus, split: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Landmarks and sound of the split's talking clips of four seconds and more."""
    for clip in corpus.select(split, talking=True):
        if clip.frames >= WINDOW:
            yield corpus.landmarks(clip).points, media.read_audio(corpus.audio_path(clip))


def measure_sizes(model: HeadMotion, corpus: Corpus, split: str, speech: np.ndarray) -> None:
    """The tables of sizes, and how a person's size follows the clip's."""
    people, middle = list(talking(corpus, split)), start_face().points[0]
    real = [ways(points) for points, _ in people]
    own = [np.concatenate([ways(faces(points[0], stream_heads(speech, points[0], model=model, reference=HeadReference(
        points, sound), seed=seed))) for seed in SEEDS]) for points, sound in people]
    generator = load_generator("long")
    print("| four seconds each: 95 % way of | nose, 10 % | 25 % | 50 % | 75 % | 90 % | mean | pitch | yaw | roll |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    show("real people", np.concatenate(real))
    show("learned, of the same people", np.concatenate(      # as many of each as there are real ones
        [one[np.arange(10 * len(other)) % len(one)] for one, other in zip(own, real)]))
    short = speech[: 14 * media.SAMPLE_RATE_HZ]
    show("learned, no clip", np.concatenate([ways(faces(middle, stream_heads(short, middle, model=model, seed=seed)))
                                             for seed in range(STRANGERS)]))
    free = (generate_landmarks(speech, start_face(), generator=generator, lips="generator", control=MotionControl(seed=seed))
            for seed in SEEDS)
    show("generator's own", np.concatenate([ways(one.points) for one in free]))
    show("real train people", np.concatenate([ways(points) for points, _ in talking(corpus, "train")]))
    one, other = (np.array([ways.mean(0) for ways in found]) for found in (real, own))
    alike = [np.corrcoef(one[:, number], other[:, number])[0, 1] for number in range(4)]
    print("\ncorrelation over clips of a person's size and the made head's: nose {:.2f}, pitch {:.2f}, yaw {:.2f}, roll "
          "{:.2f}".format(*alike))
    for name, chosen in ((f"nose under {STILL}", one[:, 0] < STILL), (f"over {LIVELY}", one[:, 0] > LIVELY)):
        print(f"people with the {name}: {chosen.sum()} clips, real {one[chosen, 0].mean():.3f}, made "
              f"{other[chosen, 0].mean():.3f}")


def measure_room(model: HeadMotion, starts: dict[str, LandmarkSequence], speech: np.ndarray) -> None:
    """Frames with a landmark outside the canvas, before and after; and what the limit does to steps from frame to frame."""
    total, out, step = np.zeros(2), np.zeros(2), np.zeros(2)
    worst, lips = ("", 0.0), load_articulation()
    said = torch.cat(list(pushed(lip_stream(lips, level=media.measure_level(speech)), [speech]))).numpy()
    for name, start in starts.items():
        face, height = start.points[0], start.size[0]
        speaking = np.concatenate(list(articulated([np.repeat(start.points, len(said), 0)], [said], face, lips)))
        for seed in SEEDS:
            made = faces(face, stream_heads(speech, face, model=model, seed=seed), speaking=speaking)
            for number, points in enumerate((made, kept_inside(made, face, start.size))):
                outside = ((points[..., :2] < 0) | (points[..., :2] > np.array(start.size[::-1]))).any((1, 2))
                total[number] += len(points)
                out[number] += outside.sum()
                step[number] = max(step[number], np.abs(np.diff(points[..., :2], n=2, axis=0)).max() / height)
            worst = max(worst, (f"{name}, seed {seed}", outside.mean()), key=lambda one: one[1])
    print(f"\n{len(starts)} faces, {len(SEEDS)} seeds, a minute each: frames with a landmark outside {out[0] / total[0]:.2%}, "
          f"kept inside {out[1] / total[1]:.2%} (worst {worst}); largest second difference {step[0]:.4f} and {step[1]:.4f} of "
          "the canvas", flush=True)


def measure_drift(model: HeadMotion, speech: np.ndarray) -> None:
    """Mean places and turns of each of ten minutes, and how far they spread."""
    middle, long = start_face().points[0], np.tile(speech, 10)
    for name, points in (("learned", faces(middle, stream_heads(long, middle, model=model, seed=1))),
                         ("generator's own", generate_landmarks(long, start_face(), lips="generator").points)):
        minutes = head_track(points[: 10 * MINUTE]).reshape(10, MINUTE, 6).mean(1)
        away = minutes - head_track(start_face().points)[0]
        farthest, drift = (np.degrees(np.abs(one).max()) for one in (away[:, :3], (minutes[-1] - minutes[0])[:3]))
        print(f"{name}: turns of each minute's mean against the start at most {farthest:.1f} degrees; last minute against the "
              f"first {drift:.1f}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--portraits", type=Path, required=True, help="pictures, and any clips")
    parser.add_argument("--audio", type=Path, nargs="+", required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--weights", default="head_motion")
    options = parser.parse_args()
    corpus, model = open_corpus(options.data), load_head_motion(options.weights)
    speech = np.concatenate([media.read_audio(path) for path in options.audio])
    speech = np.resize(speech, 60 * media.SAMPLE_RATE_HZ)
    measure_sizes(model, corpus, options.split, speech)
    pictures = [path for path in sorted(options.portraits.iterdir()) if media.is_image(path)]
    starts = {path.name: extract(path).sequence.slice(0, 1) for path in pictures}
    stills = {clip.clip: corpus.landmarks(clip).slice(0, 1) for clip in corpus.select(options.split, talking=True)}
    measure_room(model, starts, speech)
    measure_room(model, stills, speech)
    measure_drift(model, speech)


if __name__ == "__main__":
    main()
