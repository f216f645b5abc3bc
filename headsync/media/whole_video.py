"""A video file that is whole or not there: what every writer of one does when it opens, ends well, or fails."""

import contextlib
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av

from headsync.media.containers import reason, shown_name
from headsync.media.files import partial_path, put_in_place
from headsync.media.soundtrack import Soundtrack

MP4_OPTIONS = {"movflags": "+faststart", "movie_timescale": "48000"}   # plays while it loads; cuts sound to the sample
Writer = TypeVar("Writer", bound="WholeVideo")


class WholeVideo:
    """A file that appears when its `with` block ends well, and not at all otherwise; for writers to build on.

    They say how it is opened (`_open`, which sets `_output` and, where there is sound, `_soundtrack`) and how the encoder gives
    what it still holds (`_flush`), and count `frames` and `_end` as they write.
    """

    def __init__(self, path: Path | str):
        self.path, self.frames = Path(path), 0      # written so far
        self._end = Fraction(0)                     # of the last one, in seconds
        self._partial = partial_path(self.path)
        self._output: av.container.OutputContainer | None = None
        self._soundtrack: Soundtrack | None = None

    def __enter__(self: Writer) -> Writer:
        if self.path.is_dir() or not self.path.absolute().parent.is_dir():
            raise ValueError(f"{shown_name(self.path)}: cannot be written: its folder is missing or it is one itself")
        try:
            self._open()
        except BaseException as error:
            self._abandon()
            raise self._one_line(error) from error
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if kind is not None:
            self._abandon()
            return
        try:
            self._finish()
        except BaseException as failure:
            self._abandon()
            raise self._one_line(failure) from failure

    def _open(self) -> None:
        raise NotImplementedError

    def _flush(self) -> None:
        raise NotImplementedError

    def _finish(self) -> None:
        if not self.frames:
            raise ValueError(f"{shown_name(self.path)}: no frame was written, so there is no video")
        self._flush()
        if self._soundtrack is not None:
            self._soundtrack.finish(self._end)
            self._soundtrack.close()
        self._output.close()
        self._output = None
        put_in_place(self._partial, self.path)

    def _abandon(self) -> None:
        """Leaves nothing behind, whatever state the file is in."""
        with contextlib.suppress(Exception):
            if self._soundtrack is not None:
                self._soundtrack.close()
        with contextlib.suppress(Exception):
            if self._output is not None:
                self._output.close()
        self._output = None
        with contextlib.suppress(OSError):
            self._partial.unlink(missing_ok=True)

    def _one_line(self, error: BaseException) -> BaseException:
        """The error as a ValueError in one line when it is about the file; itself otherwise."""
        if isinstance(error, (av.FFmpegError, OSError)):
            return ValueError(f"{shown_name(self.path)}: cannot be written ({reason(error)}); check the folder and its space")
        return error
