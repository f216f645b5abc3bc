"""What a photo of a face lets one expect: several faces, a small, blurred, turned or cut-off face, a mouth shut or wide open.

Shapes: N faces, L = 68 landmarks, H W picture. Points and boxes are in pixels of the picture. The limits are measured on the
shipped photo with the shipped weights: docs/results/renderer.md, "Photos".
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from headsync.landmarks.crop import crop_picture, to_canvas
from headsync.landmarks.geometry import head_pose
from headsync.landmarks.lips import lip_opening

_log = logging.getLogger(__name__)

SHARP_PX = 256              # the canvas on which sharpness is measured
MOST_ENLARGED = 2.0         # a face that is enlarged more is rendered visibly soft
LEAST_DETAIL = 0.02         # variance of the face's Laplacian over that of its grey levels; photos have .05 and more
MOST_TURN_DEGREES = 30.0    # from the front
SHUT, WIDE = 0.03, 0.18     # inner-lip opening over the distance of the outer eye corners
FOREHEAD = 0.4              # of the height from brows to chin: what a face reaches above the brows
CUT_SHARE = 0.03            # of that height, by which a face may reach beyond the picture


def faces_note(boxes: np.ndarray, points: np.ndarray, face: str) -> str:
    """Of several faces, boxes (N, 4), which one was taken, the one of the points (L, 3); empty for a single face."""
    if len(boxes) < 2:
        return ""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2                                             # (N, 2)
    nearest = int(np.linalg.norm(middles - points[:, :2].mean(0), axis=1).argmin())
    taken = int(np.argsort(np.argsort(middles[:, 0], kind="stable"))[nearest])
    chosen = "the largest is taken, " if str(face) == "largest" else ""
    return (f"{len(boxes)} faces are seen; {chosen}number {taken} from the left, counted from 0 (--face INDEX takes another, "
            f"0 to {len(boxes) - 1})")


def picture_notes(picture: np.ndarray, points: np.ndarray, crop: Sequence[float], *, pixels: int = SHARP_PX) -> list[str]:
    """What to expect of a picture (H, W, 3) uint8 as a reference: a line for each thing that will show, mostly none.

    `points` (L, 3) are its face, `crop` the canvas round it, `pixels` the side of the canvas that it is rendered on.
    """
    height = float(points[8, 1] - points[17:27, 1].mean())
    enlarged = pixels / (crop[2] - crop[0])
    notes = []
    if enlarged > MOST_ENLARGED:
        notes.append(f"the face is {height:.0f} pixels high from brows to chin and is enlarged {enlarged:.1f} times; the video "
                     f"will be soft: take a picture with {height * enlarged / MOST_ENLARGED:.0f} or more, or a smaller --size")
    elif detail(picture, points, crop) < LEAST_DETAIL:
        notes.append("the face is blurred, and the video will be as soft: take a sharper picture")
    angle = turn_degrees(points)
    if angle > MOST_TURN_DEGREES:
        notes.append(f"the face is turned by {angle:.0f} degrees; what is hidden is guessed and smears when the head turns "
                     "back: take a picture from the front")
    side = cut_side(points, picture.shape[:2])
    if side:
        notes.append(f"the face is cut off at the {side}; what lies beyond the picture is made of its border: take a picture "
                     "with the whole head")
    return notes


def mouth_note(points: np.ndarray) -> str:
    """What to expect of a mouth that is shut or wide open in all references (K, L, 3); empty for one between."""
    opening = lip_opening(points)
    if opening.max() < SHUT:
        return ("the mouth is shut; its teeth will be invented: add a picture or a clip with the mouth a little open to "
                "show the person's own")
    return ""


def start_note(points: np.ndarray) -> str:
    """What to expect of a motion that starts from a face (L, 3) with its mouth wide open; empty for any other."""
    if lip_opening(points[None])[0] <= WIDE:
        return ""
    return "the mouth is wide open; where it closes, traces of the open lips stay in the picture: start from a closed mouth"


def log_notes(path: str | Path, *notes: str) -> None:
    """Log what is to be known of a picture, the notes that are not empty, as warnings that name its file."""
    for note in filter(None, notes):
        _log.warning("%s: %s", path, note)


def detail(picture: np.ndarray, points: np.ndarray, crop: Sequence[float]) -> float:
    """How much fine structure a face has on a canvas of 256: the variance of its Laplacian over that of its grey levels."""
    grey = cv2.cvtColor(crop_picture(picture, tuple(crop), SHARP_PX), cv2.COLOR_RGB2GRAY).astype(np.float32)
    outline = cv2.convexHull(np.ascontiguousarray(to_canvas(points, crop, SHARP_PX)[:, :2], np.float32))
    inside = cv2.fillConvexPoly(np.zeros(grey.shape, np.uint8), outline.astype(np.int32), 1) > 0
    if not inside.any():
        return 0.0
    return float(cv2.Laplacian(grey, cv2.CV_32F)[inside].var() / max(float(grey[inside].var()), 1e-6))


def turn_degrees(points: np.ndarray) -> float:
    """How far a face (L, 3) looks away from the camera, whichever way: 0 from the front, 90 in profile."""
    ahead = head_pose(points[None]).rotation[0][2]      # the canonical face's direction of view, in the picture
    return float(np.degrees(np.arccos(np.clip(abs(ahead[2]), 0.0, 1.0))))


def cut_side(points: np.ndarray, size: tuple[int, int]) -> str:
    """The side of a picture (height, width) beyond which the face, forehead included, reaches farthest; "" when it does not."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    tall = float(points[8, 1] - points[17:27, 1].mean())
    beyond = {"top": -(low[1] - FOREHEAD * tall), "bottom": high[1] - size[0], "left": -low[0], "right": high[0] - size[1]}
    side = max(beyond, key=beyond.get)
    return side if beyond[side] > CUT_SHARE * tall else ""
