"""Signals that ask a program to end: exceptions in its main thread, so that whatever is half done is undone.

A queue's end is SIGTERM, a closed terminal SIGHUP, Ctrl-C SIGINT, which Python itself makes KeyboardInterrupt.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))      # Windows has no SIGHUP
GRACE_S = 10    # in which a signal that comes again, as queues send them, does not disturb the clearing up


class Ended(KeyboardInterrupt):
    """A signal's end, which passes wherever Ctrl-C's does; `exit_code` is what shells expect, 128 and the number."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def raised_signals() -> Iterator[None]:
    """Around a program: SIGTERM and SIGHUP raise `Ended`, but one that is ignored (nohup) stays so.

    Only the main thread may and does listen. What stands inside may listen in its own way, as a training does.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    first_s = []

    def on_signal(number: int, _: object) -> None:
        if not first_s or time.monotonic() - first_s[0] > GRACE_S:
            first_s[:] = [time.monotonic()]
            raise Ended(number)

    listening = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, on_signal) for number in listening}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
