"""Whether something is before a mouth: patches of the lower face that do not look like those of the same shot.

Shapes: N frames, S = 24 pixels of a patch's side.
"""

import cv2
import numpy as np

PATCH_PX = 24
LEAST_FRAMES = 5            # of a shot, or nothing can be compared
LEAST_ALIKE = 0.3           # correlation with the shot's median patch under which a mouth counts as covered
FAR_LEVELS = 45.0           # and mean difference from it in levels from which it does
# where eye corners and nose base go in the patch: the lips' inside, which speech changes, is left out by `_SKIN`
_AIM = np.array([[3.0, -9.0], [21.0, -9.0], [12.0, 3.0]], np.float32)


def _skin() -> np.ndarray:
    y, x = np.mgrid[:PATCH_PX, :PATCH_PX]
    mouth = ((x - 11.5) / 7) ** 2 + ((y - 10.5) / 5.5) ** 2 < 1
    jaw = ((x - 11.5) / 10.5) ** 2 + ((y - 6) / 15) ** 2 < 1
    return jaw & ~mouth


_SKIN = _skin()


def lower_patch(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The lower face (S, S) uint8, grey, of a picture (H, W, 3) with landmarks (68, 3): eyes and nose always at one place."""
    found = np.stack([points[36:42, :2].mean(0), points[42:48, :2].mean(0), points[33, :2]])
    matrix = cv2.getAffineTransform(found.astype(np.float32), _AIM)
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    low, high = np.floor(points[:, :2].min(0)).astype(int) - 8, np.ceil(points[:, :2].max(0)).astype(int) + 8
    x0, y0 = np.maximum(low, 0)
    part = picture[y0 : max(high[1], y0 + 1), x0 : max(high[0], x0 + 1)]
    if not part.size:
        return np.zeros((PATCH_PX, PATCH_PX), np.uint8)
    grey = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY)
    if scale < 0.7:
        grey = cv2.GaussianBlur(grey, (0, 0), 0.4 / scale)
    matrix[:, 2] += matrix[:, :2] @ (x0, y0)
    return cv2.warpAffine(grey, matrix, (PATCH_PX, PATCH_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def occluded(patches: np.ndarray) -> np.ndarray:
    """Which of the patches (N, S, S) of one shot show something before the mouth, (N,) bool.

    Cheeks and chin are compared with their median over the shot, in which a hand is rare.
    """
    if len(patches) < LEAST_FRAMES:
        return np.zeros(len(patches), bool)
    skin = patches[:, _SKIN].astype(np.float32)                                 # (N, S')
    usual = np.median(skin, axis=0)
    apart = np.abs(skin - usual).mean(1)                                        # (N,)
    one, other = skin - skin.mean(1, keepdims=True), usual - usual.mean()
    norm = np.linalg.norm(one, axis=1) * np.linalg.norm(other)
    alike = (one @ other) / np.maximum(norm, 1e-6)
    return (alike < LEAST_ALIKE) | (apart > FAR_LEVELS)
