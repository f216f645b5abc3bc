"""Sheets of samples that trainings write: pictures side by side, to be looked at.

Shapes: H W pixels.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from headsync import media
from headsync.landmarks import contact_sheet


def as_tile(picture: Tensor) -> np.ndarray:
    """A picture (3, H, W) in [0, 1], with what overshoots cut, as (H, W, 3) uint8."""
    return picture.detach().float().cpu().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()


def write_sheet(folder: Path | None, tiles: Sequence[np.ndarray], *, step: int, columns: int) -> None:
    """Writes `folder`/STEP.png, tiles (H, W, 3) uint8 in so many columns; nothing without a folder."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    png = cv2.imencode(".png", cv2.cvtColor(contact_sheet(tiles, columns=columns), cv2.COLOR_RGB2BGR))[1]
    media.write_whole(folder / f"{step:07d}.png", png.tobytes())
