"""Canvases as the networks see them."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor


def canvas_view(picture: np.ndarray, side: int) -> np.ndarray:
    """A canvas (S, S, 3) uint8 as (side, side, 3)."""
    if len(picture) == side:
        return picture
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA if len(picture) > side else cv2.INTER_CUBIC)


def as_tensor(pictures: Sequence[np.ndarray]) -> Tensor:
    """Pictures (n, 3, P, P) in [0, 1] of (P, P, 3) uint8."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
