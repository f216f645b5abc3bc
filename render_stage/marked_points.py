"""A face whose points somebody marked: drawings, animals, statues and masks, in which no detector sees one.

Shapes: n marks, L = 68 landmarks. Points are pixels of the picture, x right, y down.
"""

from pathlib import Path

import numpy as np
from scipy.interpolate import RBFInterpolator

from headsync.landmarks import canonical_face

ALL = 68
NEEDED = {"left_eye": range(36, 42), "right_eye": range(42, 48), "nose": [30],
          "mouth_left": [48], "mouth_right": [54], "chin": [8]}
MORE = {"mouth_top": [51], "mouth_bottom": [57], "left_brow": [19], "right_brow": [24], "left_jaw": [1], "right_jaw": [15]}
LEAST_AREA_PX = 24.0**2     # of what the marks span


def read_marks(path: str | Path, size: tuple[int, int]) -> np.ndarray:
    """The landmarks (L, 3) float64 of a face in a picture of `size` (height, width), from a text file of marked points.

    Either 68 lines `x y` in the order of the layout ibug68, or lines `name x y`: left_eye, right_eye (their middles), nose
    (its tip), mouth_left, mouth_right, chin, and as many as you like of mouth_top, mouth_bottom, left_brow, right_brow,
    left_jaw and right_jaw. Left is left in the picture. From the few, the canonical face is bent onto them. ValueError, one
    line that names the file, for anything else.
    """
    try:
        lines = [line.replace(",", " ").split() for line in Path(path).read_text(encoding="utf-8").splitlines()]
        rows = [line for line in lines if line and not line[0].startswith("#")]
        if len(rows) == ALL and all(len(row) == 2 for row in rows):
            return _checked(_all(np.array(rows, float)), path, size)
        marks = {row[0]: (float(row[1]), float(row[2])) for row in rows if len(row) == 3}
        wrong = next((row for row in rows if len(row) != 3 or row[0] not in {**NEEDED, **MORE}), None)
    except (UnicodeError, ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read as marked points ({error}); write lines `name x y`, such as `chin 310 420`"
                         ) from error
    missing = [name for name in NEEDED if name not in marks]
    if wrong is not None or missing:
        what = f"the line `{' '.join(wrong)[:40]}` is none" if wrong is not None else f"{', '.join(missing)} are missing"
        raise ValueError(f"{path}: marked points are lines `name x y` ({what}); names are {', '.join([*NEEDED, *MORE])}")
    return _checked(bent(marks), path, size)


def bent(marks: dict[str, tuple[float, float]]) -> np.ndarray:
    """The canonical face (L, 3) with its named places on the marks: an affine map, and a thin plate for what is left."""
    face, places = canonical_face().astype(np.float64), {**NEEDED, **MORE}
    own = np.stack([face[list(places[name]), :2].mean(0) for name in marks])                       # (n, 2)
    return np.column_stack([RBFInterpolator(own, np.array([*marks.values()], float), kernel="thin_plate_spline", degree=1)(
        face[:, :2]), face[:, 2] * _growth(own, np.array([*marks.values()], float))])


def _all(marks: np.ndarray) -> np.ndarray:
    """Marks (L, 2) with the depth of the canonical face."""
    face = canonical_face().astype(np.float64)
    return np.column_stack([marks, face[:, 2] * _growth(face[:, :2], marks)])


def _growth(own: np.ndarray, marks: np.ndarray) -> float:
    """How much larger marks (n, 2) are than the places (n, 2) that they stand for."""
    return float(np.sqrt(np.square(marks - marks.mean(0)).sum() / np.square(own - own.mean(0)).sum()))


def _checked(points: np.ndarray, path: str | Path, size: tuple[int, int]) -> np.ndarray:
    """The points, if a face of this picture can have them."""
    middle = points[:, :2].mean(0)
    if not np.isfinite(points).all() or np.prod(np.ptp(points[:, :2], axis=0)) < LEAST_AREA_PX:
        raise ValueError(f"{path}: the marked points do not span a face; mark them in pixels of the picture")
    if (middle < 0).any() or (middle >= (size[1], size[0])).any():
        raise ValueError(f"{path}: the marked face lies outside of its picture of {size[1]}x{size[0]} pixels")
    if points[8, 1] <= points[36:48, 1].mean():
        raise ValueError(f"{path}: the marked chin lies above the eyes; y counts downwards, and a face must stand upright")
    return points
