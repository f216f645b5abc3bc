"""What published networks are shown: crops, sizes, value ranges and sound features, each as its authors have them.

Shapes: T frames, H W pixels, R rows of sound features, n windows. Frames come in as (T, H, W, 3) uint8 RGB.
Source: the protocols named in method/measures.md; one docstring each.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import python_speech_features
import torch
import torch.nn.functional as F
from scipy.signal import medfilt
from torch import Tensor

from headsync.evaluation.networks.inception import I3D_PX, INCEPTION_PX
from headsync.evaluation.networks.nets import ARCFACE_PX
from headsync.media import ROWS_PER_FRAME, SAMPLE_RATE_HZ, quantised

SYNCNET_PX = 224
SYNCNET_MARGIN = 0.4            # the crop reaches 1.4 half boxes to the sides, 1 up and 1.8 down
SYNCNET_BORDER = 110            # grey level outside of the picture
BOX_TAPS = 13
WINDOW_ROWS = 20
# where insightface puts the eyes' centres, the nose's tip and the mouth's corners, in pixel indices of the 112 crop
ARCFACE_POINTS = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
FADE = (0.2, 0.8)               # weights of the first and the last frame in t-FID's picture


def syncnet_boxes(boxes: np.ndarray) -> np.ndarray:
    """Centre x, y and half size (T, 3) of face boxes (T, 4) x0, y0, x1, y1, each through a median of 13 frames.

    The half size is that of the longer side. Source: joonson's pipeline; boxes should be those of a face detector.
    """
    x0, y0, x1, y1 = np.asarray(boxes, np.float64).T
    parts = ((x0 + x1) / 2, (y0 + y1) / 2, np.maximum(x1 - x0, y1 - y0) / 2)
    return np.stack([medfilt(part, BOX_TAPS) for part in parts], axis=1)  # (T, 3)


def syncnet_crop(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The face (224, 224, 3) of a frame (H, W, 3) uint8 as SyncNet sees it; `box` is a row of `syncnet_boxes`.

    Columns x - 1.4 s to x + 1.4 s, rows y - s to y + 1.8 s, grey 110 outside. ValueError for a box without size.
    """
    x, y, half = (float(value) for value in box)
    if not half >= 1:
        raise ValueError(f"a face box must be at least 2 pixels wide, got {2 * half:.1f}; find the face first")
    margin = int(half * (1 + 2 * SYNCNET_MARGIN))
    padded = np.pad(frame, ((margin, margin), (margin, margin), (0, 0)), constant_values=SYNCNET_BORDER)
    x, y = x + margin, y + margin
    rows = slice(int(y - half), int(y + half * (1 + 2 * SYNCNET_MARGIN)))
    columns = slice(int(x - half * (1 + SYNCNET_MARGIN)), int(x + half * (1 + SYNCNET_MARGIN)))
    return cv2.resize(padded[rows, columns], (SYNCNET_PX, SYNCNET_PX), interpolation=cv2.INTER_LINEAR)


def syncnet_frames(frames: Sequence[np.ndarray]) -> Tensor:
    """SyncNet's frames (1, 3, T, 224, 224) float32: BGR, 0 to 255, bilinear where they are not of that size yet."""
    sized = [frame if frame.shape[:2] == (SYNCNET_PX, SYNCNET_PX) else
             cv2.resize(frame, (SYNCNET_PX, SYNCNET_PX), interpolation=cv2.INTER_LINEAR) for frame in _checked(frames)]
    turned = np.ascontiguousarray(np.stack(sized)[..., ::-1].transpose(3, 0, 1, 2))     # (3, T, 224, 224)
    return torch.from_numpy(turned).float()[None]


def syncnet_rows(waveform: np.ndarray) -> Tensor:
    """SyncNet's sound (R, 13) float32: MFCCs of samples (N,) at 16 kHz in 16-bit steps, python_speech_features' defaults."""
    steps = quantised(waveform).astype(np.float64) * 32768
    return torch.from_numpy(python_speech_features.mfcc(steps, SAMPLE_RATE_HZ)).float()  # (R, 13)


def sound_windows(rows: Tensor, count: int) -> Tensor:
    """The first `count` windows (count, 1, 13, 20) of rows (R, 13): window i begins at row 4i, with frame i."""
    windows = rows.T.unfold(1, WINDOW_ROWS, ROWS_PER_FRAME)[:, :count]      # (13, count, 20)
    return windows.transpose(0, 1)[:, None]  # (count, 1, 13, 20)


