"""The picture of an AVIF or HEIC still: one coded item or a grid of tiles, with or without transparency.

Shapes: H W pixels.
"""

from pathlib import Path

import cv2
import numpy as np

from headsync.media.containers import decoded, open_media, shown_name
from headsync.media.heif import Composed, Still, still_parts
from headsync.media.orientation import QUARTER_TURNS, turned
from headsync.media.pixels import MOST_PIXELS, WHITE, Colour, PictureMaker, laid_on


def read_still(path: Path | str, *, max_side: int | None = None, background: Colour = WHITE,
               precise: bool = False) -> np.ndarray:
    """Returns an AVIF or HEIC still as uint8 RGB (H, W, 3), upright, what is transparent laid on `background`.

    ValueError, one line, where it is damaged or larger than 134 megapixels.
    """
    try:
        still = still_parts(path)
    except ValueError as error:
        raise ValueError(f"{shown_name(path)}: the picture cannot be read ({error}); save it again as PNG or JPEG") from error
    if still.picture.size is None and still.alpha is None:
        return _composed(path, still, still.picture, max_side, precise)
    picture = _composed(path, still, still.picture, None, precise)
    if still.alpha is not None:
        alpha = _composed(path, still, still.alpha, None, precise)[..., :1]
        if alpha.shape[:2] != picture.shape[:2]:
            alpha = cv2.resize(alpha, picture.shape[1::-1], interpolation=cv2.INTER_AREA)[..., None]
        picture = laid_on(np.concatenate([picture, alpha], axis=2), np.array(background, np.uint16))
    return smaller(picture, max_side)


def smaller(picture: np.ndarray, max_side: int | None) -> np.ndarray:
    """Returns a picture (H, W, 3) with its longer side reduced to `max_side`, if that is given and it is longer."""
    height, width = picture.shape[:2]
    if max_side is None or max(height, width) <= max_side:
        return picture
    scale = max_side / max(height, width)
    return cv2.resize(picture, (max(1, round(scale * width)), max(1, round(scale * height))), interpolation=cv2.INTER_AREA)


def _composed(path: Path | str, still: Still, part: Composed, max_side: int | None, precise: bool) -> np.ndarray:
    """The RGB (H, W, 3) of one item, or of its tiles beside and below each other."""
    maker = PictureMaker(shown_name(path), max_side=max_side, precise=precise)
    canvas, missing = None, set(part.tiles)
    if part.size is not None and part.size[0] * part.size[1] > MOST_PIXELS:
        raise ValueError(f"{shown_name(path)}: {part.size[1]} x {part.size[0]} pixels are more than {MOST_PIXELS}; "
                         "make the picture smaller first")
    with open_media(path) as container:
        for stream in container.streams.video:
            if stream.id not in missing or stream.codec_context is None:
                continue
            container.seek(0)
            frame = next(decoded(container, stream, path), None)
            if frame is None:
                continue
            missing.discard(stream.id)
            tile = maker.picture(frame)
            if part.size is None:
                return tile
            canvas = np.zeros((*part.size, 3), np.uint8) if canvas is None else canvas
            _place(canvas, tile, [number for number, item in enumerate(part.tiles) if item == stream.id], part.columns)
    if canvas is None or missing:
        raise ValueError(f"{shown_name(path)}: the picture is cut off; copy it again")
    canvas = turned(canvas, QUARTER_TURNS[-still.quarter_turns % 4])
    return canvas if still.mirror is None else np.ascontiguousarray(np.flip(canvas, still.mirror))


def _place(canvas: np.ndarray, tile: np.ndarray, numbers: list[int], columns: int) -> None:
    """Put a tile where its numbers say, row by row; all tiles of a grid are of one size."""
    for number in numbers:
        top, left = number // columns * tile.shape[0], number % columns * tile.shape[1]
        there = canvas[top : top + tile.shape[0], left : left + tile.shape[1]]
        there[:] = tile[: there.shape[0], : there.shape[1]]
