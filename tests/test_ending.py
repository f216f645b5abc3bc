"""Programs end cleanly by signals, with any console, with standard output that is full or that nobody reads."""

import errno
import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from headsync.commands.command import run_command, run_each
from headsync.commands.console import PipeClosed, SafeStream, safe_streams
from headsync.commands.signals import Ended, raised_signals

ROOT = Path(__file__).parents[1]
SIGNALS = [number for number in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, number)]
PROGRAM = """
import sys, time
from headsync.commands.command import run_command

def main(words):
    {body}

sys.exit(run_command(main))
"""
VIDEO = """
    import numpy as np
    from headsync.media import VideoWriter
    with VideoWriter(words[0], size=(32, 48), preset="ultrafast") as writer:
        for number in range(10**9):
            writer.write(np.zeros((32, 48, 3), np.uint8))
            if number == 3:
                print("going", flush=True)
"""


def program(body, *words, **how):
    """A process that runs the body as a command, its pipes open."""
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": ROOT, **how}
    return subprocess.Popen([sys.executable, "-c", PROGRAM.format(body=body.strip()), *words], **how)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_leaves_no_half_written_video(tmp_path, name):
    (tmp_path / "a.mp4").write_bytes(b"before")
    process = program(VIDEO, str(tmp_path / "a.mp4"))
    assert process.stdout.readline().strip() == b"going"
    process.send_signal(getattr(signal, name))
    said, told = process.communicate(timeout=60)
    assert process.returncode == 128 + getattr(signal, name) and said == b""
    assert told.decode().splitlines() == ["headsync: interrupted" + f" by {name}" * (name != "SIGINT")]
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"] and (tmp_path / "a.mp4").read_bytes() == b"before"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="hang-ups of POSIX")
def test_signals_are_handled_in_commands_only_and_ignored_ones_stay_so():
    """`nohup` has a hang-up ignored, and means it."""
    before, cleared = (signal.getsignal(signal.SIGTERM), signal.signal(signal.SIGHUP, signal.SIG_IGN)), []
    try:
        with pytest.raises(Ended, match="SIGTERM") as caught, raised_signals():
            signal.raise_signal(signal.SIGHUP)
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                signal.raise_signal(signal.SIGTERM)     # again, while things are cleared up
                cleared.append(True)
        assert cleared and caught.value.exit_code == 143 and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) == before[0]
    finally:
        signal.signal(signal.SIGHUP, before[1])


def test_a_late_second_signal_ends_what_hangs(monkeypatch):
    monkeypatch.setattr("headsync.commands.signals.GRACE_S", -1)
    with pytest.raises(Ended, match="SIGTERM"), raised_signals():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            with pytest.raises(Ended):
                signal.raise_signal(signal.SIGTERM)


def test_commands_of_other_threads_listen_to_no_signal():
    codes = []
    thread = threading.Thread(target=lambda: codes.append(run_command(lambda _: 3, [])))
    thread.start()
    thread.join()
    assert codes == [3]


def test_a_console_that_cannot_print_a_name_prints_what_it_can(tmp_path):
    process = program("print(words[0], 'frames')", "é😀.wav", env=os.environ | {"PYTHONIOENCODING": "cp1252"})
    said, told = process.communicate()
    assert (process.returncode, told) == (0, b"") and said.decode("cp1252").split() == ["é\\U0001f600.wav", "frames"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is full")
@pytest.mark.parametrize("flush", [False, True])
def test_a_full_standard_output_costs_no_work(tmp_path, flush):
    """The items after it are done, none is blamed."""
    body = f"""
    from headsync.commands.command import run_each
    def job(name):
        print(name, 'done', flush={flush})
        open(name, "w").close()
    return run_each(job, [(word,) for word in words])
"""
    names = [str(tmp_path / name) for name in "ab"]
    with open("/dev/full", "w") as full:
        process = program(body, *names, stdout=full)
        _, told = process.communicate()
    assert process.returncode == 1 and told.decode().splitlines() == [
        "headsync: standard output could not be written (No space left on device); the work itself is not concerned"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is full")
def test_a_full_standard_output_at_help_or_error(tmp_path):
    for body, code in (("import argparse; argparse.ArgumentParser().parse_args(['--help'])", 1), ("raise ValueError('x')", 2)):
        with open("/dev/full", "w") as full:
            process = program(f"print(7); {body}", stdout=full)
            _, told = process.communicate()
        assert process.returncode == code and "standard output could not be written" in told.decode()
        assert "Exception" not in told.decode()


def test_a_pipe_that_nobody_reads_ends_a_command_quietly(tmp_path):
    body = """
    from headsync.media.files import growing_file
    for number in range(10**6):
        with growing_file(words[0]) as partial:
            partial.touch()
            print(number, flush=True)
"""
    process = program(body, str(tmp_path / "a"))
    assert process.stdout.readline().strip() == b"0"
    process.stdout.close()
    assert process.wait(60) == 141 and process.stderr.read() == b""
    assert [path.name for path in tmp_path.iterdir()] in ([], ["a"])
    process.stderr.close()


def test_work_that_is_done_is_done_though_nobody_reads_of_it():
    read, write = os.pipe()
    os.close(read)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = program("print('done')", stdout=write, env=env)
    os.close(write)
    _, told = process.communicate()
    assert (process.returncode, told) == (0, b"")


class Broken(io.StringIO):
    """A stream whose writes fail."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def write(self, text):
        raise OSError(self.number, os.strerror(self.number))


def test_no_item_is_blamed_for_the_stream(monkeypatch, capsys):
    """A closed pipe is no item's failure, and ends all; a full one is kept in mind."""
    monkeypatch.setattr(sys, "stdout", Broken(errno.EPIPE))
    assert run_command(lambda _: run_each(print, [("a",), ("b",)]), []) == 141 and capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stdout", Broken(errno.ENOSPC))
    assert run_command(lambda _: run_each(print, [("a",), ("b",)]), []) == 1
    assert "No space left on device" in capsys.readouterr().err
    stream = SafeStream(Broken(errno.EIO))
    assert stream.write("abc") == 3 and stream.failure.errno == errno.EIO
    with pytest.raises(PipeClosed):
        SafeStream(Broken(errno.EPIPE)).writelines(["a"])


def test_programs_without_streams_and_streams_that_escape_by_themselves(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with safe_streams() as (said, _):
        assert said is None and sys.stdout is None
    assert run_command(lambda _: print("x"), []) == 0
    own = io.TextIOWrapper(io.BytesIO(), "ascii", errors="replace")
    SafeStream(own).write("é")
    own.flush()
    assert own.buffer.getvalue() == b"?" and SafeStream(own).encoding == "ascii"
