"""Landmark sequences of any length on disk: written and read block by block, in memory that does not grow with them.

Shapes: T frames of the whole, t frames of a block, L = 68 landmarks. An hour is 90,000 frames, 73 MB of points.
"""

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headsync.landmarks.layouts import IBUG68, layout_size
from headsync.landmarks.sequence import (
    MOST_FRAMES,
    MOST_TEXT,
    SCHEMA,
    LandmarkSequence,
    read_array_header,
    read_entries,
    refusing,
)
from headsync.media import Spool, partial_path, put_in_place

BLOCK_FRAMES = 250


class SequenceHeader(NamedTuple):
    """What a `landmarks/1` file says of itself, without its points."""

    frames: int
    fps: float
    size: tuple[int, int]                       # canvas height, width
    crop: tuple[float, float, float, float]     # x0, y0, x1, y1 of the canvas in the source picture's pixels
    layout: str
    producer: str                               # JSON


class SequenceWriter:
    """Writes blocks of points as one `landmarks/1` file of a promised length; use it in a `with` block.

    The file appears under its name when the block ends well and all frames have come, and not at all otherwise. The
    same blocks give the same bytes at any time, other blocks of the same points the same arrays. Memory holds one block
    and a byte per frame (`visible`). ValueError, in one line, for values that do not fit the schema, a wrong number of
    frames and a place that is no file's; OSError as the system says.
    """

    def __init__(self, path: Path | str, *, frames: int, fps: float, size: tuple[int, int],
                 crop: tuple[float, float, float, float], layout: str = IBUG68, producer: str = "{}"):
        """`frames` is the promised number; the rest is what `LandmarkSequence` holds."""
        self.path, self.frames = Path(path), 0      # frames written so far
        if not 0 < frames <= MOST_FRAMES:
            raise ValueError(f"{path}: a sequence has 1 to {MOST_FRAMES} frames, got {frames}; write several files")
        if len(producer) > MOST_TEXT:
            raise ValueError(f"{path}: producer has {len(producer)} characters, at most {MOST_TEXT} are read back")
        self._header = SequenceHeader(int(frames), float(fps), tuple(size), tuple(crop), layout, producer)
        _check_values(self._header)
        self._visible = bytearray()
        self._partial = partial_path(self.path)
        self._opened: contextlib.ExitStack | None = None    # the points' entry, the archive, the file: closed in this order
        self._archive: zipfile.ZipFile | None = None
        self._points = None                                 # where the next block goes

    def __enter__(self) -> "SequenceWriter":
        if self.path.is_dir() or not self.path.absolute().parent.is_dir():
            raise ValueError(f"{self.path}: cannot be written: its folder is missing or it is one itself")
        try:
            self._open()
        except BaseException:
            self._abandon()
            raise
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._abandon()

    def write(self, points: np.ndarray, visible: np.ndarray | None = None) -> None:
        """Adds a block (t, L, 3) float32 in canvas pixels; `visible` (t,) bool is all True when not given."""
        if self._points is None:
            raise ValueError(f"{self.path}: blocks are written inside a `with SequenceWriter(...)` block only")
        visible = np.ones(len(points), bool) if visible is None else visible
        _check_values(self._header, points, visible)
        if self.frames + len(points) > self._header.frames:
            raise ValueError(f"{self.path}: frames {self.frames} to {self.frames + len(points) - 1} do not fit, since "
                             f"{self._header.frames} were promised; promise as many as come")
        try:
            self._points.write(np.ascontiguousarray(points, "<f4").data.cast("B"))
        except BaseException:   # a part of the block may be in the file
            self._abandon()
            raise
        self._visible += visible.tobytes()
        self.frames += len(points)

    def _open(self) -> None:
        self._opened = contextlib.ExitStack()
        file = self._opened.enter_context(open(self._partial, "wb"))
        self._archive = self._opened.enter_context(zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED))
        self._write_array("schema", np.array(SCHEMA))
        shape = (self._header.frames, layout_size(self._header.layout), 3)
        self._points = self._opened.enter_context(self._entry("points"))
        np.lib.format.write_array_header_1_0(self._points, {"descr": "<f4", "fortran_order": False, "shape": shape})

    def _finish(self) -> None:
        """The entries behind the points, then the name."""
        if self._points is None:
            raise ValueError(f"{self.path}: a block could not be written, so there is no sequence")
        if self.frames != self._header.frames:
            raise ValueError(f"{self.path}: {self.frames} frames came of the {self._header.frames} promised; nothing is kept")
        self._points.close()
        self._write_array("visible", np.frombuffer(self._visible, bool))
        self._write_array("fps", np.float64(self._header.fps))
        self._write_array("size", np.array(self._header.size, np.int64))
        self._write_array("crop", np.array(self._header.crop, np.float64))
        self._write_array("layout", np.array(self._header.layout))
        self._write_array("producer", np.array(self._header.producer))
        self._opened.close()
        put_in_place(self._partial, self.path)

    def _entry(self, name: str):
        """An open entry of the archive; `ZipInfo` dates it 1980-01-01, so that bytes do not tell the time."""
        entry = zipfile.ZipInfo(f"{name}.npy")
        entry.compress_type = zipfile.ZIP_DEFLATED
        return self._archive.open(entry, "w", force_zip64=True)

    def _write_array(self, name: str, array: np.ndarray) -> None:
        with self._entry(name) as file:
            np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)

    def _abandon(self) -> None:
        """Leaves nothing open and nothing under the partial name."""
        self._points = None
        with contextlib.suppress(Exception):
            if self._opened is not None:
                self._opened.close()
        with contextlib.suppress(OSError):
            self._partial.unlink(missing_ok=True)


