"""The corpus on disk: one folder of clips, a manifest, and speaker-disjoint splits.

Shapes: T frames, R = 4T feature rows, D = 26 features, L = 68 landmarks, V = 468 mesh vertices.

    manifest.csv  rejected.csv  sync.csv (after sync correction)
    clips/NAME.mp4        256x256, 25 frames per second, with its sound where there is any
    audio/NAME.flac       16 kHz mono, 640 samples per frame; absent for silent clips
    landmarks/NAME.npz    a landmark sequence
    features/NAME.npy     (4T, 26) float32 log mel energies; absent for silent clips
    mfcc26/ hama/ phonetics/    other kinds of features, where they were asked for (`FEATURE_FILES`)
    mesh/NAME.npy         (T, 468, 3) float16 in canvas pixels; absent when the detector has no mesh
"""

import csv
import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headsync.landmarks.sequence import LandmarkSequence
from headsync.media import checked, write_whole
from headsync.media.kinds import FEATURE_KINDS

SPLITS = ("train", "val", "test")
VERTICES = 468
VAL_SHARE, TEST_SHARE = 0.10, 0.10
FEATURE_FILES = {"fbank26": ("features", np.float32), "mfcc26": ("mfcc26", np.float32), "hama": ("hama", np.float16),
                 "whisper": ("phonetics", np.float16)}     # folder and numbers of each kind
MANIFEST, REJECTED, SYNC = "manifest.csv", "rejected.csv", "sync.csv"


class Clip(NamedTuple):
    """One row of the manifest. Quality figures are described in docs/corpus.md."""

    clip: str
    identity: str
    split: str
    frames: int
    source: str             # path relative to the folder given to preprocess.py
    start_s: float          # where the clip begins in its source
    has_audio: bool
    av_offset: int          # frames by which the sound is late, which readers move it by; 0 until sync correction
    face_rate: float        # share of frames in which the face was found
    face_height_px: float   # median height, brow to chin, in the source
    rival: float            # area of the largest other face over this one's
    lip_audio_corr: float
    lip_audio_lag: int
    audio_dbfs: float
    lip_range: float        # 5th to 95th percentile span of the lip opening
    sync: str = "unchecked"     # corrected: av_offset is trusted; unsure: sound and lips may not belong together

    @property
    def name(self) -> str:
        """`clip`, by the word of what is made of it."""
        return self.clip


class Rejection(NamedTuple):
    """A source, or a stretch of one, that did not become a clip."""

    source: str
    start_s: float
    frames: int
    reason: str
    failed: bool            # True: the source could not be read at all


class SyncRow(NamedTuple):
    """What sync correction found of a clip."""

    clip: str
    av_offset: int
    sync: str
    margin: float           # how far the offset stands out of others, in embedding distance


class Corpus(NamedTuple):
    """What `preprocess.py` wrote."""

    folder: Path
    clips: tuple[Clip, ...]

    def select(self, split: str | None = None, *, talking: bool = False) -> tuple[Clip, ...]:
        """The clips of one split (all when None), only those with sound when `talking`."""
        return tuple(clip for clip in self.clips
                     if (split is None or clip.split == split) and (clip.has_audio or not talking))

    def people(self, split: str) -> dict[str, list[Clip]]:
        """The split's clips by identity, both in the manifest's order."""
        of_person: dict[str, list[Clip]] = {}
        for clip in self.select(split):
            of_person.setdefault(clip.identity, []).append(clip)
        return of_person

    def video_path(self, clip: Clip) -> Path:
        """The clip's mp4."""
        return self.folder / "clips" / f"{clip.clip}.mp4"

    def audio_path(self, clip: Clip) -> Path:
        """The clip's 16 kHz FLAC; there is none when `has_audio` is False."""
        return self.folder / "audio" / f"{clip.clip}.flac"

    def landmarks(self, clip: Clip) -> LandmarkSequence:
        """The clip's landmark sequence of T frames."""
        return LandmarkSequence.load(self.folder / "landmarks" / f"{clip.clip}.npz")

    def features(self, clip: Clip, kind: str = "fbank26") -> np.ndarray:
        """Feature rows (R, F) of a kind, memory-mapped: (4T, 26) float32, float16 where a network makes them."""
        return _mapped(self.feature_path(clip, kind), self.feature_type(kind), (FEATURE_KINDS[kind].features,))

    def feature_path(self, clip: Clip, kind: str) -> Path:
        """Where features of a kind lie, or would."""
        return self.folder / FEATURE_FILES[kind][0] / f"{clip.clip}.npy"

    def feature_type(self, kind: str) -> type:
        """The numbers that features of a kind are stored in."""
        return FEATURE_FILES[kind][1]

    def mesh(self, clip: Clip) -> np.ndarray:
        """Mesh vertices (T, 468, 3) float16 in canvas pixels, memory-mapped."""
        return _mapped(self.folder / "mesh" / f"{clip.clip}.npy", np.float16, (VERTICES, 3))


