"""Builds the canonical face that the package ships from a corpus's training people.

    python -m headsync.corpus.make_canonical --data CORPUS --out landmarks/canonical_face.npy
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np

from headsync.corpus.corpus import open_corpus, save_array
from headsync.landmarks.canonical import build_canonical


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
