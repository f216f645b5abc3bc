"""Commands end bad input in one line and exit code 2, without a traceback."""

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from headsync.commands.command import named, report_failures, run_command, run_each


def raising(error):
    def main(_):
        raise error

    return main


@pytest.mark.parametrize(("error", "code", "said"), [
    (ValueError("steps is 0;\n  it must be 1 or more"), 2, "steps is 0; it must be 1 or more"),
    (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 2, "[Errno 28] No space left on device"),
    (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "a b.wav"), 2,
     "[Errno 2] No such file or directory: 'a b.wav'"),
    (ValueError(), 2, "ValueError"),
    (KeyboardInterrupt(), 130, "interrupted"),
])
def test_bad_input_is_one_line(capsys, error, code, said):
    assert run_command(raising(error), []) == code
    assert capsys.readouterr() == ("", f"headsync: {said}\n")


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1), (3, 3)])
def test_the_own_exit_code_passes(capsys, returned, code):
    assert run_command(lambda _: returned, []) == code
    assert capsys.readouterr() == ("", "")


def test_arguments_are_those_given_or_those_of_the_program(monkeypatch):
    seen = []
    run_command(seen.append, ["a", "-b"])
    monkeypatch.setattr(sys, "argv", ["program", "c"])
    run_command(seen.append)
    assert seen == [["a", "-b"], ["c"]]


def test_our_own_mistakes_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda _: 1 // 0, [])


def test_failures_are_listed(capsys):
    assert report_failures([]) == 0
    assert report_failures(["a.mp4: empty", "b.mp4: cut"]) == 1
    assert capsys.readouterr().err == "headsync: failed: a.mp4: empty\nheadsync: failed: b.mp4: cut\n"


def test_a_program_prints_no_traceback():
    program = "from headsync.commands.command import run_command\nraise SystemExit(run_command(lambda _: int('a\\nb')))"
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1


def test_several_items_go_on_and_a_single_one_is_raised(capsys):
    done = []

    def job(name, number):
        if number < 0:
            raise ValueError(f"{number} is\nbelow 0")
        done.append(name)

    assert run_each(job, [("a", 1), ("b", -2), ("c", 3)]) == 1
    assert done == ["a", "c"] and capsys.readouterr().err == "headsync: failed: b: -2 is below 0\n"
    assert run_each(job, [("a", 1), ("c", 3)]) == 0 and capsys.readouterr().err == ""
    with pytest.raises(ValueError, match="-2 is"):
        run_each(job, [("b", -2)])


def test_results_of_several_sources_have_names(tmp_path):
    assert named(None, ["a.wav", "b.wav"], ".npz") == [None, None]
    assert named("x.npz", ["a.wav"], ".npz")[0].name == "x.npz"
    assert named(tmp_path / "new", ["p/a.wav", "b.b.mp3"], ".npz") == [tmp_path / "new/a.npz", tmp_path / "new/b.b.npz"]
    with pytest.raises(ValueError, match="several files are called a"):
        named(tmp_path / "other", ["p/a.wav", "q/a.mp3"], ".npz")
    assert not (tmp_path / "other").exists()


def test_warnings_of_the_packages_are_notes_while_a_command_runs(capsys):
    log = logging.getLogger("render_stage.references")

    def main(_):
        log.warning("%s: the face is small", "a.png")
        logging.getLogger("elsewhere").warning("not ours")

    assert run_command(main, []) == 0
    assert "headsync: note: a.png: the face is small\n" in capsys.readouterr().err
    log.warning("afterwards")
    assert "note" not in capsys.readouterr().err and not logging.getLogger("render_stage").handlers


@pytest.mark.parametrize(("name", "message", "line"), [
    ("d/a.mp4", "d/a.mp4: cannot be read", "d/a.mp4: cannot be read"),
    ("a.mp4", "no face found in a.mp4 (7 frames)", "no face found in a.mp4 (7 frames)"),
    ("a.mp4", "ba.mp4: cannot be read", "a.mp4: ba.mp4: cannot be read"), ("b", "-2 is below 0", "b: -2 is below 0"),
])
def test_what_failed_is_named_once(capsys, name, message, line):
    def job(item):
        raise ValueError(message)

    assert run_each(job, [(name,), (name,)]) == 1
    assert capsys.readouterr().err == 2 * f"headsync: failed: {line}\n"
