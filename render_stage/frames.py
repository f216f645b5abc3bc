"""Frames that training can take in any order: each clip's pictures as JPEGs in one file, made once from its video.

Shapes: T frames, N kept frames, P pixels a side. Source: DESIGN sections 3 and 6 (random access; no decoding of videos).
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

import media
from landmarks import Clip, Corpus

FOLDER = "frames"
QUALITY = 95                # of the JPEGs: differences stay under what H.264 has already taken
FIRST_FRAMES = 64           # of a clip, from which references are taken (Rhythmic Head: tau = 64)
REFERENCE_SHARE = 1 / 3     # of clips too short for that


class FrameStore:
    """The kept frames of one clip, held in memory as JPEGs."""

    def __init__(self, path: Path):
        with np.load(path, allow_pickle=False) as file:
            self.numbers, self._ends, self._bytes = file["numbers"], file["ends"], file["bytes"]    # (N,), (N,), (bytes,)

    def __len__(self) -> int:
        return len(self.numbers)

    def picture(self, index: int) -> np.ndarray:
        """Kept frame `index` (not its number in the clip), (P, P, 3) uint8 RGB."""
        start = self._ends[index - 1] if index else 0
        return media.decode_jpeg(self._bytes[start : self._ends[index]])


def store_path(corpus: Corpus, clip: Clip, stride: int) -> Path:
    """Where a clip's frames lie, every `stride`-th of them."""
    return corpus.folder / FOLDER / f"{clip.clip}.every{stride}.npz"


def pack_frames(corpus: Corpus, clips: Sequence[Clip], *, stride: int, jobs: int = 1) -> None:
    """Make the stores that are missing; what is there is not touched."""
    missing = [clip for clip in clips if not store_path(corpus, clip, stride).exists()]
    if missing:
        (corpus.folder / FOLDER).mkdir(exist_ok=True)
        packed = Parallel(n_jobs=jobs, return_as="generator_unordered")(
            delayed(_pack)(corpus.video_path(clip), store_path(corpus, clip, stride), stride) for clip in missing)
        for _ in tqdm(packed, total=len(missing), desc="frames", unit="clip", disable=None):
            pass


def last_reference(frames: int) -> int:
    """The frame before which a clip's references lie; targets lie from it on."""
    return FIRST_FRAMES if frames > 2 * FIRST_FRAMES else max(1, round(REFERENCE_SHARE * frames))


def _pack(video: Path, store: Path, stride: int) -> None:
    numbers, coded = [], []
    for number, frame in enumerate(media.read_frames(video)):
        if number % stride == 0:
            numbers.append(number)
            coded.append(media.encode_jpeg(frame, QUALITY))
    buffer = io.BytesIO()
    np.savez(buffer, numbers=np.array(numbers), ends=np.cumsum([len(one) for one in coded]),
             bytes=np.frombuffer(b"".join(coded), np.uint8))
    media.write_whole(store, buffer.getvalue())
