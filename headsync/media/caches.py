"""Where compiled functions and matplotlib's fonts are kept where the install and the user's home may not be written on.

A cache is code that later runs: a folder for it is this user's alone, or it is not used.
"""

import atexit
import functools
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path


def compiled(**options: object) -> Callable[[Callable], Callable]:
    """A decorator: the function compiled by numba when it is first called, without Python's global lock.

    The machine code is kept beside the source, else in the user's cache, else in `private_folder`; where there is none of
    these, every process compiles anew. `options` are `numba.njit`'s.
    """
    import numba  # late: who only plots need not wait for it

    def decorate(function: Callable) -> Callable:
        make = functools.partial(numba.njit, nogil=True, **options)
        try:
            return make(cache=True)(function)
        except RuntimeError:        # numba found no place
            folder = private_folder("numba")
        if folder is None:
            return make()(function)
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)    # for this function: other people's have theirs
        try:
            return make(cache=True)(function)
        except RuntimeError:
            return make()(function)
        finally:
            numba.config.CACHE_DIR = before
    return decorate


def keep_fonts_somewhere() -> None:
    """Have matplotlib, when it is imported, keep its fonts in `private_folder` where it may not write into its own."""
    home = os.path.expanduser("~")
    places = [os.environ.get(name) or os.path.join(home, usual)
              for name, usual in (("XDG_CONFIG_HOME", ".config"), ("XDG_CACHE_HOME", ".cache"))]
    if os.name != "posix" or os.environ.get("MPLCONFIGDIR") or all(map(_may_be_made, places)):
        return
    folder = private_folder("matplotlib")
    if folder is not None:
        os.environ["MPLCONFIGDIR"] = str(folder)


def _may_be_made(place: str) -> bool:
    """Whether a folder is there to write in, or may be made."""
    while not os.path.lexists(place) and os.path.dirname(place) != place:
        place = os.path.dirname(place)
    return os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK)


def private_folder(name: str) -> Path | None:
    """A folder of this name among the system's temporary ones that only this user may enter; None where none can be had.

    It stays for later programs. Where somebody else has taken the place, it is another one that goes with this process.
    """
    try:
        root = Path(tempfile.gettempdir()) / f"headsync-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"
        root.mkdir(mode=0o700, exist_ok=True)
        if not _is_private(root):
            root = _passing_folder()
        folder = root / name
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return None
    return folder


def _is_private(folder: Path) -> bool:
    """Whether it is a folder, no link to one, of this user, and nobody else may enter it."""
    found = folder.lstat()
    mine = os.name != "posix" or (found.st_uid == os.getuid() and not found.st_mode & 0o077)
    return stat.S_ISDIR(found.st_mode) and mine


@functools.cache        # one for the process
def _passing_folder() -> Path:
    folder = tempfile.mkdtemp(prefix="headsync-")
    process = os.getpid()
    atexit.register(lambda: os.getpid() == process and shutil.rmtree(folder, ignore_errors=True))
    return Path(folder)
