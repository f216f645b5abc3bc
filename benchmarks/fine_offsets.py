"""How near offsets below a frame come to planted shifts of some milliseconds: a line of docs/results/sync.md.

    .venv/bin/python benchmarks/fine_offsets.py --data CORPUS [--split val] [--weights metric]

Every clip's sound is moved by each of the shifts and its features are made anew; printed is the error of the change of the
first level's offset against the unmoved sound, below a frame and in whole frames.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from headsync.corpus import open_corpus
from headsync.media import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, read_audio
from headsync.media.kinds import sound_features
from syncers import SyncSample, level_profiles, load_syncers

SHIFTS_MS = (8, 16, 24, 32, 72, -20, -52)
FRAME_MS = 40
LEAST_FRAMES = 80


def moved(sound: np.ndarray, ms: int, samples: int) -> np.ndarray:
    """The sound made later by `ms`, cut or filled to `samples`."""
    shift = SAMPLE_RATE_HZ * ms // 1000
    late = np.concatenate([np.zeros(max(shift, 0), np.float32), sound[max(-shift, 0) :]])[:samples]
    return np.pad(late, (0, samples - len(late)))


def main() -> None:
    """Print the errors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--weights", default="metric")
    options = parser.parse_args()
    corpus, pyramid = open_corpus(options.data), load_syncers(options.weights)
    errors: dict[str, list[float]] = {"below a frame": [], "whole frames": []}
    clips = [clip for clip in corpus.select(options.split, talking=True)
             if clip.sync != "unsure" and clip.frames >= LEAST_FRAMES]
    for clip in clips:
        flat, sound = torch.from_numpy(corpus.landmarks(clip).flat(3)), read_audio(corpus.audio_path(clip))
        first, *others = (level_profiles(pyramid, SyncSample(flat, torch.from_numpy(sound_features(
            moved(sound, ms, SAMPLES_PER_FRAME * len(flat)), pyramid.features))))[0] for ms in (0, *SHIFTS_MS))
        for ms, found in zip(SHIFTS_MS, others):
            errors["below a frame"].append(abs(FRAME_MS * (found.fine_offset - first.fine_offset) - ms))
            errors["whole frames"].append(abs(FRAME_MS * (found.offset - first.offset) - ms))
    for name, found in errors.items():
        print(f"{options.weights}, {len(clips)} clips, {name}: median {np.median(found):.1f}, mean {np.mean(found):.1f}, "
              f"95th percentile {np.percentile(found, 95):.1f} ms")


if __name__ == "__main__":
    main()
