"""Pictures with more light or colour than a screen's, brought to the sRGB that everything here works in; which matrix is meant.

Shapes: H W pixels. Sources: ITU-R BT.2100 (HLG and PQ), BT.2408 (203 cd/m2, and 75 % of HLG, are the white of a page),
BT.2087 (BT.2020 to BT.709), SMPTE EG 432-1 (P3).
"""

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace

UNSPECIFIED = 2                     # FFmpeg's number for what is not said, of matrix, transfer and primaries alike
_RGB_MATRIX = 0
PQ, HLG = 16, 18                    # FFmpeg's numbers of transfer functions
_BT2020 = 9                         # of primaries and of a matrix
_BT2020_CONSTANT = 10               # the matrix of constant luminance, which swscale takes for the usual one
_HD_LINES = 720                     # from here on a video that does not say its matrix is BT.709
_WHITE_NITS = 203.0
_WHITE_HLG = 0.2648                 # scene light of 75 % HLG
_KNEE = 0.9                         # of white: what is brighter is compressed instead of clipped
_LEVELS = 1 << 16
TO_BT709 = {_BT2020: ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
            12: ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979))}     # 12: P3 of screens and phones


def matrix_of(frame: VideoFrame, *, video: bool) -> Colorspace | None:
    """Returns by which matrix luma and chroma are to be read where swscale would guess wrong; None: as the frame says.

    Of a `video` without colour tags it is BT.709 from 720 lines (or 1280 columns) on, of HDR without a matrix BT.2020.
    """
    said = int(frame.colorspace)
    if said == _BT2020_CONSTANT:
        return Colorspace.BT2020
    if said != UNSPECIFIED:
        return None
    if int(frame.color_trc) in (PQ, HLG) or int(frame.color_primaries) == _BT2020:
        return Colorspace.BT2020
    high = frame.height >= _HD_LINES or frame.width >= 16 * _HD_LINES // 9
    return Colorspace.ITU709 if video and high else None


def is_wide(frame: VideoFrame) -> bool:
    """Returns whether a frame's numbers mean other light than sRGB's: HDR, or wide primaries."""
    return int(frame.color_trc) in (PQ, HLG) or int(frame.color_primaries) in TO_BT709


class ColourConverter:
    """From RGB in a frame's transfer function and primaries to sRGB; its tables are made once for a file."""

    def __init__(self, transfer: int, primaries: int):
        """FFmpeg's numbers, of which those that are not known count as sRGB's."""
        self.told = transfer, primaries
        if transfer in (PQ, HLG) and primaries == UNSPECIFIED:
            primaries = _BT2020
        coded = np.linspace(0, 1, _LEVELS, dtype=np.float32)
        self._linear = _linear(coded, transfer).astype(np.float32)      # (65536,) light, 1 is white
        self._matrix = np.array(TO_BT709.get(primaries, np.eye(3)), np.float32)
        self._peak = float(self._linear[-1]) if transfer in (PQ, HLG) else 1.0
        light = np.linspace(0, 1, _LEVELS) ** 2 * self._peak
        self._shown = np.rint(255 * _srgb(_compressed(light) if self._peak > 1 else light)).astype(np.uint8)

    def converted(self, picture: np.ndarray) -> np.ndarray:
        """Returns uint8 sRGB (H, W, 3) of uint16 RGB (H, W, 3)."""
        light = cv2.transform(np.take(self._linear, picture), self._matrix)         # (H, W, 3)
        place = np.sqrt(np.clip(light, 0, self._peak) / self._peak)                 # the table is finer where it is dark
        return np.take(self._shown, (place * (_LEVELS - 1) + 0.5).astype(np.uint16))




def _linear(coded: np.ndarray, transfer: int) -> np.ndarray:
    """Light of coded values from 0 to 1, in units of white.

    HLG is taken as the scene's light, without the display's gamma: so does a camera's own picture in SDR come about.
    """
    if transfer == PQ:
        power = np.power(coded, 1 / 78.84375)
        share = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
        return 10000 / _WHITE_NITS * np.power(share, 1 / 0.1593017578125)
    if transfer == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        return np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - c) / a) + b) / 12) / _WHITE_HLG
    return np.where(coded <= 0.04045, coded / 12.92, np.power((coded + 0.055) / 1.055, 2.4))


def _compressed(light: np.ndarray) -> np.ndarray:
    """Light up to the knee as it is, what is above it bent below 1."""
    room = 1 - _KNEE
    return np.where(light <= _KNEE, light, 1 - room * np.exp(-(light - _KNEE) / room))


def _srgb(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(np.maximum(light, 1e-9), 1 / 2.4) - 0.055)
