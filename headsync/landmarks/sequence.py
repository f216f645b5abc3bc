"""A face in motion: landmark positions over time, and the .npz file that carries them between stages.

Shapes: T frames, L = 68 landmarks, D = 2 or 3 coordinates. Points are pixels of a canvas: x right, y down, z smaller
where nearer.
"""

import contextlib
import dataclasses
import io
import json
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from headsync.landmarks.layouts import IBUG68, layout_size
from headsync.media import check_fields, write_whole

SCHEMA = "landmarks/1"
FIELDS = ("points", "visible", "fps", "size", "crop", "layout", "producer")
MOST_FRAMES = 25 * 3600 * 12        # half a day; a header that claims more is not believed
FARTHEST_PX = 1e6                   # that a point or a crop may lie from the origin: sums and squares stay finite
MOST_TEXT = 1 << 20                 # characters of the producer's JSON


@dataclass(frozen=True, eq=False)
class LandmarkSequence:
    """Schema `landmarks/1`. ValueError, one line, for values that do not fit it.

    >>> import headsync
    >>> import numpy as np
    >>> points = np.repeat(headsync.start_face().points, 50, axis=0)       # two seconds of a still face
    >>> motion = headsync.LandmarkSequence(points=points, visible=np.ones(50, bool), fps=25.0, size=(256, 256),
    ...                                    crop=(0, 0, 256, 256))
    >>> motion.save("still.npz")
    >>> len(headsync.LandmarkSequence.load("still.npz"))
    50
    """

    points: np.ndarray                          # (T, L, 3) float32, pixels of the canvas
    visible: np.ndarray                         # (T,) bool, False where no face was found (points then interpolated)
    fps: float                                  # true rate
    size: tuple[int, int]                       # canvas height, width
    crop: tuple[float, float, float, float]     # x0, y0, x1, y1 of the canvas in the source picture's pixels
    layout: str = IBUG68
    producer: str = "{}"                        # JSON: what made it

    def __post_init__(self):
        check_fields(self)
        L = layout_size(self.layout)
        if self.points.ndim != 3 or self.points.shape[1:] != (L, 3) or not len(self.points):
            raise ValueError(f"points must be (T, {L}, 3) with at least one frame, got {self.points.shape}")
        if self.points.dtype != np.float32 or not (np.abs(self.points) <= FARTHEST_PX).all():     # nor is NaN
            raise ValueError(f"points must be finite float32, none beyond {FARTHEST_PX:g} pixels, got {self.points.dtype}; "
                             "interpolate missing frames")
        if self.visible.shape != self.points.shape[:1] or self.visible.dtype != bool:
            raise ValueError(
                f"visible must be bool ({len(self.points)},), got {self.visible.dtype} {self.visible.shape}")
        if not (np.isfinite(self.fps) and 0 < self.fps <= 1000):
            raise ValueError(f"fps must be between 0 and 1000, got {self.fps}")
        if len(self.size) != 2 or not all(0 < side <= 1 << 15 for side in self.size):
            raise ValueError(f"size must be two sides of 1 to 32768 pixels, got {self.size}")
        x0, y0, x1, y1 = self.crop
        if not (max(map(abs, self.crop)) <= FARTHEST_PX and x0 < x1 and y0 < y1):
            raise ValueError(f"crop must be finite x0 < x1, y0 < y1, none beyond {FARTHEST_PX:g}, got {self.crop}")
        try:
            fields = json.loads(self.producer)
        except json.JSONDecodeError as error:
            raise ValueError(f"producer must be JSON, got {self.producer[:60]!r}") from error
        if not isinstance(fields, dict):
            raise ValueError(f"producer must be a JSON object, got {self.producer[:60]!r}")

    def __len__(self) -> int:
        return len(self.points)

    def replace(self, **changes) -> "LandmarkSequence":
        """The same sequence with some fields changed."""
        return dataclasses.replace(self, **changes)

    def slice(self, start: int, stop: int) -> "LandmarkSequence":
        """Frames start to stop - 1."""
        return self.replace(points=self.points[start:stop], visible=self.visible[start:stop])

    def held(self, frames: int) -> "LandmarkSequence":
        """The first frame, standing still for `frames` frames."""
        return self.replace(points=self.points[:1].repeat(frames, 0), visible=self.visible[:1].repeat(frames, 0))

    def in_unit(self) -> np.ndarray:
        """Points (T, L, 3) as shares of the canvas: x and z by its width, y by its height."""
        height, width = self.size
        return self.points / np.array([width, height, width], np.float32)  # (T, L, 3)

    def flat(self, dims: int = 2) -> np.ndarray:
        """The model form (T, dims * L): x, y(, z) of landmark 0, then of landmark 1, ..., as shares of the canvas."""
        if dims not in (2, 3):
            raise ValueError(f"landmarks have 2 or 3 coordinates, got dims={dims}")
        return self.in_unit()[..., :dims].reshape(len(self), -1)  # (T, dims * L)

    def save(self, path: str | Path) -> None:
        """Write the .npz, complete or not at all; the same sequence gives the same bytes."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, schema=SCHEMA, points=np.ascontiguousarray(self.points), visible=self.visible,
                            fps=np.float64(self.fps), size=np.array(self.size, np.int64),
                            crop=np.array(self.crop, np.float64), layout=self.layout, producer=self.producer)
        write_whole(path, buffer.getvalue())

    @classmethod
    def load(cls, path: str | Path) -> "LandmarkSequence":
        """The sequence in a `landmarks/1` file. ValueError, one line naming the file, for anything else."""
        with refusing(path), zipfile.ZipFile(path) as archive:
            arrays = read_entries(archive)
            return cls(points=arrays["points"], visible=arrays["visible"], fps=float(arrays["fps"]),
                       size=tuple(arrays["size"].tolist()), crop=tuple(arrays["crop"].tolist()),
                       layout=str(arrays["layout"]), producer=str(arrays["producer"]))


def points_from_flat(flat: np.ndarray, size: tuple[int, int], *, dims: int = 2,
                     depth: np.ndarray | None = None) -> np.ndarray:
    """Points (T, L, 3) in canvas pixels from the model form (T, dims * L); z is `depth` (L,) or 0 when dims is 2."""
    height, width = size
    points = np.zeros((len(flat), flat.shape[1] // dims, 3), np.float32)
    points[..., :dims] = flat.reshape(len(flat), flat.shape[1] // dims, dims)
    points *= np.array([width, height, width], np.float32)
    if dims == 2 and depth is not None:
        points[..., 2] = depth
    return points  # (T, L, 3)


def producer_json(**fields) -> str:
    """The producer field: JSON with sorted keys, so that equal facts give equal bytes."""
    return json.dumps(fields, sort_keys=True, ensure_ascii=False)


@contextlib.contextmanager
def refusing(path: str | Path) -> Iterator[None]:
    """Any failure inside becomes the one line, a ValueError, with which a file that is no `landmarks/1` is refused."""
    try:
        yield
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file; check the name") from error
    except Exception as error:  # of a damaged file, zipfile, zlib, tokenize and NumPy may raise anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(
            f"{path} is not a {SCHEMA} file ({reason}); make it anew with extract or gen_landmarks") from error


def read_entries(archive: zipfile.ZipFile, *, without: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """The arrays of a `landmarks/1` archive but those `without`, after every header was checked.

    Nothing is unpacked on the word of a foreign header.
    """
    names = sorted(archive.namelist())
    expected = sorted(f"{name}.npy" for name in ("schema", *FIELDS))
    if names != expected:
        raise ValueError(f"its keys are {[name.removesuffix('.npy') for name in names][:12]}")
    arrays = {}
    for name in ("schema", *FIELDS):
        with archive.open(f"{name}.npy") as file:
            _check_header(name, file, archive.getinfo(f"{name}.npy").file_size)
        if name in without:
            continue
        with archive.open(f"{name}.npy") as file:
            arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
            if file.read(1):
                raise ValueError(f"{name} holds more than its header says")
        if name == "schema" and str(arrays["schema"]) != SCHEMA:
            raise ValueError(f"its schema is {str(arrays['schema'])[:40]!r}")
    return arrays


class ArrayHeader(NamedTuple):
    """What a .npy says of itself."""

    shape: tuple[int, ...]
    columns_first: bool     # the first axis runs fastest
    dtype: np.dtype


def read_array_header(file: IO[bytes]) -> ArrayHeader:
    """The header of an open .npy, which stands at its data then."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return ArrayHeader(*read(file))


def _check_header(name: str, file, size_bytes: int) -> None:
    """ValueError when an array's type or shape is not the schema's, or does not fill the `size_bytes` of its entry."""
    shape, _, dtype = read_array_header(file)
    kinds = {"points": np.float32, "visible": np.bool_, "fps": np.float64, "size": np.int64, "crop": np.float64}
    kind = kinds.get(name)
    if kind is None:
        fits = dtype.kind == "U" and shape == () and dtype.itemsize <= 4 * MOST_TEXT
    else:
        frames = len(shape) > 0 and 0 < shape[0] <= MOST_FRAMES
        wanted = {"points": frames and len(shape) == 3 and 0 < shape[1] <= 1000 and shape[2] == 3,
                  "visible": frames and len(shape) == 1,
                  "fps": shape == (), "size": shape == (2,), "crop": shape == (4,)}
        fits = dtype == kind and wanted[name]
    if not fits:
        raise ValueError(f"{name} is {dtype} {shape}")
    if file.tell() + math.prod(shape) * dtype.itemsize != size_bytes:
        raise ValueError(f"{name} is said to be {dtype} {shape} but its entry has {size_bytes} bytes")
