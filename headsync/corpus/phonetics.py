"""Phonetic features of a corpus's clips: made when a training first asks for them, kept beside the others.

Shapes: T video frames, 2T phonetic rows of 384, N samples.
"""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from headsync.corpus.corpus import Clip, Corpus, save_array
from headsync.corpus.features import add_features
from headsync.media import read_audio, remove_left_behind, tracked
from headsync.media.backgrounds import KINDS, background
from headsync.media.phonetics import PHONETIC_FEATURES, WINDOWS, load_phonetic_encoder, phonetic_features

SPEED = 0.12                    # varied sounds are that much faster or slower at most, and as much higher or deeper
DECIBELS = (0.0, 20.0)          # of speech over what is behind it


class Variation(NamedTuple):
    """How a clip is varied, drawn by its name."""

    speed: float        # of time: above 1 it is shorter, and its voice higher
    kind: str           # of background, or "" for none
    decibels: float     # of the clip over the background
    seed: int
    rank: float         # from 0 to 1: where only a share of clips is varied, those below it are

    def applied(self, waveform: np.ndarray) -> np.ndarray:
        """The waveform (N / speed,) float32."""
        spectrum, count = np.fft.rfft(waveform), max(round(len(waveform) / self.speed), 1)
        made = np.fft.irfft(np.pad(spectrum, (0, max(count // 2 + 1 - len(spectrum), 0)))[: count // 2 + 1], count)
        made = made * (count / len(waveform))
        if self.kind:
            behind = background(self.kind, count, np.random.default_rng(self.seed))
            power = np.square(made).mean() / max(np.square(behind).mean(), 1e-12)
            made = made + behind * np.sqrt(power) * 10 ** (-self.decibels / 20)
        return made.astype(np.float32)


def variation_of(clip: Clip) -> Variation:
    """A clip's variation: half of all have a background."""
    seed = zlib.crc32(clip.clip.encode())
    random = np.random.default_rng(seed)
    kind = str(random.choice([*KINDS, *[""] * len(KINDS)]))
    return Variation(float(random.uniform(1 - SPEED, 1 + SPEED)), kind, float(random.uniform(*DECIBELS)), seed,
                     float(random.random()))


def add_phonetics(corpus: Corpus, clips: Sequence[Clip], window: str = "full", *, varied: bool = False) -> None:
    """Write the phonetic features that these clips of a corpus lack, (2T, 384) float16 each; a stopped run goes on.

    `window` is a name of `WINDOWS`; `varied` are those of the clips' varied sounds. The full ones are the kind `whisper`.
    """
    if window == "full" and not varied:
        add_features(corpus, clips, "whisper")
        return
    folder = corpus.folder / _folder(window, varied=varied)
    waiting = [clip for clip in clips if not (folder / f"{clip.clip}.npy").is_file()]
    if not waiting:
        return
    folder.mkdir(exist_ok=True)
    remove_left_behind([folder])
    encoder = load_phonetic_encoder()
    for clip in tracked(waiting, "phonetic features", unit="clip"):
        waveform = read_audio(corpus.audio_path(clip))
        waveform = variation_of(clip).applied(waveform) if varied else waveform
        save_array(folder / f"{clip.clip}.npy", phonetic_features(waveform, encoder, WINDOWS[window]).astype(np.float16))


def read_phonetics(corpus: Corpus, clip: Clip, window: str = "full", *, varied: bool = False) -> np.ndarray:
    """A clip's phonetic rows (2T, 384) float32, from the file of `add_phonetics`. ValueError when it is no such file."""
    if window == "full" and not varied:
        return corpus.features(clip, "whisper").astype(np.float32)
    path = corpus.folder / _folder(window, varied=varied) / f"{clip.clip}.npy"
    rows = np.load(path, allow_pickle=False)
    if rows.ndim != 2 or rows.shape[1] != PHONETIC_FEATURES or rows.dtype != np.float16:
        raise ValueError(f"{path} holds {rows.dtype} {rows.shape}, not float16 (2T, {PHONETIC_FEATURES}); delete it, and it is "
                         "made again")
    return rows.astype(np.float32)


def _folder(window: str, *, varied: bool) -> str:
    """Where a corpus keeps what is no kind of its own: phonetics_live, phonetics_varied, phonetics_live_varied."""
    return "phonetics" + (f"_{window}" if window != "full" else "") + ("_varied" if varied else "")
