"""Who is who over the shots of a video: shots that show somebody else than the person who is given another mouth.

Shapes: L = 68 landmarks, P = 128 pixels of a portrait's side, E features of an identity.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from headsync.landmarks import crop_picture
from headsync.landmarks.crop import to_canvas
from headsync.landmarks.detection import CANVAS_PX
from headsync.landmarks.detection.detectors import landmark_boxes
from render_stage.identity.embedder import load_embedder

PORTRAIT_PX = 128
LEAST_ALIKE = 0.35          # cosine of two shots' mean embeddings under which they show two people: 1 % of impostors are above


class Portrait(NamedTuple):
    """A face cropped for the encoder of identities."""

    picture: np.ndarray     # (P, P, 3) uint8
    points: np.ndarray      # (L, 3) in canvas units of 256

    @classmethod
    def of(cls, picture: np.ndarray, points: np.ndarray) -> "Portrait":
        """The portrait in a picture (H, W, 3) with landmarks (L, 3)."""
        x0, y0, x1, y1 = landmark_boxes(points)
        half = max(x1 - x0, y1 - y0)
        crop = ((x0 + x1) / 2 - half, (y0 + y1) / 2 - half, (x0 + x1) / 2 + half, (y0 + y1) / 2 + half)
        left, top = max(0, int(crop[0])), max(0, int(crop[1]))
        part = picture[top : max(top + 1, int(crop[3]) + 1), left : max(left + 1, int(crop[2]) + 1)]
        inside = tuple(edge - (left, top)[axis % 2] for axis, edge in enumerate(crop))
        return cls(crop_picture(part, inside, PORTRAIT_PX), to_canvas(points, crop, CANVAS_PX))


def other_people(shots: Mapping[int, Sequence[Portrait]], *, weights: Mapping[int, int], first: bool) -> set[int]:
    """Numbers of the shots that do not show the main person: who is seen longest by `weights`, or `first`.

    Shots of the same person are found by a network; people whom it takes for one are taken for one.
    """
    if len(shots) < 2:
        return set()
    embed = load_embedder(device="cpu")
    means = {}
    for number, portraits in shots.items():
        found = embed(np.stack([one.picture for one in portraits]), np.stack([one.points for one in portraits])).mean(0)
        means[number] = found / max(float(np.linalg.norm(found)), 1e-6)         # (E,)
    alike = {one: {other for other in means if means[one] @ means[other] >= LEAST_ALIKE} for one in means}
    main = min(means) if first else max(means, key=lambda one: sum(weights[other] for other in alike[one]))
    return set(means) - alike[main]
