"""Where faces lie on the canvas: sources of other places and sizes brought to one, motions of other people carried over.

Shapes: T frames, t frames of a block, K references, L = 68 landmarks, N points.
Points are pixels of a canvas in units of 256, unless they are said to be a source picture's.
Source: ours; the motion's frame (rotation, size and place of the head over 17 rigid points) is `landmarks.scale_motion`'s.
"""

import heapq
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from headsync.landmarks import RIGID17, RIGID27, Similarity, canonical_face, frontal_fit, rotation_vector, similarity_fit
from headsync.landmarks.detection import CANVAS_PX
from headsync.landmarks.lips import lip_opening

Crop = tuple[float, float, float, float]    # x0, y0, x1, y1 in a source picture's pixels

SAME_SHARE = 0.02           # of the face's height: a reference this near to some frame of a motion is that motion's own
FARTHEST = 1.0              # canvases beyond its edge: landmarks farther out are not a face in a picture
NEUTRAL_SHARE = 0.1         # of a motion's frames, those with the mouth most closed and the head least turned, are neutral
MOST_NEUTRAL = 64
TURN_WEIGHT = 0.3           # a turn by a radian counts like a mouth opened by this share of the eyes' distance
JAW_FOLLOWS = 0.5           # of the way that the lower lip goes when a mouth is closed

_FIT = list(RIGID17)
_UPPER, _LOWER = [61, 62, 63], [67, 66, 65]


class Placement(NamedTuple):
    """Where a source picture's plane lies on the canvas: a similarity."""

    matrix: np.ndarray      # (2, 3) float64: canvas = matrix @ (x, y, 1)
    scale: float            # canvas units over source pixels

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) of the source on the canvas, float32; depth scales like the rest."""
        points = np.asarray(points, np.float64)
        placed = np.concatenate([self.flat(points[..., :2]), self.scale * points[..., 2:]], axis=-1)    # (..., 3)
        return placed.astype(np.float32)

    def flat(self, places: np.ndarray) -> np.ndarray:
        """Places (..., 2) of the source on the canvas, float64."""
        return np.asarray(places, np.float64) @ self.matrix[:, :2].T + self.matrix[:, 2]  # (..., 2)


def crop_placement(crop: Crop) -> Placement:
    """The canvas as it is cropped out of the source: upright, a corner and a size."""
    scale = CANVAS_PX / (crop[2] - crop[0])
    return Placement(np.array([[scale, 0, -scale * crop[0]], [0, scale, -scale * crop[1]]]), scale)


def face_placement(points: np.ndarray, target: np.ndarray) -> Placement:
    """Where a source must lie for its face (L, 3) to have place, size and tilt of `target` (L, 3) on the canvas.

    Size and tilt come from the fit of the rigid points in space, so that a turned face is not enlarged.
    """
    chosen, aim = np.asarray(points, np.float64)[list(RIGID27)], np.asarray(target, np.float64)[list(RIGID27)]
    fit = similarity_fit(chosen, aim)
    tilt = np.arctan2(fit.rotation[1, 0] - fit.rotation[0, 1], fit.rotation[0, 0] + fit.rotation[1, 1])
    turned = fit.scale * np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])        # (2, 2)
    shift = aim[:, :2].mean(0) - turned @ chosen[:, :2].mean(0)
    return Placement(np.concatenate([turned, shift[:, None]], axis=1), float(fit.scale))


@dataclass(eq=False)
class MotionSurvey:
    """What must be known of a whole motion before its first frame is carried over; grows by a few numbers per frame.

    `own` (K, L, 3) is where the references' landmarks are on the motion's canvas if it lives in their picture.
    """

    frames: int                                         # promised
    own: np.ndarray
    start: np.ndarray | None = None                     # (L, 3) the first frame
    nearest: float = np.inf                             # of a frame to a reference, in face heights
    _neutral: list = field(default_factory=list)        # heap of (-score, -frame, front (L, 3))
    _seen: int = 0

    def add(self, block: np.ndarray) -> None:
        """Look at the next frames (t, L, 3). ValueError, one line, for landmarks far outside the canvas."""
        _check_inside(block, self._seen)
        self.start = block[0].astype(np.float64) if self.start is None else self.start
        rigid, height = list(RIGID27), np.ptp(self.own[..., 1], axis=1)                                 # (K,)
        apart = np.square(block[:, None, rigid, :2] - self.own[None, :, rigid, :2]).sum(-1).mean(-1)    # (t, K)
        self.nearest = min(self.nearest, float((np.sqrt(apart) / np.maximum(height, 1e-6)).min()))
        kept = max(1, min(MOST_NEUTRAL, round(NEUTRAL_SHARE * self.frames)))
        fronts = _fronts(block)
        for number, (score, front) in enumerate(zip(fronts.score, fronts.points), start=self._seen):
            held = (-score, -number, front)
            if len(self._neutral) < kept:
                heapq.heappush(self._neutral, held)
            elif held[:2] > self._neutral[0][:2]:
                heapq.heapreplace(self._neutral, held)
        self._seen += len(block)

    @property
    def at_home(self) -> bool:
        """Whether the motion lives in the references' own picture."""
        return self.nearest <= SAME_SHARE

    @property
    def neutral(self) -> np.ndarray:
        """The motion's neutral face (L, 3) in the canonical place: a mean over its most closed, most frontal frames."""
        return np.mean([front for _, _, front in sorted(self._neutral, key=lambda held: -held[1])], axis=0)  # (L, 3)


