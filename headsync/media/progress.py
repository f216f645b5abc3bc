"""How far a long job is: stages with steps, rate and time left, shown on a terminal or as plain lines in a log.

Whoever does the work says `stage` or `tracked`; nothing is shown unless somebody who calls it asked with `shown_progress`,
as the commands do. Nothing of it changes what is computed.
"""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
Step = Callable[..., None]      # step(count=1): so many more are done

FIRST_S = 2.0                   # in a log, what is over before this leaves no line
EVERY_S = 5.0                   # between two lines; longer in a long stage,
LONGEST_S = 60.0                # but not longer than this
LINES = 20                      # about as many as a stage has lines, once it is long
REFRESH_S = 0.5                 # on a terminal

_shown: ContextVar[TextIO | None] = ContextVar("progress", default=None)


@contextmanager
def shown_progress(asked: bool = True, *, file: TextIO | None = None) -> Iterator[None]:
    """Inside it, stages are shown on `file` (default: stderr), when that is asked for."""
    before = _shown.set((file or sys.stderr) if asked else _shown.get())
    try:
        yield
    finally:
        _shown.reset(before)


@contextmanager
def stage(name: str, *, total: int | None = None, unit: str = "", done: int = 0) -> Iterator[Step]:
    """Around a stage of the work: call what it gives, `step(count)`, whenever `count` more units are done.

    `total` is how many units there are, None where that is not known; `done` were done by an earlier run.
    """
    file = _shown.get()
    if file is None:
        yield lambda count=1: None
        return
    shown = (Bar if file.isatty() else Lines)(file, name, total, unit, done)
    ended = threading.Event()
    ticker = threading.Thread(target=shown.tick, args=(ended,), daemon=True)
    ticker.start()
    try:
        yield shown.step
    finally:
        ended.set()
        ticker.join()
        shown.close()


def tracked(items: Iterable[Item], name: str, *, total: int | None = None, unit: str = "") -> Iterator[Item]:
    """The items, each counted as a step of a stage when the next one is asked for."""
    total = len(items) if total is None and hasattr(items, "__len__") else total
    with stage(name, total=total, unit=unit) as step:
        for item in items:
            yield item
            step()


class Bar:
    """A stage on a terminal; it vanishes when the stage ends."""

    def __init__(self, file: TextIO, name: str, total: int | None, unit: str, done: int):
        form = {} if total or unit else {"bar_format": "{desc} {elapsed}"}
        wide, high = shutil.get_terminal_size()     # tqdm by itself shows nothing on a terminal that says 0 x 0
        self._bar = tqdm(total=total, desc=name, unit=unit, initial=done, file=file, leave=False, ncols=wide, nrows=high,
                         **form)

    def step(self, count: int = 1) -> None:
        """So many more are done."""
        self._bar.update(count)

    def tick(self, ended: threading.Event) -> None:
        """Keeps the time going until the stage has ended."""
        while not ended.wait(REFRESH_S):
            self._bar.refresh()

    def close(self) -> None:
        """Takes the bar away."""
        self._bar.close()


class Lines:
    """A stage in a log: a line every few seconds, none for what is soon over."""

    def __init__(self, file: TextIO, name: str, total: int | None, unit: str, done: int):
        self._file, self._name, self._total, self._unit = file, name, total, unit
        self._first = self._done = done
        self._began = time.monotonic()

    def step(self, count: int = 1) -> None:
        """So many more are done."""
        self._done += count

    def tick(self, ended: threading.Event) -> None:
        """Writes lines until the stage has ended."""
        wait_s = FIRST_S
        while not ended.wait(wait_s):
            seconds = time.monotonic() - self._began
            print(progress_line(self._name, self._unit, self._done, self._total, new=self._done - self._first, seconds=seconds),
                  file=self._file, flush=True)
            wait_s = min(LONGEST_S, max(EVERY_S, seconds / LINES))

    def close(self) -> None:
        """Nothing is left to do."""


def progress_line(name: str, unit: str, done: int, total: int | None, *, new: int, seconds: float) -> str:
    """The line about a stage in which `new` units were done in so many seconds, `done` of `total` with those before."""
    if not total and not done:
        return f"{name}: {duration(seconds)}"
    units = f" {unit}s" if unit else ""
    parts = [f"{done} of {total}{units}, {done / total:.0%}" if total else f"{done}{units}"]
    if new:
        rate = new / seconds
        parts.append(f"{rate:.1f} a second" if rate >= 1 else f"{1 / rate:.1f} s each")
        if total:
            parts.append(f"{duration((total - done) / rate)} left")
    return f"{name}: {', '.join(parts)}"


def duration(seconds: float) -> str:
    """So many seconds for people: 12 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole // 60 % 60:02d} min"
