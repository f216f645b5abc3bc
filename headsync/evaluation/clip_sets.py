"""What is collected of all clips of a method: pieces of motion, embeddings, openings of lips; and the figures of such sets.

Shapes: T frames, L = 68 landmarks, C clips.
"""

import numpy as np

from headsync.evaluation.clip import Canvases, Embed
from headsync.evaluation.motion_sets import (
    LEAST_CLIPS,
    MOST_PIECES,
    FeatureSet,
    MotionSet,
    SetFigure,
    embedded_motion,
    flat_motion,
)
from headsync.evaluation.sides import Side
from headsync.landmarks import lip_opening
from headsync.metrics.lips import LipLevels, lip_levels

FLOOR = "floor"
FEATURES = {"frames": "FD-frame: Fréchet distance of identity embeddings of frames (no FID)",
            "motion": "FD-temporal: of embeddings of motion pictures, one a clip (t-FID's idea, no t-FID)"}
LIPS = {"first_r": "correlation over clips of the mean lip opening with the first real frame's; near 1: the start decides it",
        "deviation": "deviation of the lip opening over all frames as a share of the real one",
        "p95": "95th percentile of the lip opening over all frames as a share of the real one"}


class LipSet:
    """Openings of pairs of clips; the first 2000."""

    def __init__(self, seed: int):
        self._random = np.random.default_rng(seed)
        self._pairs: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, ours: Side, theirs: Side) -> None:
        """Take in a pair of clips; frames without a face on either side do not count."""
        both = ours.visible & theirs.visible
        if both.any() and len(self._pairs) < MOST_PIECES:
            self._pairs.append((lip_opening(ours.points[both]), lip_opening(theirs.points[both])))

    def figures(self, draws: int = 100) -> dict[str, SetFigure]:
        """How far lips open beside the real ones, with intervals by bootstrap over clips; nothing for under four clips."""
        count = len(self._pairs)
        if count < LEAST_CLIPS:
            return {}
        found = self._levels(range(count))
        drawn = np.array([self._levels(self._random.integers(count, size=count)) for _ in range(draws)])    # (draws, 5)
        result = {}
        for name, meaning in LIPS.items():
            values = drawn[:, LipLevels._fields.index(name)]
            value, values = getattr(found, name), values[np.isfinite(values)]
            if np.isfinite(value):
                low, high = np.percentile(values, (2.5, 97.5)) if len(values) else (value, value)
                result[f"lips_{name}"] = SetFigure(value, float(low), float(high), count, meaning)
        return result

    def _levels(self, chosen) -> LipLevels:
        return lip_levels(*zip(*(self._pairs[number] for number in chosen)))


class ClipSets:
    """Collects clips by method or anchor, and says what their sets amount to."""

    def __init__(self, seed: int, embed: Embed | None):
        self._seed, self._embed = seed, embed
        self._motions: dict[str, MotionSet] = {}
        self._lips: dict[str, LipSet] = {}
        self._features: dict[tuple[str, str], FeatureSet] = {}

    def add(self, name: str, ours: Side, theirs: Side, identity: str) -> None:
        """Take in a pair of clips of one person."""
        self.add_lips(name, ours, theirs)
        motions = self._motions.setdefault(name, MotionSet(self._seed))
        motions.add(flat_motion(ours.points), flat_motion(theirs.points), identity)
        if self._embed is not None:
            pair = embedded_motion([ours.points, theirs.points], self._embed)
            self._feature_set(name, "motion").add(pair[:1], pair[1:])

    def add_lips(self, name: str, ours: Side, theirs: Side) -> None:
        """Take in the lips of a pair of clips only."""
        self._lips.setdefault(name, LipSet(self._seed)).add(ours, theirs)

    def add_frames(self, name: str, embedded: Canvases) -> None:
        """Take in embedded frames of a pair of clips."""
        self._feature_set(name, "frames").add(embedded.generated, embedded.real)

    def figures(self, *, floor_of: str) -> dict[str, dict[str, SetFigure]]:
        """By method or anchor, and as `floor` what two halves of the real clips are apart; those that `floor_of` was added
        with."""
        sets = {name: one.figures() for name, one in self._motions.items()}
        sets[FLOOR] = self._motions[floor_of].floors() if floor_of in self._motions else {}
        for (name, kind), features in self._features.items():
            for place, figure in ((name, features.figure()), (FLOOR, features.floor())):
                if figure is not None:
                    sets.setdefault(place, {}).setdefault(f"fd_{kind}", figure)
        for name, lips in self._lips.items():
            sets.setdefault(name, {}).update(lips.figures())
        return sets

    def _feature_set(self, name: str, kind: str) -> FeatureSet:
        return self._features.setdefault((name, kind), FeatureSet(self._seed, FEATURES[kind]))
