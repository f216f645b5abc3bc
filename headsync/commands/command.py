"""What every command shares: bad input ends in one line and exit code 2, never in a traceback; several items go on."""

import contextlib
import logging
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from headsync.commands.checks import check_ending
from headsync.commands.console import PipeClosed, SafeStream, safe_streams
from headsync.commands.signals import raised_signals

PACKAGES = ("headsync", "syncers", "landmark_stage", "render_stage")     # whose warnings are shown as notes
BAD_INPUT, INTERRUPTED, SOME_FAILED = 2, 130, 1
OUT_OF_MEMORY = ("DefaultCPUAllocator: can't allocate memory", "CUDA out of memory", "(-4:Insufficient memory)")


def run_command(main: Callable[[list[str]], int | None], argv: Sequence[str] | None = None) -> int:
    """The exit code of `main(argv)`: its own, 2 with one line on stderr for bad input, 130 for Ctrl-C, 143 for SIGTERM.

    `argv` is sys.argv[1:] when None. Bad input is what the code says with ValueError or the system with OSError, and what
    there is no memory for; any other exception is our own mistake and keeps its traceback. Where standard output cannot be
    written the work is done all the same: 1 and one line. Where nobody reads it any more, it ends at once: 141.
    """
    with safe_streams() as (stream, _):
        try:
            with raised_signals():
                code = ended(main, list(sys.argv[1:] if argv is None else argv))
        except PipeClosed as closed:
            return closed.exit_code
        except SystemExit as end:       # argparse's, which has said why
            raise SystemExit(after_output(stream, end.code)) from None
        return after_output(stream, code)


def ended(main: Callable[[list[str]], int | None], argv: list[str]) -> int:
    """The exit code that `main` or its exception comes to, which is told in one line."""
    try:
        with notes_on_stderr():
            return main(argv) or 0
    except (ValueError, OSError) as error:
        print(f"headsync: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt as error:      # or `Ended` by another signal
        print(f"headsync: interrupted{f' by {error}' * bool(str(error))}", file=sys.stderr)
        return getattr(error, "exit_code", INTERRUPTED)
    except Exception as error:
        if not lacks_memory(error):
            raise
        print(f"headsync: not enough memory for this ({one_line(error)[:200]}); give something smaller", file=sys.stderr)
        return BAD_INPUT


def after_output(stream: SafeStream | None, code: int) -> int:
    """The exit code once standard output is flushed: 1 instead of 0, and a line, when it could not be written."""
    if stream is None:
        return code
    with contextlib.suppress(PipeClosed):       # the work is done
        stream.flush()
    if stream.failure is None or isinstance(stream.failure, BrokenPipeError):
        return code
    print(f"headsync: standard output could not be written ({stream.failure.strerror}); the work itself is not concerned",
          file=sys.stderr)
    return code or SOME_FAILED


@contextlib.contextmanager
def notes_on_stderr() -> Iterator[None]:
    """While it lasts, what headsync's packages log as warnings is a line `headsync: note: ...` on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("headsync: note: %(message)s"))
    loggers = [logging.getLogger(name) for name in PACKAGES]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had: Python's, NumPy's, torch's or OpenCV's."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY)


def one_line(error: BaseException) -> str:
    """An error's message on one line; its kind when it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def about(name: str | Path, error: BaseException) -> str:
    """An error's message on one line, after the name of what it is about unless it says that itself."""
    message = one_line(error)
    said = re.search(rf"(?<!\w){re.escape(str(name))}(?!\w)", message)
    return message if said else f"{name}: {message}"


def report_failures(failures: Sequence[str]) -> int:
    """The exit code of a job over several items: 0 without failures, else 1 after listing them on stderr."""
    for failure in failures:
        print(f"headsync: failed: {' '.join(failure.split())}", file=sys.stderr)     # names may hold line breaks
    return SOME_FAILED if failures else 0


def run_each(job: Callable[..., None], items: Sequence[Sequence]) -> int:
    """The exit code of `job(*item)` for each item: what cannot be done is listed at the end by the item's first member.

    A single item's ValueError or OSError is raised.
    """
    failures = []
    for item in items:
        try:
            job(*item)
        except (ValueError, OSError) as error:
            if len(items) == 1:
                raise
            failures.append(about(item[0], error))
    return report_failures(failures)


def named(place: str | Path | None, sources: Sequence[str | Path], suffix: str) -> list[Path | None]:
    """A file for each source's result: `place` itself for one, else files in the folder `place`, named after them.

    Without a place there are none. The folder is made, not its parents. ValueError when two sources have the same name,
    and when the one result's name does not end as what will be in it.
    """
    if place is None or len(sources) == 1:
        check_ending(place, suffix)
        return [place if place is None else Path(place)] * len(sources)
    names = [Path(source).stem for source in sources]
    again = [name for name, count in Counter(names).items() if count > 1]
    if again:
        raise ValueError(f"several files are called {again[0]}; their results would overwrite each other, so run them apart")
    if not Path(place).absolute().parent.is_dir():
        raise ValueError(f"{place} cannot be made: its folder is missing")
    Path(place).mkdir(exist_ok=True)
    return [Path(place) / (name + suffix) for name in names]
