"""What every command shares: bad input ends in one line and exit code 2, never in a traceback."""

import sys
from collections.abc import Callable, Sequence

BAD_INPUT, INTERRUPTED, SOME_FAILED = 2, 130, 1


def run_command(main: Callable[[list[str]], int | None], argv: Sequence[str] | None = None) -> int:
    """The exit code of `main(argv)`: its own, 2 with one line on stderr for bad input, 130 for an interruption.

    `argv` is sys.argv[1:] when None. Bad input is what the code says with ValueError or the system with OSError; any
    other exception is our own mistake and keeps its traceback.
    """
    try:
        return main(list(sys.argv[1:] if argv is None else argv)) or 0
    except (ValueError, OSError) as error:
        print(f"headsync: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("headsync: interrupted", file=sys.stderr)
        return INTERRUPTED


def one_line(error: BaseException) -> str:
    """An error's message on one line; its kind when it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def report_failures(failures: Sequence[str]) -> int:
    """The exit code of a job over several items: 0 without failures, else 1 after listing them on stderr."""
    for failure in failures:
        print(f"headsync: failed: {failure}", file=sys.stderr)
    return SOME_FAILED if failures else 0
