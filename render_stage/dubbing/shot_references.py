"""References of a shot taken from the video itself: its poses, and mouths both open and shut.

Shapes: N candidates, K references, L = 68 landmarks, P pixels of a canvas's side.
"""

from collections.abc import Sequence

import numpy as np

from headsync.landmarks import crop_picture, head_pose, to_canvas
from headsync.landmarks.detection import CANVAS_PX
from headsync.landmarks.quality import lip_opening
from headsync.media.planes import PlanarFrames
from headsync.media.stored import stored_frames
from render_stage.dubbing.survey import Candidate, Stretch, Survey, crop_at
from render_stage.geometry.mesh import fit_mesh
from render_stage.geometry.motion_matcher import pick_references
from render_stage.geometry.topology import load_topology
from render_stage.references import Reference


def pick_candidates(points: np.ndarray, count: int) -> list[int]:
    """Which of a shot's landmarks (N, L, 3) become references: at most `count`, none twice, the most frontal first.

    Two of three or more are the widest open and the most closed mouth: teeth come from the one, lips from the other.
    """
    opening = lip_opening(points)
    own = [int(opening.argmax()), int(opening.argmin())] if count > 2 else [int(opening.argmax())] if count > 1 else []
    poses = pick_references(head_pose(points).h, max(1, count - len(own))).tolist()
    return list(dict.fromkeys([*poses, *own]))


def shot_references(survey: Survey, shot: int, *, count: int, pixels: int) -> list[Reference]:
    """Up to `count` references of a shot on its own canvases, P = `pixels`; none where it has no stretch."""
    stretches = [one for one in survey.stretches if one.shot == shot]
    found = [(one, stretch) for one in survey.candidates.get(shot, []) for stretch in stretches
             if stretch.start <= one.frame < stretch.stop]
    if not found:
        stretch = max(stretches, key=lambda one: len(one.points))
        middle = len(stretch.points) // 2
        found = [(Candidate(stretch.start + middle, stretch.points[middle], None), stretch)]
    points = np.stack([stretch.points[one.frame - stretch.start] for one, stretch in found])    # (N, L, 3)
    picked = [found[one] for one in pick_candidates(points, count)]
    pictures = _pictures(survey, [one.frame for one, _ in picked])
    return [_reference(one, stretch, pictures[one.frame], pixels) for one, stretch in picked]


def _reference(candidate: Candidate, stretch: Stretch, picture: np.ndarray, pixels: int) -> Reference:
    """A candidate on its canvas; the mesh goes along with the smoothed landmarks' canvas."""
    crop, points = crop_at(stretch, candidate.frame), stretch.points[candidate.frame - stretch.start]
    mesh = fit_mesh(points, load_topology()) if candidate.mesh is None else candidate.mesh
    return Reference(crop_picture(picture, crop, pixels), to_canvas(points, crop, CANVAS_PX), to_canvas(mesh, crop, CANVAS_PX))


def _pictures(survey: Survey, numbers: Sequence[int]) -> dict[int, np.ndarray]:
    """Pictures as shown of some frames, decoded in one go from the key frame before the first."""
    wanted, planar, found = set(numbers), PlanarFrames(), {}
    first = min(wanted)
    start = survey.stamps[first] if first else None
    for number, frame in enumerate(stored_frames(survey.form.path, start=start), start=first):
        if number in wanted:
            found[number] = survey.form.shown(planar.rgb(frame))
        if len(found) == len(wanted):
            break
    return found
