"""Frames that training can take in any order: each clip's pictures as JPEGs in one file, made once from its video.

Shapes: T frames, N kept frames, P pixels a side. Source: DESIGN sections 3 and 6 (random access; no decoding of videos).
"""

import io
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from headsync import media
from headsync.corpus import Clip, Corpus
from headsync.landmarks.detection import PersonFinder

FOLDER = "frames"
QUALITY = 95                # of the JPEGs: differences stay under what H.264 has already taken
PERSON_QUALITY = 85         # of the maps of where the person is
FIRST_FRAMES = 64           # of a clip, from which references are taken (Rhythmic Head: tau = 64)
REFERENCE_SHARE = 1 / 3     # of clips too short for that


class JpegStore:
    """JPEGs of one file, held in memory, in any order."""

    def __init__(self, path: Path):
        with np.load(path, allow_pickle=False) as file:
            self.numbers, self._ends, self._bytes = file["numbers"], file["ends"], file["bytes"]    # (N,), (N,), (bytes,)

    def __len__(self) -> int:
        return len(self.numbers)

    def decoded(self, index: int) -> np.ndarray:
        """What was stored as `index`, uint8."""
        start = self._ends[index - 1] if index else 0
        return media.decode_jpeg(self._bytes[start : self._ends[index]])


class FrameStore:
    """The kept frames of one clip, and where in them the person is."""

    def __init__(self, path: Path):
        self._path, self._frames = path, JpegStore(path)
        self.numbers = self._frames.numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def picture(self, index: int) -> np.ndarray:
        """Kept frame `index` (not its number in the clip), (P, P, 3) uint8 RGB."""
        return self._frames.decoded(index)

    def person(self, index: int) -> np.ndarray:
        """Where kept frame `index` shows a person: (P, P) uint8, 255 for sure; read when first asked for."""
        return self._people.decoded(index)

    @cached_property
    def _people(self) -> JpegStore:
        return JpegStore(people_path(self._path))


def store_path(corpus: Corpus, clip: Clip, stride: int) -> Path:
    """Where a clip's frames lie, every `stride`-th of them."""
    return corpus.folder / FOLDER / f"{clip.clip}.every{stride}.npz"


def people_path(store: Path) -> Path:
    """Where the maps of a store of frames lie."""
    return store.with_suffix(".person.npz")


def pack_frames(corpus: Corpus, clips: Sequence[Clip], *, stride: int, people: bool = False, jobs: int = 1) -> None:
    """Make the stores that are missing, maps of `people` too where they are asked for; what is there is not touched."""
    (corpus.folder / FOLDER).mkdir(exist_ok=True)
    frames = [(corpus.video_path(clip), store_path(corpus, clip, stride)) for clip in clips]
    _each(partial(_pack, stride=stride), [pair for pair in frames if not pair[1].exists()], jobs, "frames")
    maps = [(store, people_path(store)) for _, store in frames if people]
    _each(_find_people, [pair for pair in maps if not pair[1].exists()], jobs, "people")


def _each(work: Callable[[Path, Path], None], pairs: Sequence[tuple[Path, Path]], jobs: int, what: str) -> None:
    if pairs:
        done = Parallel(n_jobs=jobs, return_as="generator_unordered")(delayed(work)(*pair) for pair in pairs)
        for _ in media.tracked(done, f"packing {what}", total=len(pairs), unit="clip"):
            pass


def last_reference(frames: int) -> int:
    """The frame before which a clip's references lie; targets lie from it on."""
    return FIRST_FRAMES if frames > 2 * FIRST_FRAMES else max(1, round(REFERENCE_SHARE * frames))


def _pack(video: Path, store: Path, stride: int) -> None:
    kept = {number: media.encode_jpeg(frame, QUALITY) for number, frame in enumerate(media.read_frames(video))
            if number % stride == 0}
    _write(store, list(kept), list(kept.values()))


def _find_people(frames: Path, store: Path) -> None:
    held, finder = JpegStore(frames), PersonFinder()
    try:
        maps = [media.encode_jpeg(finder.person(held.decoded(index)), PERSON_QUALITY) for index in range(len(held))]
    finally:
        finder.close()
    _write(store, held.numbers, maps)


def _write(store: Path, numbers: Sequence[int], coded: Sequence[bytes]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, numbers=np.array(numbers), ends=np.cumsum([len(one) for one in coded]),
             bytes=np.frombuffer(b"".join(coded), np.uint8))
    media.write_whole(store, buffer.getvalue())