class _Fronts(NamedTuple):
    points: np.ndarray      # (t, L, 3) in the canonical place, size and direction
    score: np.ndarray       # (t,) small where the mouth is closed and the head frontal
    fit: Similarity


def _fronts(points: np.ndarray) -> _Fronts:
    """Each frame (t, L, 3) with its head's motion taken out."""
    fit = frontal_fit(points)
    fronts = fit.apply(points)                                                                          # (t, L, 3)
    turned = np.linalg.norm(rotation_vector(fit.rotation), axis=1)
    return _Fronts(fronts, np.abs(lip_opening(fronts)) + TURN_WEIGHT * turned, fit)      # lips that cross are not closed


def _check_inside(block: np.ndarray, first: int) -> None:
    far = FARTHEST * CANVAS_PX
    outside = (block[..., :2] < -far) | (block[..., :2] > CANVAS_PX + far)                              # (t, L, 2)
    if outside.any():
        frame, landmark, axis = np.argwhere(outside)[0]
        raise ValueError(f"landmark {landmark} of frame {first + frame} lies at {'xy'[axis]} = "
                         f"{block[frame, landmark, axis] / CANVAS_PX:.1f} canvases, far outside its canvas; "
                         "a face lies between 0 and 1: extract or generate the sequence again")


@dataclass(frozen=True, eq=False)
class Carry:
    """A motion on its way to another face: that face's shape, the motion's expression, the head's motion since the start."""

    offset: np.ndarray          # (L, 3) canonical: the reference's neutral face minus the motion's
    start: Similarity           # from the motion's first frame to the canonical place
    reference: Similarity       # from the reference to it
    from_middle: np.ndarray     # (3,) of the rigid points, in the first frame
    to_middle: np.ndarray       # (3,) and in the reference

    def points(self, block: np.ndarray) -> np.ndarray:
        """Frames (t, L, 3) float64 of the motion as the reference's face shows them, in the reference's pixels.

        The first frame has the reference's pose, size and place. Turns since then happen about the head's own axes,
        shifts along the picture's, both in proportion to the sizes.
        """
        block = np.asarray(block, np.float64)
        fronts = _fronts(block)
        own = fronts.points + self.offset - canonical_face()[_FIT].mean(0, dtype=np.float64)            # (t, L, 3)
        turned = self.reference.rotation.T @ self.start.rotation @ np.swapaxes(fronts.fit.rotation, 1, 2)
        grown = self.start.scale / (fronts.fit.scale * self.reference.scale)                            # (t,)
        moved = self.start.scale / self.reference.scale * (block[:, _FIT].mean(1) - self.from_middle)   # (t, 3)
        return grown[:, None, None] * (own @ np.swapaxes(turned, 1, 2)) + (self.to_middle + moved)[:, None]


def carry_over(survey: MotionSurvey, references: np.ndarray) -> Carry:
    """How the surveyed motion goes over to a face seen in references (K, L, 3) of one source, in its pixels.

    The first reference gives pose and place, the one with the most closed and frontal face the neutral shape, with the
    mouth closed as far as the motion's is.
    """
    references = np.asarray(references, np.float64)
    fronts, first = _fronts(references), _fronts(survey.start[None]).fit
    shape = closed_mouth(fronts.points[fronts.score.argmin()], max(0.0, float(lip_opening(survey.neutral[None])[0])))
    fit = fronts.fit
    return Carry(shape - survey.neutral, Similarity(*(one[0] for one in first)), Similarity(*(one[0] for one in fit)),
                 survey.start[_FIT].mean(0), references[0, _FIT].mean(0))


def closed_mouth(front: np.ndarray, opening: float) -> np.ndarray:
    """A frontal face (L, 3) with the mouth open no wider than `opening`, a share of the distance of the outer eye corners.

    The lower lip rises, the jaw follows by half; corners and upper lip stay.
    """
    now = float(lip_opening(front[None])[0])
    if now <= opening:
        return front
    gap = (front[_LOWER] - front[_UPPER]).mean(0)           # (3,)
    share = np.zeros(len(front))
    share[[56, 57, 58, *_LOWER]] = 1
    share[[55, 59]] = 0.6                                   # between the lip's middle and its corners
    jaw = np.arange(4, 13)
    share[jaw] = JAW_FOLLOWS * np.cos(np.pi / 2 * (jaw - 8) / 5) ** 2
    return front - (1 - opening / now) * share[:, None] * gap  # (L, 3)
