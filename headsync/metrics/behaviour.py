"""Whether lips, lids and head behave as a person's do: landmark jitter, blinks, lips in silence. No reference is needed.

Shapes: T frames, 4T feature rows, P landmarks. Points are (T, 68, 3) in pixels of the 256 canvas.
Source: Soukupova and Cech 2016 (eye aspect ratio); thresholds set on the development corpus.
"""

from typing import NamedTuple

import numpy as np

from headsync.landmarks import RIGID17
from headsync.landmarks.lips import lip_opening
from headsync.media import ROWS_PER_FRAME

LIDS = ((37, 41, 38, 40, 36, 39), (43, 47, 44, 46, 42, 45))    # two pairs of lid points, then the corners, per eye
BLINK_SHARE = 0.6               # lids under this share of their open state are shut; real clips then blink 27 times a minute
OPEN_PERCENTILE, OPEN_WINDOW_S = 80, 3.0
LONGEST_BLINK_S, SHORTEST_PAUSE_S = 0.5, 0.1
SILENT_DB = 40.0                # frames this far below the loud ones are silent
LOUD_PERCENTILE = 95
FLOOR_DB = -80.0                # of feature rows: speech lies over -40, digital silence at -142
OPEN_LIPS = 0.03                # lip opening, as a share of the eye distance, that a viewer sees (closed lips: under 0.01)


class Blinks(NamedTuple):
    """Closures of both eyes that are short enough to be blinks."""

    starts: np.ndarray      # (n,) int64, frame in which each begins
    per_minute: float


class SilentLips(NamedTuple):
    """What the lips do in silence, in shares of the distance of the eye corners."""

    frames: int
    opening: float          # mean
    open_share: float       # share of the silent frames in which the lips are visibly open
    restlessness: float     # root mean square change of the opening from one silent frame to the next


def jitter_px(points: np.ndarray, *, indices: tuple[int, ...] = RIGID17) -> float:
    """Landmark jitter of (T, 68, 3): the deviation, in pixels, of noise with the same third differences in x, y.

    Still and smoothly moving faces have none. The 17 rigid points are looked at unless others are named, since lips
    really move fast. ValueError for under four frames.
    """
    if len(points) < 4:
        raise ValueError(f"jitter needs at least 4 frames, got {len(points)}")
    third = np.diff(np.asarray(points, np.float64)[:, list(indices), :2], n=3, axis=0)  # (T - 3, P, 2)
    return float(np.sqrt(np.square(third).mean() / 20))     # 1, 3, 3, 1: white noise of deviation s gives 20 s^2


def eye_aspect_ratio(points: np.ndarray) -> np.ndarray:
    """Opening over width (T,) of the eyes in landmarks (T, 68, 3), mean of both (Soukupova and Cech 2016, equation 1)."""
    points = np.asarray(points, np.float64)
    gaps = np.linalg.norm(points[:, np.array(LIDS)[:, 0::2]] - points[:, np.array(LIDS)[:, 1::2]], axis=3)  # (T, 2, 3)
    return ((gaps[..., 0] + gaps[..., 1]) / (2 * np.maximum(gaps[..., 2], 1e-6))).mean(1)  # (T,)


def count_blinks(points: np.ndarray, fps: float = 25.0) -> Blinks:
    """The blinks in landmarks (T, 68, 3): both lids together under 0.6 of their open state, for half a second at most.

    Open is the 80th percentile of the aspect ratio within 1.5 s on either side, so gaze and pitch hardly matter. Two
    closures less than 0.1 s apart are one.
    """
    ratio, reach = eye_aspect_ratio(points), round(OPEN_WINDOW_S * fps / 2)
    opened = np.array([np.percentile(ratio[max(0, t - reach) : t + reach + 1], OPEN_PERCENTILE) for t in range(len(ratio))])
    shut = np.concatenate([[False], ratio < BLINK_SHARE * opened, [False]])         # (T + 2,)
    starts, ends = np.flatnonzero(~shut[:-1] & shut[1:]), np.flatnonzero(shut[:-1] & ~shut[1:])
    apart = starts[1:] - ends[:-1] >= SHORTEST_PAUSE_S * fps
    starts, ends = starts[np.r_[True, apart][: len(starts)]], ends[np.r_[apart, True][: len(ends)]]
    starts = starts[ends - starts <= LONGEST_BLINK_S * fps]                         # (n,)
    return Blinks(starts, 60 * fps * len(starts) / len(ratio))


def silent_frames(rows: np.ndarray) -> np.ndarray:
    """Which frames are silent, (T,) bool, from log filterbank rows (4T, 26): 40 dB below the loud ones, or digital silence."""
    if not len(rows) or len(rows) % ROWS_PER_FRAME:
        raise ValueError(f"{len(rows)} feature rows are no whole frames of {ROWS_PER_FRAME}; pad the sound first")
    power = np.exp(np.asarray(rows, np.float64)).sum(1).reshape(-1, ROWS_PER_FRAME).mean(1)      # (T,)
    level_db = 10 * np.log10(np.maximum(power, 1e-30))
    return level_db < max(np.percentile(level_db, LOUD_PERCENTILE) - SILENT_DB, FLOOR_DB)  # (T,)


def lips_in_silence(points: np.ndarray, silent: np.ndarray) -> SilentLips | None:
    """What the lips of landmarks (T, 68, 3) do in the frames marked silent (T,); None when no frame is.

    Give the reference's beside it: real lips part before they speak. ValueError when the lengths differ.
    """
    if len(points) != len(silent):
        raise ValueError(f"{len(points)} frames of landmarks against {len(silent)} of sound; cut one first")
    if not silent.any():
        return None
    opening = lip_opening(points)                                                   # (T,)
    steps = np.diff(opening)[silent[1:] & silent[:-1]]
    restlessness = float(np.sqrt(np.square(steps).mean())) if len(steps) else 0.0
    quiet = opening[silent]
    return SilentLips(len(quiet), float(quiet.mean()), float((quiet > OPEN_LIPS).mean()), restlessness)
