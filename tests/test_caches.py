"""Where the install and the home may not be written on: compiled functions and fonts have a private place, or none."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numba
import pytest

from headsync.media import caches

ROOT = Path(__file__).parents[1]
MODULE = """
from headsync.media.caches import compiled, keep_fonts_somewhere

keep_fonts_somewhere()
import matplotlib

@compiled(fastmath=True)
def doubled(x):
    return 2 * x

print(doubled(21), doubled.stats.cache_path, matplotlib.get_cachedir(), sep="\\n")
"""


@pytest.mark.skipif(os.name != "posix", reason="homes of POSIX")
def test_a_sealed_install_without_a_home_keeps_its_caches_in_a_private_folder(tmp_path):
    """Not even root can write beside the source, since a file has the name of the folder of compiled code."""
    installed, temporary = tmp_path / "installed", tmp_path / "temporary"
    for folder in (installed, temporary):
        folder.mkdir()
    (installed / "__pycache__").touch()
    (installed / "module.py").write_text(MODULE)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "NUMBA_", "MPL"))}
    done = subprocess.run([sys.executable, "-B", "-c", "import module"], cwd=installed, text=True, capture_output=True,
                          env=env | {"HOME": os.devnull, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)})
    said, place, fonts = done.stdout.splitlines()
    private = temporary / f"headsync-{os.getuid()}"
    assert (done.returncode, done.stderr, said) == (0, "", "42")
    assert place.startswith(f"{private}/numba/installed_") and fonts == f"{private}/matplotlib"
    assert private.stat().st_mode & 0o777 == 0o700 and list((private / "numba").rglob("*.nbi"))
    assert [path.name for path in temporary.iterdir()] == [private.name]


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    caches._passing_folder.cache_clear()
    yield tmp_path
    caches._passing_folder.cache_clear()


@pytest.mark.skipif(os.name != "posix", reason="users of POSIX")
@pytest.mark.parametrize("planted", ["open to others", "a link", "another's"])
def test_a_folder_that_others_may_plant_code_in_is_not_used(temporary, monkeypatch, planted):
    place = temporary / f"headsync-{os.getuid()}"
    if planted == "a link":
        (temporary / "elsewhere").mkdir(mode=0o700)
        place.symlink_to(temporary / "elsewhere")
    else:
        place.mkdir(mode=0o700)
    if planted == "open to others":
        place.chmod(0o770)
    if planted == "another's":
        number = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: number + 1)
        place = place.rename(temporary / f"headsync-{number + 1}")
    folder = caches.private_folder("numba")
    assert folder.parent != place and folder.parent.stat().st_mode & 0o777 == 0o700
    assert not list(place.iterdir()) and caches.private_folder("other").parent == folder.parent     # one for the process


def test_without_any_place_functions_are_compiled_anew(monkeypatch):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: os.devnull)
    asked = []

    def njit(**options):
        asked.append(options)
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'f': no locator available")
        return lambda function: function

    monkeypatch.setattr(numba, "njit", njit)
    assert caches.private_folder("numba") is None and caches.compiled(fastmath=True)(abs) is abs
    assert asked == [{"nogil": True, "fastmath": True, "cache": True}, {"nogil": True, "fastmath": True}]


def test_other_people_s_functions_keep_their_places(temporary, monkeypatch):
    before, places = numba.config.CACHE_DIR, []

    def njit(**options):
        places.append(numba.config.CACHE_DIR)
        if len(places) == 1:
            raise RuntimeError("cannot cache function 'f': no locator available")
        return lambda function: function

    monkeypatch.setattr(numba, "njit", njit)
    caches.compiled()(abs)
    assert places[0] == before == numba.config.CACHE_DIR and Path(places[1]).parent.parent == temporary


@pytest.mark.skipif(os.name != "posix", reason="homes of POSIX")
def test_fonts_stay_where_they_are_where_they_may(temporary, monkeypatch):
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    (temporary / "home").mkdir()
    monkeypatch.setenv("HOME", str(temporary / "home"))
    caches.keep_fonts_somewhere()
    assert "MPLCONFIGDIR" not in os.environ
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    caches.keep_fonts_somewhere()
    assert os.environ["MPLCONFIGDIR"] == str(temporary / f"headsync-{os.getuid()}" / "matplotlib")
    monkeypatch.setenv("MPLCONFIGDIR", "mine")
    caches.keep_fonts_somewhere()
    assert os.environ["MPLCONFIGDIR"] == "mine"


def test_every_compiled_function_is_so_by_this_decorator():
    """One by `numba.njit(cache=True)` itself would end `import` where there is no place."""
    sources = {path.name: path.read_text(encoding="utf-8")
               for name in ("headsync", "landmark_stage", "render_stage", "syncers") for path in (ROOT / name).rglob("*.py")}
    assert {name for name, text in sources.items() if "@compiled(" in text} == {"rasteriser.py", "placing.py", "guide.py"}
    assert [name for name, text in sources.items() if re.search(r"(?m)^\s*(import|from) numba", text)] == ["caches.py"]
