"""Builds the canonical face that the package ships from a corpus's training people.

    python -m headsync.corpus.make_canonical --data CORPUS --out headsync/landmarks/canonical_face.npy
"""

import argparse
import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from headsync.corpus.corpus import open_corpus, save_array
from headsync.landmarks import MIRROR, frontal_mean, similarity_fit

FRAME_PX = 256.0
FACE_SHARE = 0.5                # brow to chin, as a share of the frame: what `fixed_crop` makes of most clips
CENTRE = (0.5, 0.55)            # of the landmarks' box, as shares of the frame
ROUNDS = 10


def symmetrised(face: np.ndarray) -> np.ndarray:
    """A face (68, 3) averaged with its mirror image about the vertical plane through its middle; x is centred on 0."""
    centred = face - [face[:, 0].mean(), 0, 0]
    return (centred + centred[MIRROR] * [-1, 1, 1]) / 2  # (L, 3)


def build_canonical(clips: Iterable[np.ndarray]) -> np.ndarray:
    """The generalised Procrustes mean (68, 3) of clips (T, 68, 3): one shape per clip, from its most frontal frames.

    Each round aligns all shapes to the mean by similarity, averages and symmetrises; then the mean is put into a 256
    frame. ValueError when there is no clip.
    """
    clips = [np.asarray(points, np.float64) for points in clips]
    if not clips:
        raise ValueError("a canonical face needs at least one clip, got none")
    mean = symmetrised(np.mean([points.mean(0) - points.mean((0, 1)) for points in clips], axis=0))
    for _ in range(ROUNDS):
        mean = mean / np.sqrt(np.square(mean).sum())
        shapes = []
        for points in clips:
            shapes.append(frontal_mean(points, similarity_fit(points, mean)))
        mean = symmetrised(np.mean(shapes, axis=0))
        mean = mean - mean.mean(0)
    return _framed(mean)


def _framed(face: np.ndarray) -> np.ndarray:
    """The face scaled and moved to its place in the frame; z centred on 0."""
    low, high = face.min(0), face.max(0)
    scale = FACE_SHARE * FRAME_PX / (high[1] - low[1])
    shift = np.array([CENTRE[0] * FRAME_PX - scale * (low[0] + high[0]) / 2,
                      CENTRE[1] * FRAME_PX - scale * (low[1] + high[1]) / 2, -scale * face[:, 2].mean()])
    return (scale * face + shift).astype(np.float32)  # (L, 3)


def main() -> None:
    """Build the canonical face from a corpus's training people and print its digest, which `DIGEST` must hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    corpus = open_corpus(options.data)
    people = corpus.people("train")
    face = build_canonical(np.concatenate([corpus.landmarks(clip).points for clip in clips]) for clips in people.values())
    save_array(options.out, face)
    print(f"{len(people)} people; SHA-256 {hashlib.sha256(face.tobytes()).hexdigest()}")


if __name__ == "__main__":
    main()
