"""The shipped articulation learners: right lips at phonemes of a synthetic voice, at rest where nobody speaks."""

import numpy as np
import pytest

from headsync.media import read_audio
from headsync.media.backgrounds import band
from landmark_stage import load_articulation
from tests.spoken_words import PLACE, activity, said_lips

BOTH = pytest.mark.parametrize("lips", ["articulation", "live"])
SECONDS, RATE = 5, 16000
AT = np.arange(SECONDS * RATE) / RATE


def chords_with_drums() -> np.ndarray:
    """Four chords of saw-like tones, a second each, and noise bursts twice a second."""
    chords = ((220, 277, 330), (196, 247, 294), (175, 220, 262), (196, 247, 330), (220, 262, 330))
    tones = np.concatenate([sum(sum(np.sin(2 * np.pi * hz * order * AT[:RATE]) / order for order in range(1, 9))
                                for hz in chord) for chord in chords])
    drums = np.random.default_rng(5).standard_normal(len(AT)) * np.exp(-(AT % 0.5) / 0.04)
    return 0.03 * tones + 0.15 * drums


def pink_noise() -> np.ndarray:
    return 0.1 * band(np.random.default_rng(6).standard_normal(len(AT)), 30, 8000, slope=0.5)


def breaths() -> np.ndarray:
    """A breath in and a breath out, 2.5 s."""
    air = band(np.random.default_rng(7).standard_normal(len(AT)), 400, 4000)
    return 0.05 * air * np.clip(np.sin(2 * np.pi * AT / 1.25), 0, None) ** 1.5


def laughter() -> np.ndarray:
    """Five bursts a second for a second and a half, each half voiced, then a pause."""
    voice = sum(np.sin(2 * np.pi * 240 * order * AT) / order for order in range(1, 12))
    air = band(np.random.default_rng(8).standard_normal(len(AT)), 500, 3500)
    bursts = np.clip(np.sin(2 * np.pi * 5 * AT), 0, None) * (AT % 2.2 < 1.5)
    return bursts * (0.05 * voice + 0.08 * air)


@BOTH
@pytest.mark.parametrize("kind", [chords_with_drums, pink_noise, breaths, laughter])
def test_lips_rest_where_nobody_speaks(lips, kind):
    """At most twice the activity of digital silence; a thousandth of an eye distance a frame is not to be seen."""
    silent = activity(np.zeros(SECONDS * RATE, np.float32), lips)
    assert activity(kind().astype(np.float32), lips) <= 2 * silent + 1


@BOTH
def test_lips_move_with_music_behind_a_voice(lips):
    speech = read_audio(PLACE / "words.ogg")[: SECONDS * RATE]
    music = chords_with_drums()
    music *= 0.3 * np.sqrt(np.square(speech).mean() / np.square(music).mean())       # 10 dB below the voice
    alone = activity(speech, lips)
    assert alone > 5 and activity((speech + music).astype(np.float32), lips) > 0.5 * alone


@BOTH
def test_lips_at_phonemes(lips):
    found = said_lips(lips)
    assert found.closed_at_stops > 0.65 and found.closed_at_vowels < 0.1
    assert found.stops < 0.4 * found.vowels and found.teeth < 0.5 * found.vowels
    assert found.spread > 0.004 and found.rounder > 0.02


def test_look_ahead_is_what_is_said():
    assert load_articulation("articulation_live", device="cpu").look_ahead_frames == 6
    assert load_articulation("articulation", device="cpu").look_ahead_frames == 45