class OpenSequence:
    """A `landmarks/1` file that was inflated and checked once and is gone through as often as anyone likes.

    Memory does not grow with its length: many points wait in a temporary file, which goes with this object.
    """

    header: SequenceHeader
    visible: np.ndarray         # (T,) bool

    def __init__(self, path: Path | str):
        """ValueError, one line naming the file, as `LandmarkSequence.load` has it, and for points with the time axis last."""
        with refusing(path), zipfile.ZipFile(path) as archive:
            self.header, self.visible = _checked(archive)
            self._points = Spool((layout_size(self.header.layout), 3))
            for block in _inflated(archive, self.header, BLOCK_FRAMES):
                self._points.append(block)

    def blocks(self, block_frames: int = BLOCK_FRAMES) -> Iterator[np.ndarray]:
        """The points in blocks (t, L, 3) float32, the last one shorter; several may go through them side by side."""
        return self._points.blocks(block_frames)


def read_header(path: Path | str) -> SequenceHeader:
    """What a `landmarks/1` file says of itself; its points are not unpacked.

    ValueError, one line naming the file, for anything else, as `LandmarkSequence.load` has it.
    """
    with refusing(path), zipfile.ZipFile(path) as archive:
        return _checked(archive)[0]


def _inflated(archive: zipfile.ZipFile, header: SequenceHeader, block_frames: int) -> Iterator[np.ndarray]:
    """The points in blocks (t, L, 3), each checked."""
    with archive.open("points.npy") as file:
        shape, columns_first, _ = read_array_header(file)
        if columns_first:
            raise ValueError("its points are stored with the time axis last; load and save it with LandmarkSequence")
        for start in range(0, header.frames, block_frames):
            block = np.empty((min(block_frames, header.frames - start), *shape[1:]), np.float32)   # (t, L, 3)
            if file.readinto(block.data.cast("B")) != block.nbytes:
                raise ValueError(f"points end within frames {start} to {start + len(block) - 1}")
            _check_values(header, block, np.ones(len(block), bool))
            yield block


def _checked(archive: zipfile.ZipFile) -> tuple[SequenceHeader, np.ndarray]:
    """The header and `visible` of an archive whose every entry but the content of `points` was checked."""
    arrays = read_entries(archive, without=("points",))
    with archive.open("points.npy") as file:
        shape = read_array_header(file).shape
    header = SequenceHeader(shape[0], float(arrays["fps"]), tuple(arrays["size"].tolist()),
                            tuple(arrays["crop"].tolist()), str(arrays["layout"]), str(arrays["producer"]))
    _check_values(header, np.zeros((1, *shape[1:]), np.float32))
    if arrays["visible"].shape != shape[:1]:
        raise ValueError(f"visible must be bool ({shape[0]},), got {arrays['visible'].dtype} {arrays['visible'].shape}")
    return header, arrays["visible"]


def _check_values(header: SequenceHeader, points: np.ndarray | None = None, visible: np.ndarray | None = None) -> None:
    """ValueError, as `LandmarkSequence` has it, for values of a header or a block that do not fit the schema."""
    points = np.zeros((1, layout_size(header.layout), 3), np.float32) if points is None else points
    LandmarkSequence(points, np.ones(len(points), bool) if visible is None else visible, *header[1:])
