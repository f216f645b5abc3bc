"""The canonical face: where a frontal, closed-to-neutral average face lies in a 256x256 frame.

Shapes: T frames, L = 68 landmarks.   Remake it: python -m headsync.corpus.make_canonical --data CORPUS --out FILE.npy
Source: Rhythmic Head needs one and does not say which; ours is a symmetrised Procrustes mean of training people.
"""

import hashlib
from importlib import resources

import numpy as np

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
