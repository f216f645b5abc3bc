"""Control over motion, and figures of it: head and lips made larger or smaller, how much moves, how steadily.

Shapes: T frames, L = 68 landmarks, P points of the fit. Everything is computed per frame in float64, so that blocks of
a sequence give what the whole gives. Source: Rhythmic Head section 3.1 (head motion against a still face).
"""

import math
from typing import NamedTuple

import numpy as np

from headsync.landmarks.canonical import canonical_face
from headsync.landmarks.geometry import head_pose, rigid_fit, rotation_matrix, rotation_vector, similarity_fit
from headsync.landmarks.layouts import GROUPS, RIGID17, RIGID27
from headsync.landmarks.lips import lip_opening

LEAST_FRAMES = 3            # a second difference needs them
JAW = range(4, 13)          # of the silhouette, what follows the lips; the chin is in the middle
_FIT = list(RIGID17)        # not one of these is moved by `lips`, and the jaw does not pull at them


class MotionStatistics(NamedTuple):
    """How much a clip moves: standard deviations over time, and unsteadiness. Lengths are in the canonical 256 frame."""

    rotation_deg: np.ndarray        # (3,) of the head's rotation vector: nod, turn, tilt
    translation_px: np.ndarray      # (3,) of the place of the head's middle: right, down, away
    lip_opening: float              # of the inner-lip opening, as a share of the distance of the outer eye corners
    jitter_px: float                # root mean square second difference of the landmarks' x and y, per frame squared


def check_scales(**scales: float) -> None:
    """ValueError, one line, that names the first scale below 0 or not finite as the commands call it."""
    for name, scale in scales.items():
        if not (math.isfinite(scale) and scale >= 0):
            raise ValueError(f"--{name.replace('_', '-')} must be 0 or more, got {scale:g}")


def scale_motion(points: np.ndarray, start: np.ndarray, *, head: float = 1.0, lips: float = 1.0) -> np.ndarray:
    """Landmarks (T, 68, 3) float32 whose head moves `head` times and whose lips move `lips` times as far from `start`.

    Each frame is split into head motion, the similarity that takes `start` (68, 3) to it over the 17 rigid points, and
    own motion, the rest, in the start's frame. `head` multiplies rotation vector, shift of the head's middle and
    logarithm of size (a head that comes nearer grows: of real clips half vary by 7 % and more); at 0 the fitted head
    stands still and expression stays. `lips` multiplies the own motion of the lips, and of the jaw the less the
    farther from the chin; nothing else. 1 and 1 give the input, bit for bit. Points in pixels of a square canvas, with
    depth: where every frame has the start's, turns are taken for own motion and stay.
    ValueError, one line, for a scale below 0 or not finite, other shapes and values that are not finite.
    """
    check_scales(head_scale=head, lip_scale=lips)
    points, start = checked_landmarks(points), checked_landmarks(start[None])[0].astype(np.float64)
    if not len(points) or (head == 1 and lips == 1):
        return points.copy()
    frames, middle = points.astype(np.float64), start[_FIT].mean(0)
    fit = similarity_fit(start[_FIT], frames[:, _FIT])
    if not (fit.scale > 0).all():
        raise ValueError(f"the rigid points of frame {int(fit.scale.argmin())} all coincide; give landmarks of a face")
    shift = (frames[:, _FIT].mean(1) - middle)[:, None]                                                 # (T, 1, 3)
    own = (frames - middle - shift) @ fit.rotation / fit.scale[:, None, None] - (start - middle)        # (T, L, 3)
    rotation = fit.rotation if head == 1 else rotation_matrix(head * rotation_vector(fit.rotation))     # (T, 3, 3)
    shown = _placed(start - middle + own, rotation=fit.rotation, scale=fit.scale)
    wanted = _placed(start - middle + own * (1 + (lips - 1) * _lip_weights())[:, None], rotation=rotation,
                     scale=fit.scale**head)
    # only the difference is added: what no scale concerns keeps its very bits
    return (frames + (wanted - shown) + (head - 1) * shift).astype(np.float32)  # (T, L, 3)


def _placed(face: np.ndarray, *, rotation: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return scale[:, None, None] * (face @ np.swapaxes(rotation, 1, 2))  # (T, L, 3)


def _lip_weights() -> np.ndarray:
    """How far each landmark follows the lips (68,): 1 for lips and chin, a raised cosine along the jaw, else 0."""
    weights = np.zeros(68)
    weights[list(GROUPS["mouth"])] = 1
    middle, reach = (JAW[0] + JAW[-1]) / 2, len(JAW) / 2 + 0.5
    weights[list(JAW)] = np.cos(np.pi / 2 * (np.array(JAW) - middle) / reach) ** 2
    return weights


def motion_statistics(points: np.ndarray) -> MotionStatistics:
    """How much and how steadily the face in landmarks (T, 68, 3), in pixels of a square canvas, moves.

    Poses are `head_pose`'s over the 17 rigid points off the jaw. Translation is that of the head's middle: the pose's
    own is about the canvas corner, where a turned head counts as a shifted one. Landmarks without depth of their own
    (z constant in time) show less rotation than there is, of real clips a third. ValueError for under 3 frames and for
    other shapes.
    """
    points = checked_landmarks(points)
    if len(points) < LEAST_FRAMES:
        raise ValueError(f"motion statistics need at least {LEAST_FRAMES} frames, got {len(points)}")
    pose = head_pose(points, indices=RIGID17)
    middle = canonical_face()[_FIT].mean(0) - pose.h[:, 3:]                             # (T, 3)
    place = (middle[:, None] @ pose.rotation)[:, 0]                                     # (T, 3)
    unsteady = np.diff(pose.scale * points[..., :2].astype(np.float64), n=2, axis=0)    # (T - 2, L, 2)
    return MotionStatistics(np.degrees(pose.h[:, :3].std(0)), place.std(0),
                            float(lip_opening(points).std()),
                            float(np.sqrt(np.square(unsteady).sum(-1).mean())))


def face_shape_error(points: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """How far each frame's rigid points (T,) are from being the reference's, moved: faces stay faces where it is small.

    Root mean square distance of the 27 rigid points of landmarks (T, 68, 3) to those of `reference` (68, 3), the
    clip's own first frame, after the best rotation and shift, in pixels of the canonical 256 frame at the reference's
    size. A face that grows or shrinks is not forgiven. ValueError for other shapes and values that are not finite.
    """
    points, reference = checked_landmarks(points)[:, list(RIGID27)], checked_landmarks(reference[None])
    scale = head_pose(reference).scale
    target = reference[0, list(RIGID27)]                                    # (P, 3)
    apart = rigid_fit(points, target).apply(points) - target                # (T, P, 3)
    return scale * np.sqrt(np.square(apart).sum(-1).mean(-1))  # (T,)


def checked_landmarks(points: np.ndarray) -> np.ndarray:
    """The landmarks (T, 68, 3) as float32. ValueError, one line, for other shapes and for what is not finite."""
    points = np.asarray(points, np.float32)
    if points.ndim != 3 or points.shape[1:] != (68, 3) or not np.isfinite(points).all():
        raise ValueError(f"motion is of finite landmarks (T, 68, 3), got {points.shape}; interpolate missing frames")
    return points
