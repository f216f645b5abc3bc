"""Changes that leave what the head and the mouth do: one draw for all frames of a clip, so that nothing but they tells frames
apart.

Shapes: P pixels a side, L = 68 landmarks. Matrices (3, 3) map canvas units of 256 to places on the changed picture, in the same
units. Source: PC-AVS section 3.1 and its public code, method/pc_avs.md#data.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from headsync.landmarks import GROUPS
from headsync.landmarks.detection import CANVAS_PX
from render_stage.clip_frames import colour_table

FINER = 2                   # pictures are sampled so many times finer, then averaged
MOUTH_ROOM = (1.6, 2.4)     # of the mouth's width, across and down, that is swapped
FEATHER = 0.15              # of that box, over which it fades


@dataclass(frozen=True)
class ChangeSettings:
    """How far pictures are changed; each drawn evenly."""

    zoom: tuple[float, float]   # of all frames of a sample, target too
    shift: float            # share of the side, of all frames too
    colour: float           # deviation of each channel's gain and of the gamma, of all frames too
    gains: tuple[float, float]  # of each channel, of what the non-identity encoder sees
    aspect: float           # share by which the picture is stretched, either way
    perspective: float      # share by which its corners move symmetrically
    blurred: float          # share of clips that are blurred, and of those that are sharpened
    mouth_swapped: float    # share of pictures for the pose code with the mouth of another frame of the clip


class Change(NamedTuple):
    """One draw."""

    matrix: np.ndarray      # (3, 3)
    table: np.ndarray       # (1, 256, 3) uint8
    blur: float             # sigma in canvas units; below 0: sharpened by so much


def sample_change(settings: ChangeSettings, random: np.random.Generator) -> Change:
    """What is alike in all frames of a sample, target and reference: zoom, shift, colour."""
    scale, middle = random.uniform(*settings.zoom), CANVAS_PX / 2
    matrix = np.diag([scale, scale, 1.0])
    matrix[:2, 2] = (1 - scale) * middle + CANVAS_PX * settings.shift * random.uniform(-1, 1, 2)
    return Change(matrix, colour_table(np.exp(settings.colour * random.standard_normal(4))), 0.0)


def clip_change(settings: ChangeSettings, random: np.random.Generator) -> Change:
    """What only the non-identity encoder sees: colours, aspect, perspective, blur or sharpening."""
    middle = CANVAS_PX / 2
    across, down, lean = 1 + random.uniform(-1, 1, 3) * (settings.aspect, settings.aspect, settings.perspective)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * middle
    moved = corners * (across, down)
    moved[:2, 0] *= lean            # the upper ones towards or from each other
    matrix = cv2.getPerspectiveTransform(np.float32(corners + middle), np.float32(moved + middle))
    gains = np.append(random.uniform(*settings.gains, 3), np.exp(random.uniform(-0.25, 0.25)))
    kind = random.random()
    blur = random.uniform(0.5, 2.5) if kind < settings.blurred else -random.uniform(0.3, 1.0)
    return Change(matrix, colour_table(gains), blur if kind < 2 * settings.blurred else 0.0)


def shown(picture: np.ndarray, side: int, *changes: Change) -> np.ndarray:
    """The canvas (S, S, 3) uint8 after changes, the first one first, (side, side, 3) uint8; beyond it, its reflection."""
    matrix = chained(*changes)
    fine = FINER * side
    unit = fine / CANVAS_PX
    own = CANVAS_PX / picture.shape[0]
    placed = np.diag([unit, unit, 1]) @ matrix @ np.diag([own, own, 1])
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])       # OpenCV counts from pixels' centres
    made = cv2.warpPerspective(picture, np.linalg.inv(half) @ placed @ half, (fine, fine), flags=cv2.INTER_LINEAR,
                               borderMode=cv2.BORDER_REFLECT_101)
    made = cv2.resize(made, (side, side), interpolation=cv2.INTER_AREA)
    for change in changes:
        made = cv2.LUT(made, change.table)
        if change.blur:
            soft = cv2.GaussianBlur(made, (0, 0), abs(change.blur) * side / CANVAS_PX + 0.3)
            made = soft if change.blur > 0 else cv2.addWeighted(made, 1 - change.blur, soft, change.blur, 0)
    return made


def placed_points(points: np.ndarray, *changes: Change) -> np.ndarray:
    """Landmarks (L, 2) in shares of the changed picture's side, of those (L, 2 or more) on the canvas."""
    matrix = chained(*changes)
    moved = np.c_[points[:, :2], np.ones(len(points))] @ matrix.T
    return (moved[:, :2] / moved[:, 2:] / CANVAS_PX).astype(np.float32)


def chained(*changes: Change) -> np.ndarray:
    """The matrix of changes one after another."""
    matrix = np.eye(3)
    for change in changes:
        matrix = change.matrix @ matrix
    return matrix


def mouth_swapped(picture: np.ndarray, points: np.ndarray, other: np.ndarray, other_points: np.ndarray) -> np.ndarray:
    """The canvas with the mouth of another frame of the clip in its mouth's place: a pose code learns nothing from mouths."""
    left, top, width, height = mouth_box(points)
    other_left, other_top, other_width, other_height = mouth_box(other_points)
    matrix = np.array([[width / other_width, 0, left - other_left * width / other_width],
                       [0, height / other_height, top - other_top * height / other_height]])
    moved = cv2.warpAffine(other, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)
    rows, columns = (np.arange(side) + 0.5 for side in picture.shape[:2])
    fade = FEATHER * width
    down, across = (np.clip(np.minimum(place - start, start + length - place) / fade, 0, 1)
                    for place, start, length in ((rows, top, height), (columns, left, width)))
    mask = (down[:, None] * across)[..., None].astype(np.float32)
    return np.rint(picture + mask * (moved.astype(np.float32) - picture)).astype(np.uint8)


def mouth_box(points: np.ndarray) -> tuple[float, float, float, float]:
    """Left, top, width and height round a mouth whose size its opening does not change: from its corners and the eyes."""
    middle = points[list(GROUPS["mouth"]), :2].mean(0)
    width = float(np.linalg.norm(points[45, :2] - points[36, :2])) * 0.6
    across, down = max(MOUTH_ROOM[0] * width, 4.0), max(MOUTH_ROOM[1] * width * 0.6, 4.0)
    return middle[0] - across / 2, middle[1] - down / 2 + 0.1 * down, across, down
