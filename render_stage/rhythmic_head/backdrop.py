"""What is behind a person: a reference's picture with the person painted over, to be seen where a head leaves its place.

Shapes: K references, S canvas pixels a side. Beyond the papers, whose flows can only drag what stands round a head along.
"""

from collections.abc import Sequence

import cv2
import numpy as np

RIM_PX = 9              # side of the square by which a person is widened: soft hair is no background, and goes with the head
LEAST_SHOWN = 1e-3      # of a smoothed picture, under which nothing is known yet
GROWTH = 4.0            # of the cover, with every halving
SMALLEST = 2            # pixels a side at which filling ends


def widened(person: np.ndarray) -> np.ndarray:
    """A map of a person (S, S) uint8 with its soft rim: what is outside is background alone."""
    return cv2.dilate(person, np.ones((RIM_PX, RIM_PX), np.uint8))  # (S, S)


def backdrops(pictures: Sequence[np.ndarray], people: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The backdrop (S, S, 3) uint8 of each of K pictures (S, S, 3) uint8, whose widened maps `people` (S, S) show persons.

    A picture's own background stays. What its person hides is taken from the other references where they show it, mean of
    those that do; the rest is filled smoothly from all sides.
    """
    shown = [1 - one.astype(np.float32)[..., None] / 255 for one in people]
    known = [picture * one for picture, one in zip(pictures, shown)]                    # (S, S, 3) float32
    total, cover = sum(known), sum(shown)
    made = []
    for own, seen in zip(known, shown):
        lent = (1 - seen) * np.minimum(cover - seen, 1) / np.maximum(cover - seen, LEAST_SHOWN)
        made.append(filled(own + lent * (total - own), seen + lent * (cover - seen)))
    return made


def filled(known: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """A picture (S, S, 3) uint8 from one times its cover (S, S, 3) float32 and the cover (S, S, 1), 0 to 1.

    By a pyramid: where little is known, the half as large picture, filled in the same way, is shown.
    """
    return np.rint(np.clip(_filled(known, np.minimum(cover, 1)), 0, 255)).astype(np.uint8)


def _filled(known: np.ndarray, cover: np.ndarray) -> np.ndarray:
    side = known.shape[0]
    both = np.concatenate([known, cover], 2)                                            # (S, S, 4)
    if side <= SMALLEST:
        mean = both.mean((0, 1))
        coarse = np.broadcast_to(mean[:3] / max(mean[3], LEAST_SHOWN), known.shape)
    else:
        half = cv2.pyrDown(both)
        grown = np.minimum(1, GROWTH * half[..., 3:])                                   # what is half known is known there
        scale = grown / np.maximum(half[..., 3:], LEAST_SHOWN)
        coarse = cv2.pyrUp(_filled(half[..., :3] * scale, grown), dstsize=(side, side))
    return known + (1 - cover) * coarse
