"""A decoded frame in its own colours: seen as RGB, and changed in a part of it so that the rest keeps every bit.

Shapes: H W pixels of the stored frame, h w of a part of it. Sources: ITU-R BT.601, BT.709, BT.2020 (luma coefficients).
"""

from typing import NamedTuple

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

HD_LINES = 720              # from here on a video that does not say its matrix is BT.709
_FULL_RANGE = 2             # FFmpeg's number
# FFmpeg's number of a matrix -> PyAV's name, weights of red and blue in luma
_MATRICES = {1: (Colorspace.ITU709, 0.2126, 0.0722), 4: (Colorspace.FCC, 0.30, 0.11), 5: (Colorspace.ITU601, 0.299, 0.114),
             6: (Colorspace.ITU601, 0.299, 0.114), 7: (Colorspace.SMPTE240M, 0.212, 0.087),
             9: (Colorspace.BT2020, 0.2627, 0.0593), 10: (Colorspace.BT2020, 0.2627, 0.0593)}
FORMATS = {(8, 1, 1): "yuv420p", (8, 1, 0): "yuv422p", (8, 0, 0): "yuv444p",
           (10, 1, 1): "yuv420p10le", (10, 1, 0): "yuv422p10le", (10, 0, 0): "yuv444p10le",
           (12, 1, 1): "yuv420p12le", (12, 1, 0): "yuv422p12le", (12, 0, 0): "yuv444p12le"}


class Coding(NamedTuple):
    """How numbers of a frame mean colours."""

    matrix: int             # FFmpeg's number
    full: bool              # range: 0 to the largest number, not 16 to 235
    bits: int

    @property
    def to_luma_chroma(self) -> np.ndarray:
        """(3, 3) float32: from a difference in RGB, 0 to 255, to one in the frame's own numbers."""
        _, red, blue = _MATRICES[self.matrix]
        luma = np.array([red, 1 - red - blue, blue])
        rows = np.stack([luma, ((0, 0, 1) - luma) / (2 * (1 - blue)), ((1, 0, 0) - luma) / (2 * (1 - red))])
        largest = 2**self.bits - 1
        scale = np.full(3, largest / 255) if self.full else np.array([219, 224, 224]) / 255 * 2 ** (self.bits - 8)
        return (scale[:, None] * rows).astype(np.float32)


def coding_of(frame: VideoFrame) -> Coding:
    """Returns what a frame of `FORMATS` says of itself; where it is silent, BT.709 from 720 lines on, else BT.601."""
    said = int(frame.colorspace)
    matrix = said if said in _MATRICES else 1 if frame.height >= HD_LINES else 5
    return Coding(matrix, int(frame.color_range) == _FULL_RANGE or frame.format.name.startswith("yuvj"),
                  frame.format.components[0].bits)


def kept_format(frame: VideoFrame) -> str:
    """Returns the planar format of `FORMATS` that holds all colours of a frame: its own, or one not less fine."""
    parts = frame.format.components
    bits = next((bits for bits in (8, 10, 12) if bits >= max(part.bits for part in parts)), 12)
    if frame.format.is_rgb or frame.format.has_palette:
        return FORMATS[bits, 0, 0]
    if len(parts) < 3:
        return FORMATS[bits, 1, 1]
    across = frame.format.chroma_width(64) < 64
    down = frame.format.chroma_height(64) < 64
    return FORMATS[bits, int(across), int(down and across)]


class PlanarFrames:
    """Frames of one video in a format of `FORMATS`; one that has it goes through untouched."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()

    def planar(self, frame: VideoFrame) -> VideoFrame:
        """Returns the frame, its numbers unchanged wherever its format allows."""
        wanted = kept_format(frame)
        if frame.format.name == wanted or frame.format.name == wanted.replace("yuv", "yuvj"):
            return frame
        coding = coding_of(frame)
        source = None if frame.format.is_rgb else _MATRICES[coding.matrix][0]
        made = self._scaler.reformat(frame, format=wanted, src_colorspace=source, dst_colorspace=_MATRICES[coding.matrix][0],
                                     src_color_range="JPEG" if coding.full else "MPEG",
                                     dst_color_range="JPEG" if coding.full else "MPEG", threads=1)
        made.pts, made.time_base = frame.pts, frame.time_base
        return made

    def rgb(self, frame: VideoFrame, *, most_side: int | None = None) -> np.ndarray:
        """Returns uint8 RGB (H, W, 3) of a planar frame as stored, by its matrix alone: what HDR's curve does stays."""
        coding, factor = coding_of(frame), 1.0
        if most_side is not None:
            factor = min(1.0, most_side / max(frame.width, frame.height))
        width, height = (max(1, round(factor * side)) for side in (frame.width, frame.height))
        how = Interpolation.BICUBIC if factor == 1 else Interpolation.AREA
        return self._scaler.reformat(frame, width=width, height=height, format="rgb24", interpolation=how, threads=1,
                                     src_colorspace=_MATRICES[coding.matrix][0],
                                     src_color_range="JPEG" if coding.full else "MPEG").to_ndarray()


def plane(frame: VideoFrame, number: int) -> np.ndarray:
    """Returns a view (H, W) uint8 or uint16 of a plane, without the padding of its lines."""
    one = frame.planes[number]
    kind = np.uint8 if frame.format.components[0].bits == 8 else np.uint16
    rows = np.frombuffer(one, kind).reshape(-1, one.line_size // kind().itemsize)
    return rows[: one.height, : one.width]


def add_colour(frame: VideoFrame, corner: tuple[int, int], change: np.ndarray) -> None:
    """Adds a change of colour (h, w, 3) float32, in RGB of 0 to 255, to a planar frame from (x, y) `corner` on, in place.

    The corner is even. Where a change is 0 no bit changes; chroma changes by the mean over its pixels.
    """
    frame.make_writable()
    coding, (x, y) = coding_of(frame), corner
    moved = cv2.transform(np.ascontiguousarray(change, np.float32), coding.to_luma_chroma)      # (h, w, 3)
    height, width = moved.shape[:2]
    luma = plane(frame, 0)
    across, down = (luma.shape[axis] > plane(frame, 1).shape[axis] for axis in (1, 0))
    chroma = moved[..., 1:]
    if across or down:
        chroma = np.pad(chroma, ((0, height % 2 * down), (0, width % 2 * across), (0, 0)), mode="edge")
        size = (chroma.shape[1] >> across, chroma.shape[0] >> down)
        chroma = cv2.resize(np.ascontiguousarray(chroma), size, interpolation=cv2.INTER_AREA)
    for number, part, left, top in ((0, moved[..., 0], x, y), (1, chroma[..., 0], x >> across, y >> down),
                                    (2, chroma[..., 1], x >> across, y >> down)):
        there = plane(frame, number)[top : top + part.shape[0], left : left + part.shape[1]]
        part = part[: there.shape[0], : there.shape[1]]
        there[:] = np.clip(np.rint(there + part), 0, 2**coding.bits - 1).astype(there.dtype)
