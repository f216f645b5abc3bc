"""A close-up at work: the mouth of a renderer's picture drawn again.

Shapes: S pixels a side of the canvas, N of the close-up.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from render_stage.close_up.network import REGION, CloseUpNetwork, begun
from render_stage.close_up.view import View, corner, face_view, moved_reference, view_maps

SIDE_SHARE, LEAST_PX = 1.35, 64     # of the distance of the outer eye corners
WIDER = 0.028                       # eye distances by which narrow openings are drawn wider
OPEN_FROM, WIDE_FROM = 0.015, (0.06, 0.14)      # openings from which that holds in full, and over which it ends
OPEN_ENOUGH = (0.03, 0.06)          # openings of references, over which drawing again ends
LOWER, UPPER = [7, 6, 5], [1, 2, 3]             # of the inner lips
PROFILE = np.array([0.7, 1.0, 0.7])             # along the lips


class CloseReference(NamedTuple):
    """What is constant for a reference."""

    picture: np.ndarray     # (S, S, 3) uint8
    view: View


def widened(view: View, reference: View) -> View:
    """The view with narrow openings between the lips drawn wider, `WIDER` at most: a soft rim hides so much of them.

    Without it openings of .02 to .06 eye distances are seen as .01 to .05 from references whose lips are shut
    (benchmarks/mouth_figures.py); those of references that are open are seen as they are, and stay. So do shut lips.
    """
    gap = lip_gap(view)
    count = (np.clip(gap / OPEN_FROM, 0, 1) * np.clip((WIDE_FROM[1] - gap) / (WIDE_FROM[1] - WIDE_FROM[0]), 0, 1)
             * np.clip(1 - lip_gap(reference) / WIDE_FROM[0], 0, 1))
    way = WIDER / 2 * count * PROFILE[:, None] * view.axes[:, 1]
    inner = view.inner.copy()
    inner[LOWER] += way
    inner[UPPER] -= way
    return view._replace(inner=inner)


def lip_gap(view: View) -> float:
    """The signed opening between the inner lips, in eye distances."""
    down = view.axes[:, 1]
    return float(((view.inner[LOWER] - view.inner[UPPER]) @ down).mean() / (down @ down))


def close_reference(picture: np.ndarray, points: np.ndarray) -> CloseReference:
    """The reference of a picture (S, S, 3) uint8 and its landmarks (68, 3)."""
    return CloseReference(picture, face_view(points))


def needed(reference: View) -> float:
    """How much a reference's mouth is to be drawn again: 1 of one that is shut, 0 of one that shows its teeth."""
    return float(np.clip((OPEN_ENOUGH[1] - lip_gap(reference)) / (OPEN_ENOUGH[1] - OPEN_ENOUGH[0]), 0, 1))


def drawn_where(view: View, canvas: int) -> np.ndarray:
    """What is drawn again of a reference's own canvas, (S, S) float32 in [0, 1]."""
    return needed(view) * view_maps(view, canvas)[REGION]


def close_up_side(view: View, network: CloseUpNetwork, canvas: int) -> int:
    """Pixels a side of the close-up of a view on a canvas: the larger the face, the more."""
    step, size = network.settings.step_px, float(np.sqrt(abs(np.linalg.det(view.axes))))
    wanted = max(LEAST_PX, SIDE_SHARE * size)
    return int(min(step * np.ceil(wanted / step), canvas // step * step))


class DrawnAgain(NamedTuple):
    """A picture with its mouth drawn again."""

    picture: Tensor         # (1, 3, S, S) in [0, 1]
    region: np.ndarray      # (S, S) float32 in [0, 1]: where that is


def drawn_again(network: CloseUpNetwork, picture: Tensor, points: np.ndarray, reference: CloseReference) -> DrawnAgain:
    """The picture (1, 3, S, S) with its mouth drawn again, for landmarks (68, 3) in its pixels. A new tensor.

    The less, the further the reference's own mouth is open: teeth that it shows are better than invented ones.
    """
    share = needed(reference.view)
    if not share:
        return DrawnAgain(picture.clamp(0, 1), np.zeros(picture.shape[2:], np.float32))
    view, canvas = widened(face_view(points), reference.view), picture.shape[-1]
    side = close_up_side(view, network, canvas)
    left, top = corner(view, side, canvas)
    view = view.shifted(np.array([left, top]))
    moved = moved_reference(*reference, view, side).transpose(2, 0, 1) / np.float32(255)                # (4, N, N)
    maps = view_maps(view, side)
    region = np.zeros((canvas, canvas), np.float32)
    region[top : top + side, left : left + side] = share * maps[REGION]
    moved, maps = (torch.from_numpy(one)[None].to(picture) for one in (moved, maps))
    made = picture.clamp(0, 1)
    part = made[:, :, top : top + side, left : left + side]
    start = begun(part, moved, maps)
    part.lerp_((start + network(torch.cat([start, moved, maps], 1))).to(part), share)
    return DrawnAgain(made, region)
