"""How far generated landmarks are from the real ones: LMD as it lies, turned to the front, of the pose alone.

Shapes: T frames, L = 68 landmarks, P of them. Points are (T, 68, 3) in pixels of the 256 canvas (`on_canvas`).
Source: LMD of Chen et al. 2018 as MS-Sync, Rhythmic Head and PC-AVS report it; method/measures.md#landmark-distance.
"""

from typing import NamedTuple

import numpy as np

from headsync.landmarks import (
    GROUPS,
    HeadPose,
    LandmarkSequence,
    canonical_face,
    frontalise,
    head_pose,
    lip_opening,
    pose_points,
)

CANVAS_PX = 256
ALL = tuple(range(68))
MOUTH, JAW = GROUPS["mouth"], GROUPS["jaw"]
CORNERS = (0, 6)                # of the mouth, among its 20 points: landmarks 48 and 54
EYE_CORNERS = (36, 45)


class Distance(NamedTuple):
    """A mean distance of landmarks in two units."""

    px: float           # pixels of the 256 canvas
    share: float        # of the reference's distance of the outer eye corners, its median over the clip in 3-D


def on_canvas(sequence: LandmarkSequence) -> np.ndarray:
    """The landmarks (T, 68, 3) float32 in pixels of a 256 canvas, whatever the sequence's canvas."""
    return sequence.in_unit() * np.float32(CANVAS_PX)  # (T, L, 3)


def landmark_distance(generated: np.ndarray, reference: np.ndarray, *, indices: tuple[int, ...] = ALL,
                      dims: int = 2) -> Distance:
    """LMD: the mean Euclidean distance of the chosen landmarks, in x and y or in all three coordinates.

    Nothing is aligned: a head in another place counts. ValueError for arrays that are not both (T, 68, 3).
    """
    _check(generated, reference)
    chosen = list(indices)
    return _distance(generated[:, chosen], reference[:, chosen], reference, dims=dims)


def turned_mouth_distance(generated: np.ndarray, reference: np.ndarray) -> Distance:
    """LMD_front of the mouth in MS-Sync's way: both mouths turned until their corners are equally deep, then LMD in x, y."""
    _check(generated, reference)
    return _distance(turned_mouth(generated), turned_mouth(reference), reference)


def turned_mouth(points: np.ndarray) -> np.ndarray:
    """The mouth (T, 20, 3) turned about the vertical axis through its centre so that both corners are equally deep."""
    mouth = np.asarray(points, np.float64)[:, list(MOUTH)]                          # (T, P, 3)
    across = mouth[:, CORNERS[1]] - mouth[:, CORNERS[0]]                            # (T, 3)
    angle = np.arctan2(across[:, 2], across[:, 0])[:, None]                         # (T, 1)
    centre = mouth.mean(1, keepdims=True)                                           # (T, 1, 3)
    x, y, z = np.moveaxis(mouth - centre, 2, 0)                                     # each (T, P)
    turned = np.stack([np.cos(angle) * x + np.sin(angle) * z, y, np.cos(angle) * z - np.sin(angle) * x], axis=2)
    return turned + centre  # (T, P, 3)


def frontal_distance(generated: np.ndarray, reference: np.ndarray, *, indices: tuple[int, ...] = ALL) -> Distance:
    """LMD in x and y after each clip's head motion and size were taken out: what is left is shape and expression.

    The rigid fit of `landmarks.head_pose`; distances are scaled back to the size of the reference on the canvas.
    """
    _check(generated, reference)
    pose = head_pose(reference)
    fronts = frontalise(generated, head_pose(generated)) / pose.scale, frontalise(reference, pose) / pose.scale
    return _distance(fronts[0][:, list(indices)], fronts[1][:, list(indices)], reference)


def aligned_mouth_distance(generated: np.ndarray, reference: np.ndarray) -> Distance:
    """LMD of the mouth in x and y after the centre of its 20 points was laid on the reference's in every frame."""
    _check(generated, reference)
    mouths = [points[:, list(MOUTH)] - points[:, list(MOUTH)].mean(1, keepdims=True) for points in (generated, reference)]
    return _distance(*mouths, reference)


def pose_distance(generated: np.ndarray, reference: np.ndarray) -> Distance:
    """How far the heads' poses lie apart, as the LMD of the canonical face's jaw put into both (size included).

    A generated face's own shape and its speaking jaw do not count, unlike in the plain LMD of the jaw.
    """
    _check(generated, reference)
    jaw = np.repeat(canonical_face()[None, list(JAW)], len(reference), axis=0)      # (T, P, 3)
    return _distance(pose_points(jaw, head_pose(generated)), pose_points(jaw, head_pose(reference)), reference)


def rotation_error_deg(generated: HeadPose, reference: HeadPose) -> float:
    """The mean angle in degrees between the heads of two clips of equal length."""
    between = generated.rotation @ np.swapaxes(reference.rotation, 1, 2)            # (T, 3, 3)
    cosine = (np.trace(between, axis1=1, axis2=2) - 1) / 2                          # (T,)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())


def opening_difference(generated: np.ndarray, reference: np.ndarray) -> Distance:
    """The mean absolute difference of the signed openings of the inner lips (`headsync.landmarks.lips`)."""
    _check(generated, reference)
    share = float(np.abs(lip_opening(generated) - lip_opening(reference)).mean())
    return Distance(share * _eye_distance_px(reference), share)


def _check(generated: np.ndarray, reference: np.ndarray) -> None:
    if generated.shape != reference.shape or generated.ndim != 3 or generated.shape[1:] != (68, 3) or not len(generated):
        raise ValueError(f"landmarks must be (T, 68, 3) and alike, got {generated.shape} and {reference.shape}")


def _distance(ours: np.ndarray, theirs: np.ndarray, reference: np.ndarray, *, dims: int = 2) -> Distance:
    px = float(np.linalg.norm((np.asarray(ours, np.float64) - theirs)[..., :dims], axis=-1).mean())
    return Distance(px, px / _eye_distance_px(reference))


def _eye_distance_px(reference: np.ndarray) -> float:
    right, left = EYE_CORNERS
    px = float(np.median(np.linalg.norm(reference[:, left] - reference[:, right], axis=1)))
    if px <= 0:
        raise ValueError("the reference's eye corners coincide; give landmarks of a face")
    return px
