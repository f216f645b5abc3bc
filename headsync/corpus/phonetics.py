"""Phonetic features of a corpus's clips: made when a training first asks for them, kept beside the others.

Shapes: T video frames, 2T phonetic rows of 384.
"""

from collections.abc import Sequence

import numpy as np

from headsync.corpus.corpus import Clip, Corpus, save_array
from headsync.media import read_audio, tracked
from headsync.media.phonetics import PHONETIC_FEATURES, load_phonetic_encoder, phonetic_features

FOLDER = "phonetics"


def add_phonetics(corpus: Corpus, clips: Sequence[Clip]) -> None:
    """Write the phonetic features that these clips of a corpus lack, (2T, 384) float16 each; a stopped run goes on."""
    folder = corpus.folder / FOLDER
    waiting = [clip for clip in clips if not (folder / f"{clip.clip}.npy").is_file()]
    if not waiting:
        return
    folder.mkdir(exist_ok=True)
    encoder = load_phonetic_encoder()
    for clip in tracked(waiting, "phonetic features", unit="clip"):
        rows = phonetic_features(read_audio(corpus.audio_path(clip)), encoder)
        save_array(folder / f"{clip.clip}.npy", rows.astype(np.float16))


def read_phonetics(corpus: Corpus, clip: Clip) -> np.ndarray:
    """A clip's phonetic rows (2T, 384) float32, from the file of `add_phonetics`. ValueError when it is no such file."""
    path = corpus.folder / FOLDER / f"{clip.clip}.npy"
    rows = np.load(path, allow_pickle=False)
    if rows.ndim != 2 or rows.shape[1] != PHONETIC_FEATURES or rows.dtype != np.float16:
        raise ValueError(f"{path} holds {rows.dtype} {rows.shape}, not float16 (2T, {PHONETIC_FEATURES}); delete it, and it is "
                         "made again")
    return rows.astype(np.float32)
