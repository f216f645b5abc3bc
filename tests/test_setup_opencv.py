"""OpenCV's desktop builds give way to the headless one only where a system library is missing, and never to nothing."""

from types import SimpleNamespace

import pytest

from headsync.commands import setup_opencv
from headsync.commands.program import main

NO_LIBGL = "Traceback ...\nImportError: libGL.so.1: cannot open shared object file: No such file or directory"
DESKTOP = {"opencv-python": "5.0.0.93", "opencv-contrib-python": "5.0.0.93", "numpy": "2.4.6"}


@pytest.fixture
def machine(monkeypatch):
    """A pretended Python: its packages, what `import cv2` says in turn, which pip verb fails, and the verbs run."""
    state = SimpleNamespace(packages=DESKTOP, imports=[""], failing=None, verbs=[])

    def python(*arguments):
        if arguments[:2] == ("-m", "pip"):
            state.verbs.append(arguments[2])
            return "ERROR: no network" if arguments[2] == state.failing else ""
        return state.imports.pop(0)

    def distributions():
        return [SimpleNamespace(metadata={"Name": name}, version=version) for name, version in state.packages.items()]

    monkeypatch.setattr(setup_opencv, "python", python)
    monkeypatch.setattr(setup_opencv, "distributions", distributions)
    return state


@pytest.mark.parametrize(("message", "library"), [
    (NO_LIBGL, "libGL.so.1"),
    ("ImportError: libgthread-2.0.so.0: cannot open shared object file: No such file", "libgthread-2.0.so.0"),
    ("ModuleNotFoundError: No module named 'cv2'", None),
    ("", None),
])
def test_the_missing_library_is_named(message, library):
    assert setup_opencv.missing_library(message) == library


def test_a_working_opencv_is_left_alone(machine):
    assert main(["setup-opencv"]) == 0 and machine.verbs == []


def test_desktop_builds_are_replaced_where_a_library_is_missing(machine, capsys):
    machine.imports = [NO_LIBGL, ""]
    assert main(["setup-opencv"]) == 0 and machine.verbs == ["download", "uninstall", "install"]
    assert "libGL.so.1" in capsys.readouterr().out


def test_nothing_is_removed_when_the_headless_build_cannot_be_had(machine, capsys):
    machine.imports, machine.failing = [NO_LIBGL], "download"
    assert main(["setup-opencv"]) == 2 and machine.verbs == ["download"]
    assert capsys.readouterr().err.splitlines() == ["headsync: cv2 does not import: ERROR: no network"]


@pytest.mark.parametrize("failure", ["ModuleNotFoundError: No module named 'cv2'", "ImportError: numpy is too old"])
def test_other_failures_are_told_and_nothing_is_replaced(machine, capsys, failure):
    machine.imports = [failure]
    assert main(["setup-opencv"]) == 2 and machine.verbs == []
    assert capsys.readouterr().err.splitlines() == [f"headsync: cv2 does not import: {failure}"]


def test_a_replacement_that_does_not_import_is_an_error(machine):
    machine.imports = [NO_LIBGL, NO_LIBGL]
    assert main(["setup-opencv"]) == 2