def inception_pictures(frames: Sequence[np.ndarray]) -> Tensor:
    """InceptionV3's pictures (T, 3, 299, 299) float32 from -1 to 1, bilinear, as pytorch-fid makes them.

    Frames are (H, W, 3) uint8, or float from 0 to 1 (rasters of landmarks, `temporal_picture`).
    """
    return 2 * _resized(_unit_pictures(frames), INCEPTION_PX) - 1


def temporal_picture(frames: Sequence[np.ndarray]) -> np.ndarray:
    """The one picture (H, W, 3) float32 from 0 to 1 that t-FID shows InceptionV3 for a clip: its frames, later ones stronger.

    Weights rise evenly from 0.2 to 0.8 and are scaled to sum to 1. Source: SUHMo's t-FID, method/measures.md#frechet-distances.
    """
    weights = torch.linspace(*FADE, len(frames))
    picture = (_unit_pictures(frames) * (weights / weights.sum())[:, None, None, None]).sum(0)      # (3, H, W)
    return picture.permute(1, 2, 0).numpy()


def i3d_clip(frames: Sequence[np.ndarray]) -> Tensor:
    """I3D's clip (1, 3, T, 224, 224) float32, bilinear: uint8 frames from -1 to 1, float frames as they are.

    Float is for rasters of landmarks in {0, 1}, which SUHMo and MS-Sync show I3D without moving their range.
    """
    pictures = _unit_pictures(frames)
    pictures = pictures if frames[0].dtype != np.uint8 else 2 * pictures - 1
    return _resized(pictures, I3D_PX).transpose(0, 1)[None]  # (1, 3, T, 224, 224)


def arcface_crop(frame: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The aligned face (112, 112, 3) uint8 of a frame (H, W, 3) with landmarks (68, 2 or 3) in its pixels; black outside.

    The similarity that takes eye centres, nose tip and mouth corners nearest to insightface's five places. ValueError
    when the five coincide.
    """
    points = np.asarray(points, np.float64)[:, :2]
    five = np.stack([points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]]) - 0.5   # indices
    source, aim = five @ [1, 1j], ARCFACE_POINTS @ [1, 1j]                  # (5,) complex: a similarity is one product
    centred = source - source.mean()
    if not np.abs(centred).sum() > 0:
        raise ValueError("the five points that align a face coincide; give landmarks of a face")
    turn = np.vdot(centred, aim) / np.vdot(centred, centred).real
    shift = aim.mean() - turn * source.mean()
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return cv2.warpAffine(frame, matrix, (ARCFACE_PX, ARCFACE_PX), flags=cv2.INTER_LINEAR)


def arcface_faces(crops: Sequence[np.ndarray]) -> Tensor:
    """ArcFace's faces (B, 3, 112, 112) float32, RGB from -1 to 1, of aligned crops. ValueError for another size."""
    for crop in crops:
        if crop.shape[:2] != (ARCFACE_PX, ARCFACE_PX):
            raise ValueError(f"ArcFace needs faces of {ARCFACE_PX}x{ARCFACE_PX}, got {crop.shape[:2]}; use arcface_crop")
    return 2 * _unit_pictures(crops) - 1


def lpips_pictures(frames: Sequence[np.ndarray]) -> Tensor:
    """LPIPS' pictures (T, 3, H, W) float32, RGB from -1 to 1, in their own size."""
    return 2 * _unit_pictures(frames) - 1


def _checked(frames: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    for frame in frames:
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ValueError(f"frames must be (H, W, 3) uint8, got {frame.shape} {frame.dtype}")
    return frames


def _unit_pictures(frames: Sequence[np.ndarray]) -> Tensor:
    """(T, 3, H, W) float32 from 0 to 1; float frames are taken to be in that range."""
    floats = len(frames) > 0 and all(np.issubdtype(frame.dtype, np.floating) and frame.ndim == 3 for frame in frames)
    stacked = torch.from_numpy(np.stack(frames if floats else _checked(frames))).permute(0, 3, 1, 2)   # (T, 3, H, W)
    return stacked.float() if floats else stacked.float() / 255


def _resized(pictures: Tensor, side: int) -> Tensor:
    if pictures.shape[-2:] == (side, side):
        return pictures
    return F.interpolate(pictures, size=(side, side), mode="bilinear", align_corners=False)
