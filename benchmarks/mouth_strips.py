"""Strips of consecutive mouths, real above made, to be looked at: val people say their own words from their first frames.

    python benchmarks/mouth_strips.py --data CORPUS --out strips.png [--people 8] [--shut 5] [--lips live]

Of each clip twelve frames are shown in which the real mouth moves most.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from headsync import media
from headsync.corpus import Clip, Corpus, open_corpus
from headsync.landmarks import LandmarkSequence, frontalise, head_pose, lip_shapes
from headsync.landmarks.lips import CLOSED
from landmark_stage import generate_landmarks
from render_stage import Drive, load_renderer
from render_stage.references import Reference

SHOWN, EARLIEST, LEAST_FRAMES = 12, 20, 60
TILE = (92, 69)
HALF_WIDTH = 0.55       # of a tile, in distances of the outer eye corners


def chosen(corpus: Corpus, people: int, shut: int) -> list[Clip]:
    """Clips of as many val people, the first `shut` of which begin with shut lips, the others with open ones."""
    found: list[Clip] = []
    for clip in corpus.select("val"):
        if len(found) == people:
            break
        if clip.frames < LEAST_FRAMES or clip.identity in {one.identity for one in found}:
            continue
        if (openings(corpus.landmarks(clip))[0] < CLOSED) == (len(found) < shut):
            found.append(clip)
    return found


def openings(sequence: LandmarkSequence) -> np.ndarray:
    """Signed openings (T,) of a sequence."""
    return lip_shapes(frontalise(sequence.points, head_pose(sequence.points))).opening


def mouth(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The mouth of landmarks (68, 3) in a picture, as a tile."""
    middle, eyes = points[48:68, :2].mean(0), np.linalg.norm(points[45, :2] - points[36, :2])
    half = HALF_WIDTH * eyes
    shift = np.array([[1, 0, half - middle[0]], [0, 1, half * TILE[1] / TILE[0] - middle[1]]])
    part = cv2.warpAffine(picture, shift, (round(2 * half), round(2 * half * TILE[1] / TILE[0])))
    return cv2.resize(part, TILE, interpolation=cv2.INTER_CUBIC)


def strip(corpus: Corpus, clip: Clip, renderer, lips: str) -> np.ndarray:
    """Real mouths above made ones."""
    sequence, frames = corpus.landmarks(clip), list(media.read_frames(corpus.video_path(clip)))
    motion = generate_landmarks(media.read_audio(corpus.video_path(clip)), sequence.slice(0, 1), lips=lips).points
    motion, opening = motion.astype(np.float64), openings(sequence)
    starts = range(EARLIEST, min(len(opening), len(motion)) - SHOWN)
    first = max(starts, key=lambda start: np.ptp(opening[start : start + SHOWN]))
    shown = slice(first, first + SHOWN)
    reference = Reference(frames[0], sequence.points[0].astype(np.float64), np.asarray(corpus.mesh(clip)[0], np.float32))
    made = renderer.frames(renderer.prepare([reference]), Drive(motion[shown]))
    pairs = ((frames[shown], sequence.points[shown]), (made, motion[shown]))
    rows = [[mouth(*one) for one in zip(*pair)] for pair in pairs]
    return np.vstack([np.hstack(row) for row in rows] + [np.full((6, SHOWN * TILE[0], 3), 255, np.uint8)])


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--shut", type=int, default=5, help="how many of them start with shut lips")
    parser.add_argument("--lips", default="articulation")
    parser.add_argument("--model", default="small")
    options = parser.parse_args()
    corpus, renderer = open_corpus(options.data), load_renderer(options.model)
    strips = [strip(corpus, clip, renderer, options.lips) for clip in chosen(corpus, options.people, options.shut)]
    cv2.imwrite(str(options.out), np.vstack(strips)[..., ::-1])


if __name__ == "__main__":
    main()
