"""Figures of whole sets of clips: Fréchet distances of motion, of embedded frames, of embedded motion pictures, with floors.

Shapes: C clips, T frames, D = 136 coordinates, N samples, E embedding features. Nothing here is an FID, a t-FID or an FVD:
motion is compared in closed form without a network, pictures by headsync's own encoder. Source:
method/measures.md#frechet-distances, method/decisions.md#networks-of-others.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from headsync.evaluation.clip import Embed
from headsync.evaluation.networks.inputs import temporal_picture
from headsync.landmarks import landmark_image
from headsync.landmarks.detection.extract import CANVAS_PX
from headsync.metrics import distance_interval, motion_distances
from headsync.metrics.frechet import compare_features

LENGTHS = (40, 80, 200)
KINDS = ("positions", "velocities", "windows")
LEAST_CLIPS = 4         # under which a distance says nothing
MOST_PIECES = 2000      # of each length and side; more are thinned at random, so that memory stays flat
FLOOR_SPLITS = 5        # of the real clips into halves


class SetFigure(NamedTuple):
    """A figure of two sets."""

    value: float
    low: float          # 95 % interval
    high: float
    samples: int        # of each side
    meaning: str


def flat_motion(points: np.ndarray) -> np.ndarray:
    """Landmarks (T, L, 3) on the canvas of 256 as motion (T, D) float32: x and y, shares of the canvas."""
    return (points[..., :2] / CANVAS_PX).astype(np.float32).reshape(len(points), -1)  # (T, D)


class MotionSet:
    """Pieces of 40, 80 and 200 frames of pairs of clips, that do not overlap; at most 2000 of each length."""

    def __init__(self, seed: int):
        self._random = np.random.default_rng(seed)
        self._seed, self._seen = seed, dict.fromkeys(LENGTHS, 0)
        self.pairs: dict[int, list[tuple[np.ndarray, np.ndarray, str]]] = {frames: [] for frames in LENGTHS}

    def add(self, generated: np.ndarray, real: np.ndarray, identity: str) -> None:
        """Take in a pair of motions (T, D) of one person."""
        for frames in LENGTHS:
            for start in range(0, min(len(generated), len(real)) - frames + 1, frames):
                piece = generated[start : start + frames], real[start : start + frames], identity
                self._seen[frames] += 1
                kept = self.pairs[frames]
                if len(kept) < MOST_PIECES:
                    kept.append(piece)
                elif (place := int(self._random.integers(self._seen[frames]))) < MOST_PIECES:   # reservoir sampling
                    kept[place] = piece

    def figures(self, draws: int = 100) -> dict[str, SetFigure]:
        """Squared distances of generated from real pieces, paired, by length and kind, where there are pieces enough."""
        result = {}
        for frames, pairs in self.pairs.items():
            if len(pairs) < LEAST_CLIPS:
                continue
            ours, theirs = [one for one, _, _ in pairs], [one for _, one, _ in pairs]
            try:
                found = motion_distances(ours, theirs, frames=frames, seed=self._seed, paired=True)
                spread = distance_interval(ours, theirs, frames=frames, seed=self._seed, paired=True, draws=draws)
            except ValueError:      # real clips that stand still have no directions of motion
                continue
            for kind in KINDS:
                result[f"{kind}_{frames}"] = SetFigure(
                    getattr(found, kind), getattr(spread.low, kind), getattr(spread.high, kind), len(pairs),
                    f"squared Fréchet distance of {kind}, pieces of {frames} frames, squared percent of the face's size")
        return result

    def floors(self) -> dict[str, SetFigure]:
        """The same between two halves of the real pieces, people apart: mean of five random splits and their extremes."""
        result = {}
        for frames, pairs in self.pairs.items():
            people = sorted({identity for _, _, identity in pairs})
            values: dict[str, list[float]] = {kind: [] for kind in KINDS}
            count = 0
            for _ in range(FLOOR_SPLITS if len(people) > 1 else 0):
                first = set(self._random.permutation(people)[: len(people) // 2])
                sides = [[real for _, real, identity in pairs if (identity in first) == chosen] for chosen in (True, False)]
                count = min(map(len, sides))
                if count < LEAST_CLIPS:
                    break
                try:
                    found = motion_distances(*sides, frames=frames, seed=self._seed)
                except ValueError:      # a half of the real clips stands still
                    continue
                for kind in KINDS:
                    values[kind].append(getattr(found, kind))
            for kind in KINDS if values[KINDS[0]] else ():
                result[f"{kind}_{frames}"] = SetFigure(
                    float(np.mean(values[kind])), min(values[kind]), max(values[kind]), count,
                    f"two halves of the real people, {kind}, {frames} frames")
        return result


class FeatureSet:
    """Embeddings of frames, or of one motion picture a clip, of both sides; at most 2000 of each."""

    def __init__(self, seed: int, meaning: str):
        self._random = np.random.default_rng(seed)
        self._meaning, self._pairs, self._seen = meaning, [], 0

    def add(self, generated: np.ndarray, real: np.ndarray) -> None:
        """Take in embeddings (N, E) of partners."""
        for pair in zip(generated, real):
            self._seen += 1
            if len(self._pairs) < MOST_PIECES:
                self._pairs.append(pair)
            elif (place := int(self._random.integers(self._seen))) < MOST_PIECES:
                self._pairs[place] = pair

    def figure(self) -> SetFigure | None:
        """The Fréchet distance, shrunk covariances; None for too few samples."""
        if len(self._pairs) < LEAST_CLIPS:
            return None
        sides = [np.stack(side) for side in zip(*self._pairs)]
        found = compare_features(*sides, generator=np.random.default_rng(7))
        return SetFigure(found.value, found.low, found.high, found.samples, self._meaning)

    def floor(self) -> SetFigure | None:
        """The same between two random halves of the real samples."""
        if len(self._pairs) < 2 * LEAST_CLIPS:
            return None
        real = np.stack([theirs for _, theirs in self._pairs])[self._random.permutation(len(self._pairs))]
        half = len(real) // 2
        found = compare_features(real[:half], real[half : 2 * half], generator=np.random.default_rng(7))
        return SetFigure(found.value, found.low, found.high, half, "two halves of the real samples")


def motion_picture(points: np.ndarray) -> np.ndarray:
    """A clip's landmarks (T, L, 3) as one picture (256, 256, 3) uint8: their curves, later frames stronger (t-FID's idea)."""
    chosen = points[np.linspace(0, len(points) - 1, min(len(points), 40)).round().astype(int)]
    curves = [np.repeat(landmark_image(one, size=CANVAS_PX)[..., None], 3, 2).astype(np.float32) for one in chosen]
    return np.rint(255 * np.clip(temporal_picture(curves), 0, 1)).astype(np.uint8)  # (256, 256, 3)


def embedded_motion(points: Sequence[np.ndarray], embed: Embed) -> np.ndarray:
    """Embeddings (C, E) of the motion pictures of clips, each placed by its first landmarks."""
    return embed(np.stack([motion_picture(one) for one in points]), np.stack([one[0] for one in points]))
