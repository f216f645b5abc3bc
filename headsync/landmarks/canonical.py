"""The canonical face: where a frontal, closed-to-neutral average face lies in a 256x256 frame.

Shapes: T frames, L = 68 landmarks.   Remake it: python -m headsync.corpus.make_canonical --data CORPUS --out FILE.npy
Source: Rhythmic Head needs one and does not say which; ours is a symmetrised Procrustes mean of training people.
"""

import hashlib
from collections.abc import Iterable
from importlib import resources

import numpy as np

from headsync.landmarks.layouts import MIRROR

FRAME_PX = 256.0
FACE_SHARE = 0.5                # brow to chin, as a share of the frame: what `fixed_crop` makes of most clips
CENTRE = (0.5, 0.55)            # of the landmarks' box, as shares of the frame
ROUNDS = 10
DIGEST = "bd214070f700a2fde0352b1096e207aa22d9b8badb927ea827091ce9463ac6d7"


def canonical_face() -> np.ndarray:
    """The shipped canonical face (68, 3), float32; z is centred on 0. ValueError when it was tampered with."""
    with (resources.files("headsync.landmarks") / "canonical_face.npy").open("rb") as file:
        face = np.load(file, allow_pickle=False)
    found = hashlib.sha256(face.tobytes()).hexdigest()
    if found != DIGEST:
        raise ValueError(
            f"canonical_face.npy has SHA-256 {found[:12]}..., expected {DIGEST[:12]}...; install headsync again")
    return face


def symmetrised(face: np.ndarray) -> np.ndarray:
    """A face (68, 3) averaged with its mirror image about the vertical plane through its middle; x is centred on 0."""
    centred = face - [face[:, 0].mean(), 0, 0]
    return (centred + centred[MIRROR] * [-1, 1, 1]) / 2  # (L, 3)


def build_canonical(clips: Iterable[np.ndarray]) -> np.ndarray:
    """The generalised Procrustes mean (68, 3) of clips (T, 68, 3): one shape per clip, from its most frontal frames.

    Each round aligns all shapes to the mean by similarity, averages and symmetrises; then the mean is put into a 256
    frame. ValueError when there is no clip.
    """
    from headsync.landmarks.geometry import frontal_mean, similarity_fit  # geometry's head pose needs the finished face

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
