"""Rigid motion of faces: fits, head pose, frontalisation.

Shapes: T frames, L landmarks, P points; leading axes are batch axes. Everything is computed in float64.
Source: Kabsch 1976, Umeyama 1991; Rhythmic Head section 3.1 (head motion h in R6, frontal landmarks p).
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from headsync.landmarks.canonical import canonical_face
from headsync.landmarks.layouts import RIGID17, RIGID27

FRONTAL_SHARE = 0.1     # of a clip's frames, those turned least, stand for it


class Similarity(NamedTuple):
    """target = scale * rotation @ source + translation."""

    scale: np.ndarray           # (...)
    rotation: np.ndarray        # (..., 3, 3), determinant +1
    translation: np.ndarray     # (..., 3)

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Points (..., P, 3) moved."""
        turned = np.asarray(points, np.float64) @ np.swapaxes(self.rotation, -1, -2)
        return self.scale[..., None, None] * turned + self.translation[..., None, :]  # (..., P, 3)


class HeadPose(NamedTuple):
    """Head motion over time, against the canonical face."""

    h: np.ndarray       # (T, 6) float64: rotation vector (radians), translation (pixels of the canonical 256 frame)
    scale: float        # one per clip: canonical size over the clip's

    @property
    def rotation(self) -> np.ndarray:
        """Rotation matrices (T, 3, 3) from the frame to the canonical face."""
        return rotation_matrix(self.h[:, :3])


def rotation_matrix(vector: np.ndarray) -> np.ndarray:
    """Matrices (..., 3, 3) of rotation vectors (..., 3), in radians."""
    vector = np.asarray(vector, np.float64)
    return Rotation.from_rotvec(vector.reshape(-1, 3)).as_matrix().reshape(*vector.shape[:-1], 3, 3)


def rotation_vector(matrix: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3), in radians, of proper rotation matrices (..., 3, 3)."""
    matrix = np.asarray(matrix, np.float64)
    return Rotation.from_matrix(matrix.reshape(-1, 3, 3)).as_rotvec().reshape(*matrix.shape[:-2], 3)


def similarity_fit(source: np.ndarray, target: np.ndarray) -> Similarity:
    """The similarity that takes source (..., P, 3) nearest to target (..., P, 3) in the least-squares sense.

    Never a reflection: where mirroring would fit better, the best proper rotation is given. ValueError for under three
    points, for what is not a number, and for a source whose points all coincide.
    """
    source, target = np.broadcast_arrays(np.asarray(source, np.float64), np.asarray(target, np.float64))
    if source.ndim < 2 or source.shape[-1] != 3 or source.shape[-2] < 3:
        raise ValueError(f"a fit needs at least 3 points of 3 coordinates, got {source.shape}")
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise ValueError("a fit needs finite points; interpolate the frames without a face first")
    middle, aim = source.mean(-2, keepdims=True), target.mean(-2, keepdims=True)    # (..., 1, 3)
    covariance = np.swapaxes(target - aim, -1, -2) @ (source - middle)              # (..., 3, 3)
    left, values, right = np.linalg.svd(covariance)
    sign = np.ones_like(values)
    sign[..., 2] = np.where(np.linalg.det(left @ right) < 0, -1.0, 1.0)             # (..., 3)
    rotation = (left * sign[..., None, :]) @ right                                  # (..., 3, 3)
    spread = np.square(source - middle).sum((-2, -1))                               # (...)
    if not np.all(spread > 0):
        raise ValueError("a fit needs points that differ; all points of the source coincide")
    scale = (values * sign).sum(-1) / spread
    translation = aim[..., 0, :] - scale[..., None] * (rotation @ np.swapaxes(middle, -1, -2))[..., 0]  # (..., 3)
    return Similarity(scale, rotation, translation)


def rigid_fit(source: np.ndarray, target: np.ndarray) -> Similarity:
    """The rotation and translation, scale 1, that take source (..., P, 3) nearest to target (Kabsch, no reflection)."""
    fit = similarity_fit(source, target)
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    translation = target.mean(-2) - (fit.rotation @ source.mean(-2)[..., None])[..., 0]  # (..., 3)
    return Similarity(np.ones_like(fit.scale), fit.rotation, translation)


def frontal_mean(points: np.ndarray, fit: Similarity) -> np.ndarray:
    """The mean (P, 3) of the tenth of frames of points (T, P, 3) that `fit` turns least, as it moves them."""
    turned = np.linalg.norm(rotation_vector(fit.rotation), axis=1)                              # (T,)
    frontal = np.argsort(turned, kind="stable")[: max(1, round(FRONTAL_SHARE * len(points)))]
    return fit.apply(points)[frontal].mean(0)  # (P, 3)


def head_pose(points: np.ndarray, *, canonical: np.ndarray | None = None, indices: tuple[int, ...] = RIGID27,
              scale: float | None = None) -> HeadPose:
    """The head's motion in landmarks (T, L, 3): front = R (scale * l) + T, with one scale for the clip.

    The fit uses the 27 rigid points (`RIGID17` leaves out the jaw's silhouette). The clip's scale is the median of the
    frames', since a detector's depth makes the scale of single frames wander, unless it is given. Source: Rhythmic Head 3.1.
    """
    canonical = canonical_face() if canonical is None else canonical
    chosen = np.asarray(points, np.float64)[:, list(indices)]                    # (T, P, 3)
    aim = np.asarray(canonical, np.float64)[list(indices)]                       # (P, 3)
    scale = float(np.median(similarity_fit(chosen, aim).scale)) if scale is None else scale
    fit = rigid_fit(scale * chosen, aim)
    return HeadPose(np.concatenate([rotation_vector(fit.rotation), fit.translation], axis=1), scale)  # (T, 6)


def frontal_fit(points: np.ndarray) -> Similarity:
    """What takes each frame of landmarks (T, 68, 3), by itself, to the front: 17 rigid points on the canonical ones."""
    chosen = list(RIGID17)
    return similarity_fit(np.asarray(points)[:, chosen], canonical_face()[chosen])


def frontal(points: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 3) turned, moved and scaled to the front (T, 68, 3) float32, in every frame by itself."""
    return frontal_fit(points).apply(points).astype(np.float32)


def frontalise(points: np.ndarray, pose: HeadPose) -> np.ndarray:
    """Landmarks (T, P, 3) with the head's motion taken out: canonical place, size and direction, own expression."""
    moved = pose.scale * np.asarray(points, np.float64) @ np.swapaxes(pose.rotation, 1, 2)
    return (moved + pose.h[:, None, 3:]).astype(np.float32)  # (T, P, 3)


def pose_points(front: np.ndarray, pose: HeadPose) -> np.ndarray:
    """Frontal landmarks (T, P, 3) with a head's motion put in: the inverse of `frontalise`."""
    centred = np.asarray(front, np.float64) - pose.h[:, None, 3:]
    return (centred @ pose.rotation / pose.scale).astype(np.float32)  # (T, P, 3)
