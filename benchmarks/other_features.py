"""The same corpus with another kind of audio features, made from its FLAC files; everything else is linked.

    .venv/bin/python benchmarks/other_features.py --data CORPUS --out FOLDER --features mfcc
"""

import argparse
import shutil
from pathlib import Path

from headsync import media
from headsync.corpus import open_corpus
from headsync.corpus.corpus import save_array


def main() -> None:
    """Link, copy the tables, write features."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--features", choices=("logfbank", "mfcc"), required=True)
    options = parser.parse_args()
    corpus = open_corpus(options.data)
    (options.out / "features").mkdir(parents=True)
    for name in ("clips", "audio", "landmarks", "mesh"):
        (options.out / name).symlink_to((options.data / name).absolute())
    for name in ("manifest.csv", "sync.csv"):
        shutil.copy(options.data / name, options.out / name)
    for clip in corpus.select(talking=True):
        waveform = media.read_audio(corpus.audio_path(clip))
        save_array(options.out / "features" / f"{clip.clip}.npy", media.extract_features(waveform, kind=options.features))


if __name__ == "__main__":
    main()
