"""Curves of a report: mean embedding distance over lag, and how heads move; sums and short excerpts only.

Shapes: T frames, L = 68 landmarks, S lags.
"""

from typing import NamedTuple

import numpy as np

from headsync.evaluation.clip import ClipProfiles
from headsync.landmarks import head_pose, rotation_vector
from headsync.landmarks.layouts import RIGID17

MOST_HEADS = 300            # clips whose head motion is kept
HEAD_FRAMES = 250           # of each


class LagCurve(NamedTuple):
    """A mean over clips."""

    lags: np.ndarray        # (S,) frames; positive: sound late
    distances: np.ndarray   # (S,) from each clip's median on: the depth of the valley is the mean AV-Conf
    clips: int


class Curves:
    """What is plotted."""

    def __init__(self):
        self._lags: dict[tuple[str, int], dict[int, list[float]]] = {}
        self.heads: dict[tuple[str, str], np.ndarray] = {}      # (T, 3) degrees against the clip's first frame

    def add(self, method: str, profiles: ClipProfiles | None) -> None:
        """Take in a clip's lag profiles, mode `valid`, each from its own median on: clips' distances are of different sizes."""
        for level, profile in enumerate([] if profiles is None else profiles.of_mode["valid"]):
            sums = self._lags.setdefault((method, level), {})
            above = profile.distances - profile.distances.median()
            for lag, distance in zip(profile.lags.tolist(), above.tolist()):
                total = sums.setdefault(lag << level, [0.0, 0])
                total[0] += distance
                total[1] += 1

    def add_head(self, method: str, clip: str, points: np.ndarray) -> None:
        """Take in a clip's head motion from landmarks (T, L, 3), as far as there is room."""
        if len(self.heads) < MOST_HEADS:
            rotation = head_pose(points[:HEAD_FRAMES], indices=RIGID17).rotation
            self.heads[method, clip] = np.degrees(rotation_vector(rotation[0].T @ rotation)).astype(np.float32)

    def lag_curve(self, method: str, level: int) -> LagCurve | None:
        """The mean over the lags that at least half of the clips with the level have; None without any."""
        sums = self._lags.get((method, level))
        if not sums:
            return None
        clips = max(count for _, count in sums.values())
        lags = sorted(lag for lag, (_, count) in sums.items() if 2 * count >= clips)
        return LagCurve(np.array(lags), np.array([sums[lag][0] / sums[lag][1] for lag in lags]), clips)
