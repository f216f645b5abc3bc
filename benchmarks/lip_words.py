"""What the articulation learners' lips do at phonemes and where nobody speaks, and what they cost.

    .venv/bin/python -m benchmarks.lip_words [--lips articulation live] [--sounds FILE ...]

Printed: what lips do at the phonemes of words that a synthetic voice says (tests/spoken_words.py); how much they move under
sounds without speech (made here, and the --sounds); how many times real time they are made, encoder included.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from headsync.media import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, measure_level, read_audio
from headsync.media.backgrounds import KINDS, background
from landmark_stage import live_face, load_lips, start_face
from tests.spoken_words import PLACE, SaidLips, activity, said_lips

REST_S, SEEDS = 6, range(1000, 1003)        # of sounds without speech; training has others


def words(learners: Sequence[str]) -> None:
    """Print what lips do at phonemes."""
    print(f"\n| said by espeak-ng | {' | '.join(SaidLips._fields)} |")
    for lips in learners:
        print(f"| {lips} | {' | '.join(f'{value:.3f}' for value in said_lips(lips))} |")


def rest(learners: Sequence[str], files: Sequence[Path]) -> None:
    """Print how much lips move, in thousandths of an eye distance a frame, under sounds without speech and under speech."""
    sounds = {"silence": [np.zeros(REST_S * SAMPLE_RATE_HZ, np.float32)], "speech": [read_audio(PLACE / "words.ogg")]}
    sounds |= {kind: [background(kind, REST_S * SAMPLE_RATE_HZ, np.random.default_rng(seed)) for seed in SEEDS]
               for kind in KINDS}
    sounds |= {path.stem: [read_audio(path)[: 4 * REST_S * SAMPLE_RATE_HZ]] for path in files}
    print(f"\n| mean change a frame, 1/1000 | {' | '.join(sounds)} |")
    for lips in learners:
        found = [max(activity(one, lips) for one in some) for some in sounds.values()]
        print(f"| {lips} | {' | '.join(f'{value:.2f}' for value in found)} |")


def cost(learners: Sequence[str]) -> None:
    """Print how many seconds of sound a second of one core makes lips for: at once, and pushed a frame at a time."""
    torch.set_num_threads(1)
    wave = read_audio(PLACE / "words.ogg")
    print("\n| times real time, CPU time of one core | at once | frame by frame |")
    for lips in learners:
        cells = []
        for cuts in ([], range(SAMPLES_PER_FRAME, len(wave), SAMPLES_PER_FRAME)):
            face = live_face(start_face(), level=measure_level(wave), lips=load_lips(lips, device="cpu"))
            begin = time.process_time()
            for part in np.split(wave, list(cuts)):
                face.push(part)
            face.finish()
            cells.append(f"{len(wave) / SAMPLE_RATE_HZ / (time.process_time() - begin):.1f}")
        print(f"| {lips} | {' | '.join(cells)} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lips", nargs="+", default=["articulation", "live"])
    parser.add_argument("--sounds", nargs="*", type=Path, default=[], help="without speech")
    options = parser.parse_args()
    words(options.lips)
    rest(options.lips, options.sounds)
    cost(options.lips)


if __name__ == "__main__":
    main()
