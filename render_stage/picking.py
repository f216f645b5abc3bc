"""Which frames of a clip become references of a person: head poses are covered, and the mouth is open in one.

Shapes: N candidates, L = 68 landmarks.
"""

from pathlib import Path

import numpy as np

from headsync.landmarks import head_pose
from headsync.landmarks.lips import lip_opening
from render_stage.geometry.motion_matcher import pick_references

OPEN_MOUTH = 0.1            # of the outer eye corners' distance: teeth are to be seen from here on
OPEN_SHARE = 0.8            # of the clip's widest opening: a pick opened so far is open enough


def pick_faces(points: np.ndarray, count: int) -> list[int]:
    """Which of a clip's landmarks (N, L, 3), on one canvas, become references: at most `count`, none twice.

    They cover the head's poses, the most frontal one first. Where two or more are asked for and the mouth opens at all,
    one of them has it open: teeth come from there.
    """
    picks = list(dict.fromkeys(pick_references(head_pose(points).h, count).tolist()))
    opening = lip_opening(points)
    widest = int(opening.argmax())
    if len(picks) > 1 and opening[widest] >= OPEN_MOUTH and opening[picks].max() < OPEN_SHARE * opening[widest]:
        picks[-1] = widest
    return picks


def check_index(path: Path, face: str, found: int) -> None:
    """ValueError when `face` is an index beyond the last face."""
    if str(face).isdecimal() and found and int(face) >= found:
        raise ValueError(f"{path}: there is no face {face}, counted from 0 at the left; {found} found: give --face 0 to "
                         f"{found - 1}, largest or centre")
