"""The kinds of audio features by name: what a model takes as input, as its settings and the header of its weights say it.

Shapes: N samples at 16 kHz, T = ceil(N / 640) video frames, R rows of a kind, F features.

    fbank26     26 log mel energies, 4 rows a video frame (MS-Sync as its code does it)
    mfcc26      26 mel-frequency cepstral coefficients, 4 rows (MS-Sync as its text says it)
    hama        256 features of a recogniser of phones, 2 rows: for syncers that evaluate
    whisper     384 features of Whisper tiny.en's encoder, 2 rows: for generators
"""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple, Protocol

import numpy as np

from headsync.media.clock import ROWS_PER_FRAME
from headsync.media.features import FEATURES, FeatureStream, Level
from headsync.media.hama import HAMA_FEATURES, HamaStream, load_hama_encoder
from headsync.media.phonetics import PHONETIC_FEATURES, PhoneticStream, load_phonetic_encoder
from headsync.media.sound import Sound, open_sound
from headsync.media.windowed import WINDOW_ROWS_PER_FRAME

FeatureName = Literal["fbank26", "mfcc26", "hama", "whisper"]


class FeatureMaker(Protocol):
    """Samples in, rows out."""

    def push(self, samples: np.ndarray) -> np.ndarray:
        """The rows (r, F) float32 that can be made after samples (n,) more."""

    def finish(self) -> np.ndarray:
        """The last rows (r, F): silence follows."""


class FeatureKind(NamedTuple):
    """One kind."""

    features: int
    rows_per_frame: int
    listener: Callable[[], Callable[[Level], FeatureMaker]]     # loads what it needs, once for many sounds


def _rows(name: str) -> FeatureKind:
    return FeatureKind(FEATURES, ROWS_PER_FRAME, lambda: partial(FeatureStream, kind=name))


def _windowed(features: int, load: Callable, stream: Callable) -> FeatureKind:
    def listener() -> Callable[[Level], FeatureMaker]:
        encoder = load()
        return lambda level: stream(level.loudness, encoder)

    return FeatureKind(features, WINDOW_ROWS_PER_FRAME, listener)


FEATURE_KINDS = {
    "fbank26": _rows("fbank26"),
    "mfcc26": _rows("mfcc26"),
    "hama": _windowed(HAMA_FEATURES, load_hama_encoder, HamaStream),
    "whisper": _windowed(PHONETIC_FEATURES, load_phonetic_encoder, PhoneticStream),
}


def feature_kind(name: str) -> FeatureKind:
    """The kind of that name. ValueError, one line, when there is none."""
    if name not in FEATURE_KINDS:
        raise ValueError(f"there are no features called {name!r}; choose one of {', '.join(FEATURE_KINDS)}")
    return FEATURE_KINDS[name]


def sound_features(sound: Sound | np.ndarray, kind: FeatureName) -> np.ndarray:
    """Rows (R, F) float32 of one kind of an open sound or a 16 kHz waveform (N,), R = rows per frame times T.

    ValueError when the sound is empty, not one channel or not finite, or the kind is unknown.
    """
    sound = open_sound(sound)
    stream = feature_kind(kind).listener()(sound.level)
    return np.concatenate([*map(stream.push, sound.blocks()), stream.finish()])  # (R, F)
