"""Where a part of a face lies in a picture, in the head's own axes, and what a close-up's network is told of that place.

Shapes: S pixels a side of the canvas, N pixels a side of the close-up. Head coordinates are x right and y down on the face,
in distances of the outer eye corners, from the base of the nose: teeth stand still in them, however head and lips move.
"""

from typing import NamedTuple

import cv2
import numpy as np

from headsync.landmarks import canonical_face, head_pose

BASE, CHIN = 33, 8                      # of the nose, of the jaw
INNER, OUTER = slice(60, 68), slice(48, 60)
MIDDLE = 0.36                           # head coordinate down of the close-up's middle
HALF_WIDTH, TOP, ABOVE_CHIN = 0.46, 0.06, 0.1   # head coordinates: what may be drawn again
FADE = 0.1                              # over which that fades out
NARROWEST = 0.3                         # share to which a turned face's axis may shrink before it is held
SUBPIXEL = 4                            # bits of OpenCV's polygons
LEAST_PX = 0.75                         # of an opening: a shut mouth's outline is drawn as a line, which is not open
EDGE_PX = 6.0                           # from the edge of the opening at which its distance is no longer told
MAPS = 9


class View(NamedTuple):
    """A face's axes in its picture."""

    origin: np.ndarray      # (2,) of the base of the nose, pixels
    axes: np.ndarray        # (2, 2): pixels that one eye distance right and one down along the face are, as columns
    facing: np.ndarray      # (2,): how far the face looks right and down, sines
    chin: float             # head coordinate down of the chin
    inner: np.ndarray       # (8, 2) inner outline of the lips, pixels
    outer: np.ndarray       # (12, 2)

    def places(self, heads: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of head coordinates (..., 2)."""
        return self.origin + heads @ self.axes.T

    def shifted(self, by: np.ndarray) -> "View":
        """The same in a picture that begins `by` pixels (2,) later."""
        return self._replace(origin=self.origin - by, inner=self.inner - by, outer=self.outer - by)


def face_view(points: np.ndarray) -> View:
    """The view of a face's landmarks (68, 3), in pixels."""
    points = np.asarray(points, np.float64)
    canonical = canonical_face()
    pose = head_pose(points[None])
    unit = np.linalg.norm(canonical[45] - canonical[36]) / pose.scale
    turned = pose.rotation[0].T                                         # canonical axes as the picture shows them
    axes = unit * turned[:2, :2]
    left, values, right = np.linalg.svd(axes)
    axes = (left * np.maximum(values, NARROWEST * unit)) @ right
    chin = np.linalg.solve(axes, points[CHIN, :2] - points[BASE, :2])[1]
    return View(points[BASE, :2], axes, turned[:2, 2], float(chin), points[INNER, :2], points[OUTER, :2])


def corner(view: View, side: int, canvas: int) -> np.ndarray:
    """Left and top (2,) of the close-up of `side` pixels round the mouth, inside a canvas where it can be."""
    middle = view.places(np.array([0.0, MIDDLE]))
    return np.clip(np.rint(middle - side / 2), 0, max(canvas - side, 0)).astype(int)


def alignment(source: View, target: View) -> np.ndarray:
    """The affine motion (2, 3) that takes the source's picture to the target's axes, pixel centres at + 0.5."""
    linear = target.axes @ np.linalg.inv(source.axes)
    offset = target.origin - linear @ source.origin
    return np.hstack([linear, (offset + linear @ (0.5, 0.5) - 0.5)[:, None]])


def aligned(picture: np.ndarray, source: View, target: View, side: int) -> np.ndarray:
    """The source's picture (H, W, C) as the target's axes show it, (N, N, C), in a close-up of `side` pixels."""
    return cv2.warpAffine(picture, alignment(source, target), (side, side), flags=cv2.INTER_LINEAR,
                          borderMode=cv2.BORDER_REPLICATE)


def filled(outline: np.ndarray, side: int) -> np.ndarray:
    """The inside (N, N) uint8 of an outline (n, 2) in pixels, its edge smooth."""
    canvas = np.zeros((side, side), np.uint8)
    corners = np.rint((outline - 0.5) * 2**SUBPIXEL).astype(np.int32)
    cv2.fillPoly(canvas, [corners], 255, lineType=cv2.LINE_AA, shift=SUBPIXEL)
    return canvas


def opening(view: View, side: int) -> np.ndarray:
    """Where a close-up shows the inside of the mouth, (N, N) uint8."""
    upper, lower = view.inner[:5], view.inner[[0, 7, 6, 5, 4]]
    down = view.axes[:, 1] / np.linalg.norm(view.axes[:, 1])
    if ((lower - upper) @ down).max() < LEAST_PX:
        return np.zeros((side, side), np.uint8)
    return filled(view.inner, side)


def moved_reference(picture: np.ndarray, source: View, target: View, side: int) -> np.ndarray:
    """The reference and the inside of its mouth in a target's close-up, (N, N, 4) uint8."""
    inside = opening(source, picture.shape[0])
    return aligned(np.dstack([picture, inside]), source, target, side)


def view_maps(view: View, side: int) -> np.ndarray:
    """What is said of every pixel of a close-up, (MAPS, N, N) float32.

    Inside of the mouth, lips with it, head coordinates right, down, and down from the chin, what may be drawn again, how far
    the face looks right and down, the edge of the opening.
    """
    centres = np.arange(side) + 0.5 - view.origin[:, None]              # (2, N)
    inverse = np.linalg.inv(view.axes)
    right, down = (inverse[row, 0] * centres[0] + inverse[row, 1] * centres[1][:, None] for row in range(2))     # (N, N)
    hole, lips = opening(view, side), filled(view.outer, side)
    steps = cv2.distanceTransform((hole < 128).view(np.uint8), cv2.DIST_L2, 3) - cv2.distanceTransform(
        (hole >= 128).view(np.uint8), cv2.DIST_L2, 3)
    if not hole.any():
        steps = np.full((side, side), EDGE_PX, np.float32)
    maps = [hole / 255, lips / 255, 2 * right, 2 * (down - MIDDLE), 2 * (down - view.chin + 0.4),
            drawn_region(view, right, down), np.full_like(right, view.facing[0]), np.full_like(right, view.facing[1]),
            np.clip(steps / EDGE_PX, -1, 1)]
    return np.stack(maps).astype(np.float32)


def drawn_region(view: View, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """How much of what is drawn again counts, (N, N) in [0, 1], of head coordinates (N, N)."""
    below = max(view.chin - ABOVE_CHIN, TOP + 2 * FADE)
    inside = np.minimum(HALF_WIDTH - np.abs(right), np.minimum(down - TOP, below - down)) / FADE
    share = np.clip(inside, 0, 1)
    return share * share * (3 - 2 * share)
