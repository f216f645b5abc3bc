"""Words that a synthetic voice says, with the moments of their phonemes, and what lips do at them.

tests/spoken/words.ogg (Opus, 22 s) and words.csv (begin and end of every phoneme, from the voice's own events) are espeak-ng
1.52's: "papa baba mama", "fafa vava", "oo ee ah", each by three voices (en-us at 130 and 110 words a minute, pitch 50 and 70;
en-gb at 160, pitch 35).
"""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headsync.landmarks.geometry import frontal
from headsync.landmarks.lips import CLOSED, LipShapes, lip_shapes
from headsync.media import FPS, measure_level, read_audio
from landmark_stage import live_face, start_face

PLACE = Path(__file__).parent / "spoken"
VOWELS, STOPS, TEETH = ("A:", "u:", "i:"), ("p", "b", "m"), ("f", "v")


class SaidLips(NamedTuple):
    """What lips do at phonemes: openings and widths in eye distances, means over phonemes."""

    closed_at_stops: float      # share of p, b and m at which they are closed, within a frame
    closed_at_vowels: float     # share of "ah" in whose middle they are closed
    stops: float                # least opening at p, b, m, within a frame
    teeth: float                # opening at f and v
    vowels: float               # largest opening at "ah"
    spread: float               # width at "ee" less width at "oo"
    rounder: float              # opening at "ah" less opening at "oo"


def lips_for(waveform: np.ndarray, lips: str) -> LipShapes:
    """Shapes over time of the canonical face's lips under a sound, by a learner: articulation, live or a weight file."""
    face = live_face(start_face(), level=measure_level(waveform), lips=lips, device="cpu")
    return lip_shapes(frontal(np.concatenate([face.push(waveform), face.finish()])))


def said_lips(lips: str) -> SaidLips:
    """What a learner's lips do at the phonemes of the words."""
    shapes = lips_for(read_audio(PLACE / "words.ogg"), lips)
    with open(PLACE / "words.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    def at(phonemes: tuple[str, ...], series: np.ndarray, fold, reach: int = 0) -> np.ndarray:
        found = []
        for row in rows:
            if row["phoneme"] in phonemes:
                begin, end = (round(float(row[name]) * FPS) for name in ("begin_s", "end_s"))
                found.append(fold(series[max(begin - reach, 0) : max(end, begin + 1) + reach]))
        return np.array(found)

    opening, width = shapes.opening, shapes.width
    stops, middles = at(STOPS, opening, np.min, 1), at(("A:",), opening, np.max)
    return SaidLips(float((stops < CLOSED).mean()), float((middles < CLOSED).mean()), float(stops.mean()),
                    float(at(TEETH, opening, np.mean).mean()), float(middles.mean()),
                    float(at(("i:",), width, np.mean).mean() - at(("u:",), width, np.mean).mean()),
                    float(at(("A:",), opening, np.mean).mean() - at(("u:",), opening, np.mean).mean()))


def activity(waveform: np.ndarray, lips: str) -> float:
    """Mean change of the opening from frame to frame, in thousandths of an eye distance, once the start has passed."""
    return 1000 * float(np.abs(np.diff(lips_for(waveform, lips).opening[10:])).mean())
