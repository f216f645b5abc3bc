"""Builds the face topology that the package ships, from MediaPipe's edges and a corpus's training people.

    python -m render_stage.geometry.make_face_mesh --data CORPUS --out render_stage/face_mesh.npz

Shapes: T frames, V = 468 vertices, F triangles.
"""

import argparse
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from headsync.corpus import open_corpus
from headsync.landmarks import RIGID27, canonical_face, frontal_mean, similarity_fit
from headsync.landmarks.detection.mediapipe_detector import mesh_edges
from headsync.media import write_whole
from render_stage.geometry.topology import (
    EYE,
    EYE_CORNERS,
    LANDMARKS,
    MOUTH,
    MOUTH_CORNERS,
    SKIN,
    boundary_loops,
    hole_filling,
    mirror_pairs,
    topology_digest,
    triangles_of,
)


def average_mesh(people: Iterable[Iterable[np.ndarray]]) -> np.ndarray:
    """The mean (V, 3) over people of their clips' most frontal meshes (T, V, 3), each at the canonical face's place."""
    rigid, aim = LANDMARKS[list(RIGID27)], canonical_face()[list(RIGID27)].astype(np.float64)
    means = []
    for clips in people:
        shapes = []
        for mesh in clips:
            fit = similarity_fit(mesh[:, rigid], aim)
            shapes.append(frontal_mean(mesh, fit))
        means.append(np.mean(shapes, axis=0))
    return np.mean(means, axis=0)  # (V, 3)


def closed_triangles(edges: Iterable[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (F, 3) int16 of the edges' surface with its eyes and its mouth closed, and their parts (F,) int8."""
    skin = triangles_of(edges)
    pieces, parts = [skin], [np.full(len(skin), SKIN, np.int8)]
    for corners, part in [*((corners, EYE) for corners in EYE_CORNERS), (MOUTH_CORNERS, MOUTH)]:
        loop = next(loop for loop in boundary_loops(skin) if corners[0] in loop)
        pieces.append(hole_filling(loop, corners))
        parts.append(np.full(len(pieces[-1]), part, np.int8))
    return np.concatenate(pieces), np.concatenate(parts)


def main() -> None:
    """Build the topology and print its digest, which `DIGEST` must hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    corpus = open_corpus(options.data)
    people = corpus.people("train")
    average = average_mesh((np.asarray(corpus.mesh(clip), np.float64) for clip in clips) for clips in people.values())
    triangles, parts = closed_triangles(mesh_edges())
    mirror = mirror_pairs(average)
    middle = average[LANDMARKS, 0].mean()
    average = ((average + average[mirror] * [-1, 1, 1] + [2 * middle, 0, 0]) / 2).astype(np.float32)
    arrays = {"triangles": triangles, "parts": parts, "mirror": mirror, "average": average}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_whole(options.out, buffer.getvalue())
    print(f"{len(people)} people, {len(triangles)} triangles; SHA-256 {topology_digest(*arrays.values())}")


if __name__ == "__main__":
    main()
