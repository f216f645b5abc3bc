"""Faces for the tests: the shipped portrait, moved about so that it makes videos with cuts, losses and rivals.

Shapes: T frames, H W pictures.
"""

from pathlib import Path

import cv2
import numpy as np

from headsync import media

PORTRAIT = Path(__file__).parents[1] / "examples" / "astronaut.jpg"


def portrait() -> np.ndarray:
    """The head and shoulders of the shipped portrait, (H, W, 3) uint8."""
    return media.read_image(PORTRAIT)[:330, 60:390]


def shaking(frames: int, *, size: int = 256, amplitude: float = 9.0) -> list[np.ndarray]:
    """`frames` pictures (size, size, 3) of the portrait, its head moving by some pixels."""
    picture = portrait()
    scale = size / picture.shape[1]
    shown = []
    for t in range(frames):
        shift = amplitude * np.array([np.sin(t / 5), 0.5 * np.cos(t / 7)])
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        shown.append(cv2.warpAffine(picture, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE))
    return shown


def blank(frames: int, *, size: int = 256, level: int = 200) -> list[np.ndarray]:
    """`frames` pictures of nothing."""
    return [np.full((size, size, 3), level, np.uint8)] * frames


def write_video(path: Path, frames: list[np.ndarray], *, audio: Path | None = None) -> Path:
    """An mp4 of the pictures at 25 frames per second."""
    with media.VideoWriter(path, size=frames[0].shape[:2], audio=audio, preset="ultrafast", synthetic=False) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def write_tone(path: Path, frames: int, *, seed: int = 3) -> Path:
    """A FLAC of `frames` video frames: noise whose loudness changes like syllables."""
    samples = media.samples_for_frames(frames)
    noise = np.random.default_rng(seed).standard_normal(samples)
    loudness = 0.05 + 0.15 * np.abs(np.sin(np.arange(samples) / 16000 * 2 * np.pi * 3))
    media.write_flac(path, (noise * loudness).astype(np.float32))
    return path
