"""Heads that stay inside the picture: motion that comes to rest softly before a face leaves its canvas.

Shapes: T frames, L = 68 landmarks, axes right and down. Every frame depends on its own pose and on nothing else, so that
blocks of a motion give what the whole gives; and smoothly, so that what moves smoothly still does.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from headsync.landmarks.geometry import similarity_fit
from headsync.landmarks.layouts import RIGID17

EDGE = 0.01                 # of the canvas that is kept free on every side, where the start leaves so much
JAW_DROP = 0.10             # of a face's height that its chin may go down by itself
SOFT = 0.004                # of the canvas, within which growing faces begin to give way to an edge
SHARPNESS = 4               # of the soft limit: half of the room is used as it is, 1.5 % less; of all of it 16 % less
_FIT, _JAW = list(RIGID17), list(range(4, 13))


def softly_limited(distance: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Distances (T, ...) that never reach `room`: small ones as they are, large ones the less, negative ones untouched."""
    room = np.maximum(room, 1e-6)
    outward = np.maximum(distance, 0)
    return np.minimum(distance, 0) + outward / (1 + (outward / room) ** SHARPNESS) ** (1 / SHARPNESS)


def kept_inside(points: np.ndarray, start: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Landmarks (T, 68, 3) float32 of a canvas of `size` (height, width), moved and made smaller so that none leaves it.

    The face is taken to be that of `start` (68, 3) in each frame's pose, with room for its jaw: lips do not move heads. Its box
    first grows softly up to the canvas, then moves softly up to the canvas's edge. Where the start itself is nearer to an edge,
    or beyond it, no frame is farther out than it was. Far from the edges a head stays as it is; frames like the start do so bit
    for bit.
    """
    points = np.asarray(points, np.float32)
    if not len(points):
        return points
    extent = np.array(size[::-1], np.float64)                                                       # (2,) width, height
    hull = np.asarray(start, np.float64).copy()
    least, most = np.minimum(EDGE * extent, hull[:, :2].min(0)), np.maximum((1 - EDGE) * extent, hull[:, :2].max(0))
    hull[_JAW, 1] += JAW_DROP * np.ptp(hull[:, 1])
    low, high = hull[:, :2].min(0), hull[:, :2].max(0)                                              # (2,)
    shown = similarity_fit(start[_FIT], points[:, _FIT].astype(np.float64)).apply(hull)[..., :2]    # (T, L, 2)
    middle, reach = (shown.max(1) + shown.min(1)) / 2, (shown.max(1) - shown.min(1)) / 2            # (T, 2)
    own_middle, own_reach = (high + low) / 2, (high - low) / 2                                      # (2,)
    grown = own_reach + softly_limited(reach - own_reach, (most - least) / 2 - own_reach)
    shrunk = (grown / np.maximum(reach, 1e-6)).prod(1, keepdims=True)                               # (T, 1) at most 1
    away, reach = middle - own_middle, shrunk * reach                                               # (T, 2)
    below, above = high - most, least - low                                                         # (2,) over the edges
    grown, soft = reach - own_reach, SOFT * extent
    rest = own_middle - _pushed(below, grown, soft) + _pushed(above, grown, soft)       # where so large a face has room
    away = softly_limited(away, most - reach - rest)
    away = -softly_limited(-away, rest - (least + reach))
    placed = _placed(points, middle, rest + away, shrunk[:, :, None])
    # a jaw that drops farther than is allowed for, in a picture that ends at the chin, does move the head
    beyond = [_onset(placed[..., :2].max(1) - most, EDGE * extent), _onset(least - placed[..., :2].min(1), EDGE * extent)]
    return (placed - np.pad(beyond[0] - beyond[1], ((0, 0), (0, 1)))[:, None]).astype(np.float32)


def _onset(over: np.ndarray, soft: np.ndarray) -> np.ndarray:
    """0 where `over` (T, 2) is not positive, then smoothly up to all of it but half of `soft` (2,)."""
    inner = np.clip(over, 0, soft)
    return np.square(inner) / (2 * soft) + np.maximum(over - soft, 0)


def _pushed(over: np.ndarray, grown: np.ndarray, soft: np.ndarray) -> np.ndarray:
    """How far (T, 2) an edge that is `over` (2,) its limit, negative within, gives way when a face has `grown`."""
    over = np.minimum(over, 0)
    return _positive(over + grown, soft) - _positive(over, soft)


def _positive(x: np.ndarray, soft: np.ndarray) -> np.ndarray:
    """Nearly x where positive, nearly 0 where negative, smoothly."""
    return (x + np.sqrt(np.square(x) + np.square(soft))) / 2


def _placed(points: np.ndarray, middle: np.ndarray, wanted: np.ndarray, shrunk: np.ndarray) -> np.ndarray:
    """Points (T, L, 3) made smaller about `middle` (T, 2), which comes to lie at `wanted` (T, 2)."""
    about = np.pad(middle, ((0, 0), (0, 1)))[:, None]                                               # (T, 1, 3)
    moved = (shrunk - 1) * (points - about) + np.pad(wanted - middle, ((0, 0), (0, 1)))[:, None]
    return (points + np.where(np.abs(moved).max((1, 2), keepdims=True) < 1e-4, 0, moved)).astype(np.float32)  # (T, L, 3)


def stream_inside(blocks: Iterable[np.ndarray], start: np.ndarray, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """The blocks (t, 68, 3), each `kept_inside`."""
    return (kept_inside(block, start, size) for block in blocks)
