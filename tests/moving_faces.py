"""A corpus of one portrait moved about, its landmarks and mesh moved with it: material for the renderer's tests.

Shapes: T frames, L = 68 landmarks, V = 468 mesh vertices.
"""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from headsync.corpus import Clip, Corpus, open_corpus
from headsync.corpus.corpus import write_table
from headsync.landmarks import LandmarkSequence, crop_picture
from headsync.landmarks.detection import extract
from headsync.media import read_image
from render_stage import Reference
from tests.face_files import PORTRAIT, write_video


@lru_cache(maxsize=1)
def still_face() -> Reference:
    """The shipped portrait on its canvas, with landmarks and mesh."""
    found = extract(PORTRAIT, with_mesh=True)
    picture = crop_picture(read_image(PORTRAIT), found.sequence.crop, 256)
    return Reference(picture, found.sequence.points[0], found.mesh[0])


def moved_face(shift: tuple[float, float], *, tint: int = 0) -> Reference:
    """The portrait shifted by pixels, in another colour."""
    picture, points, mesh = still_face()
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
    moved = cv2.warpAffine(np.roll(picture, tint, axis=2), matrix, (256, 256), borderMode=cv2.BORDER_REPLICATE)
    return Reference(moved, *((one + (*shift, 0)).astype(np.float32) for one in (points, mesh)))


def moving_head_face(frames: int, *, seed: int) -> list[Reference]:
    """`frames` views of the portrait, the head moving at a pace of its own."""
    reach, pace = 4 + 3 * seed, 5 + seed
    return [moved_face((reach * np.sin(t / pace), reach / 2 * np.cos(t / pace)), tint=seed % 3) for t in range(frames)]


def write_moving_corpus(folder: Path, splits: tuple[str, ...] = ("train", "train", "val"), *, frames: int = 43) -> Corpus:
    """A corpus with a person of one clip per split named; no sound."""
    clips = []
    for name in ("clips", "landmarks", "mesh"):
        (folder / name).mkdir(parents=True)
    for number, split in enumerate(splits):
        name, views = f"clip{number}", moving_head_face(frames, seed=number)
        write_video(folder / "clips" / f"{name}.mp4", [view.picture for view in views])
        points = np.stack([view.points for view in views])
        LandmarkSequence(points=points, visible=np.ones(frames, bool), fps=25.0, size=(256, 256),
                         crop=(0, 0, 256, 256)).save(folder / "landmarks" / f"{name}.npz")
        np.save(folder / "mesh" / f"{name}.npy", np.stack([view.mesh for view in views]).astype(np.float16))
        clips.append(Clip(clip=name, identity=f"person{number}", split=split, frames=frames, source=name, start_s=0.0,
                          has_audio=False, av_offset=0, face_rate=1.0, face_height_px=128.0, rival=0.0, lip_audio_corr=0.0,
                          lip_audio_lag=0, audio_dbfs=-120.0, lip_range=0.1))
    write_table(folder / "manifest.csv", Clip, clips)
    return open_corpus(folder)
