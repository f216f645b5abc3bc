"""The 68 landmarks of iBUG: their groups, contours and mirror pairs, and where they sit on MediaPipe's mesh."""

import numpy as np

IBUG68 = "ibug68"

GROUPS: dict[str, tuple[int, ...]] = {
    "jaw": tuple(range(0, 17)),
    "right_brow": tuple(range(17, 22)),     # right and left are the person's own: right is on the left of the picture
    "left_brow": tuple(range(22, 27)),
    "bridge": tuple(range(27, 31)),
    "nostrils": tuple(range(31, 36)),
    "right_eye": tuple(range(36, 42)),
    "left_eye": tuple(range(42, 48)),
    "outer_lip": tuple(range(48, 60)),
    "inner_lip": tuple(range(60, 68)),
    "mouth": tuple(range(48, 68)),
}

# (indices, closed): what is drawn as lines
CONTOURS: tuple[tuple[tuple[int, ...], bool], ...] = tuple(
    (GROUPS[name], name in ("right_eye", "left_eye", "outer_lip", "inner_lip")) for name in GROUPS if name != "mouth")

# Rhythmic Head's 27 points that hardly move against the skull, and the 17 of them that are not on the jaw's silhouette
RIGID27 = (*range(1, 6), *range(11, 16), 17, 21, 22, 26, *range(27, 36), 36, 39, 42, 45)
RIGID17 = RIGID27[10:]

MEDIAPIPE_TO_IBUG68 = (
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,      # jaw
    70, 63, 105, 66, 107,                                                                   # right brow
    336, 296, 334, 293, 300,                                                                # left brow
    168, 197, 5, 4, 75, 97, 2, 326, 305,                                                    # bridge, nostrils
    33, 160, 158, 133, 153, 144,                                                            # right eye
    362, 385, 387, 263, 373, 380,                                                           # left eye
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,                                    # outer lip
    78, 82, 13, 312, 308, 317, 14, 87,                                                      # inner lip
)

_SIZES = {IBUG68: 68}


def layout_size(name: str) -> int:
    """The number of landmarks of a layout. ValueError for one that is not known."""
    if name not in _SIZES:
        raise ValueError(f"no landmark layout is called {name!r}; known are {', '.join(_SIZES)}")
    return _SIZES[name]


def _mirror() -> np.ndarray:
    """Which landmark stands at each place of a face seen in a mirror."""
    pairs = {
        "jaw": range(16, -1, -1),
        "right_brow": range(26, 21, -1), "left_brow": range(21, 16, -1),
        "bridge": range(27, 31), "nostrils": range(35, 30, -1),
        "right_eye": (45, 44, 43, 42, 47, 46), "left_eye": (39, 38, 37, 36, 41, 40),
        "outer_lip": (54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
        "inner_lip": (64, 63, 62, 61, 60, 67, 66, 65),
    }
    mirror = np.array([index for name in GROUPS if name != "mouth" for index in pairs[name]])
    mirror.flags.writeable = False
    return mirror


INNER_PAIRS = ((61, 67), (62, 66), (63, 65))     # upper and lower inner lip
MIRROR = _mirror()      # (68,): flipped = points[..., MIRROR, :] with x mirrored; applying it twice changes nothing
