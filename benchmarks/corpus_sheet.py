"""A contact sheet of a corpus's clips with their landmarks, for a person to look at.

    .venv/bin/python benchmarks/corpus_sheet.py --data CORPUS --out out/corpus.png [--clips 24] [--seed 7]
"""

import argparse
import random
from itertools import islice
from pathlib import Path

import cv2

from headsync import media
from headsync.corpus import open_corpus
from headsync.landmarks import contact_sheet, draw_landmarks


def main() -> None:
    """One frame from the middle of each chosen clip."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    corpus = open_corpus(options.data)
    of_person = {clip.identity: clip for clip in corpus.clips}
    chosen = random.Random(options.seed).sample(sorted(of_person.values()), min(options.clips, len(of_person)))
    tiles = []
    for clip in chosen:
        frame = next(islice(media.read_frames(corpus.video_path(clip)), clip.frames // 2, None))
        tiles.append(draw_landmarks(frame, corpus.landmarks(clip).points[clip.frames // 2]))
    sheet = contact_sheet(tiles, columns=6, labels=[f"{clip.clip} {clip.face_height_px:.0f}px" for clip in chosen])
    cv2.imwrite(str(options.out), sheet[..., ::-1])
    print(f"{options.out}: {len(tiles)} clips")


if __name__ == "__main__":
    main()
