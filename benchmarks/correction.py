"""What sync correction found, beside offsets that a given manifest claims (a check, never an input).

    .venv/bin/python benchmarks/correction.py --data CORPUS --manifest CSV [CSV ...]

Manifests with columns clip_id, av_offset, av_offset_agree, as the development corpus has them.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from headsync.corpus import open_corpus


def main() -> None:
    """Print how many clips are sure, and how they agree with the claims, by length."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, nargs="+", required=True)
    options = parser.parse_args()
    claims = {}
    for path in options.manifest:
        with open(path, newline="") as file:
            claims |= {row["clip_id"]: row for row in csv.DictReader(file) if row.get("av_offset")}
    clips = [clip for clip in open_corpus(options.data).select(talking=True) if clip.clip in claims]
    for low, high in ((0, 36), (36, 60), (60, 100), (100, 10**6)):
        inside = [clip for clip in clips if low <= clip.frames < high]
        sure = [clip for clip in inside if clip.sync == "corrected"]
        for agree in ("1", "0"):
            gaps = [abs(clip.av_offset - round(float(claims[clip.clip]["av_offset"]))) for clip in sure
                    if claims[clip.clip]["av_offset_agree"] == agree]
            near = f"{np.mean(np.array(gaps) <= 1):.1%} within one frame" if gaps else "none"
            print(f"{low:4d} to {high:7d} frames: {len(sure)} of {len(inside)} sure; claims that two measures "
                  f"{'share' if agree == '1' else 'dispute'}: {len(gaps)}, {near}")
    for clip in clips:
        if clip.split == "val":
            claim = claims[clip.clip]
            print(f"{clip.clip} {clip.frames} frames: {clip.av_offset:+d} {clip.sync}; claim {claim['av_offset']} "
                  f"(shared: {claim['av_offset_agree']}) {claim['flags']}")


if __name__ == "__main__":
    main()
