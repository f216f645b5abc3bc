"""Standard output and error as a command needs them: no name that they cannot print, and no disk of theirs, costs a result."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator


class PipeClosed(BaseException):
    """Nobody reads standard output any more (`| head`): the program ends without a word, as if by SIGPIPE.

    No OSError, since the file that a command is at has nothing to do with it.
    """

    exit_code = 141


class SafeStream:
    """A text stream that writes to another one. What cannot be encoded is escaped; what cannot be written is dropped.

    `failure` is the error of the first thing dropped. After it the stream's file is the null device, so that nothing fails
    again, not even at Python's end.
    """

    def __init__(self, stream: io.TextIOBase):
        self.stream, self.failure = stream, None

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """The number of characters; PipeClosed when nobody reads them."""
        try:
            return self.stream.write(self._printable(text))
        except OSError as error:
            self._give_up(error)
            return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        """One after the other."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Everything so far reaches the stream's file; PipeClosed when nobody reads it."""
        try:
            self.stream.flush()
        except OSError as error:
            self._give_up(error)

    def _printable(self, text: str) -> str:
        if getattr(self.stream, "errors", None) not in (None, "strict"):
            return text         # it has its own way
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)

    def _give_up(self, error: OSError) -> None:
        self.failure = self.failure or error
        with contextlib.suppress(OSError, ValueError):      # ValueError: a stream without a file
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.stream.fileno())
            os.close(null)
        if isinstance(error, BrokenPipeError):
            raise PipeClosed from None


@contextlib.contextmanager
def safe_streams() -> Iterator[tuple[SafeStream | None, SafeStream | None]]:
    """`sys.stdout` and `sys.stderr` as `SafeStream` within the block; None where a program has none (pythonw, `>&-`)."""
    before = sys.stdout, sys.stderr
    mine = tuple(stream and SafeStream(stream) for stream in before)
    sys.stdout, sys.stderr = mine
    try:
        yield mine
    finally:
        sys.stdout, sys.stderr = before