@checked
def open_corpus(folder: str | Path) -> Corpus:
    """The corpus in a folder. ValueError, one line, when there is no manifest or it is not one of ours.

    A clip's name is a file's name and no way out of the folder.

    >>> import headsync
    >>> corpus = headsync.open_corpus("people")
    >>> sorted({clip.split for clip in corpus.clips})
    ['train', 'val']
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise ValueError(f"{folder} is no corpus: it has no {MANIFEST}; "
                         f"make one with preprocess.py --videos DIR --out {folder}")
    clips = tuple(read_table(path, Clip))
    wrong = next((clip.clip for clip in clips if not clip.clip or Path(clip.clip).name != clip.clip or "\0" in clip.clip), None)
    if wrong is not None:
        raise ValueError(f"{path} names a clip {wrong!r}, which is no file's name; re-run preprocess.py")
    return Corpus(folder, clips)


def write_manifest(folder: Path, clips: Iterable[Clip]) -> None:
    """Write the manifest, with what sync correction has found of its clips, if it has been there."""
    path = folder / SYNC
    found = {row.clip: row for row in read_table(path, SyncRow)} if path.is_file() else {}
    write_table(folder / MANIFEST, Clip, (
        clip._replace(av_offset=found[clip.clip].av_offset, sync=found[clip.clip].sync) if clip.clip in found else clip
        for clip in clips))


def record_sync(folder: Path, rows: Iterable[SyncRow]) -> None:
    """Keep what sync correction found beside the manifest, where a later preprocessing finds it too, and in it."""
    write_table(folder / SYNC, SyncRow, rows)
    write_manifest(folder, open_corpus(folder).clips)


def split_of(identity: str) -> str:
    """`train`, `val` or `test` for an identity, by a hash of its name: 80, 10 and 10 % of all people, for ever."""
    share = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big") / 2**64
    if share < TEST_SHARE:
        return "test"
    return "val" if share < TEST_SHARE + VAL_SHARE else "train"


def read_table(path: Path, row: type) -> list:
    """Rows (NamedTuples) of a CSV that `write_table` wrote. ValueError naming the file when it is another kind."""
    kinds, rows = row.__annotations__.values(), []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            names = next(reader, [])
            if tuple(names) != row._fields:
                raise ValueError(f"it has columns {names}, expected {list(row._fields)}")
            for texts in filter(None, reader):
                if len(texts) != len(names):
                    raise ValueError(f"line {reader.line_num} has {len(texts)} fields of {len(names)}")
                rows.append(row(*(_parsed(kind, text) for kind, text in zip(kinds, texts))))
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path} is no table of ours ({' '.join(str(error).split())[:300]}); re-run preprocess.py") from error
    return rows


def _parsed(kind: type, text: str):
    return text == "True" if kind is bool else kind(text)


def _mapped(path: Path, kind: type, shape: tuple[int, ...]) -> np.ndarray:
    """An array (n, *shape) of a kind, memory-mapped. ValueError, one line, for a file that holds none."""
    try:
        with np.errstate(over="ignore"):    # an absurd shape is refused without a warning
            array = np.lib.format.open_memmap(path, mode="r")
        if array.dtype != kind or array.ndim != len(shape) + 1 or array.shape[1:] != shape:
            raise ValueError(f"it holds {array.dtype} {array.shape}")
    except FileNotFoundError:
        raise
    except Exception as error:      # of a damaged header NumPy's reader may raise anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path} is no {np.dtype(kind)} array (n, {', '.join(map(str, shape))}) ({reason}); re-run "
                         "preprocess.py") from error
    return array


def write_table(path: Path, row: type, rows: Iterable) -> None:
    """Write rows (NamedTuples of type `row`) as CSV, complete or not at all; an unchanged table is not touched."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(row._fields)
    writer.writerows(rows)
    content = text.getvalue().encode()
    if not path.is_file() or path.read_bytes() != content:
        write_whole(path, content)


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an array as .npy, complete or not at all."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_whole(path, buffer.getvalue())
