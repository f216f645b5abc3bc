"""Files appear whole or not at all, and what ended processes leave half-written is removed; never what living ones write."""

import errno
import os
import subprocess
import sys

import pytest

from headsync import media
from headsync.media import files, left_behind, remove_left_behind, write_whole

WRITING = """
import os, sys
from pathlib import Path
from headsync.media.files import partial_path
partial_path(Path(sys.argv[1])).write_bytes(b"half")
print("half", flush=True)
sys.stdin.read()
"""


def other_writer(path):
    """A process that has written a half of this file, and waits."""
    process = subprocess.Popen([sys.executable, "-c", WRITING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"half\n"
    return process


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_only_files_of_ended_processes_are_removed(tmp_path):
    with other_writer(tmp_path / "a.mp4") as process:
        remove_left_behind([tmp_path, tmp_path / "missing"])
        assert len(names(tmp_path)) == 1                            # it lives
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)   # a zombie now: nobody has asked for its end
        (tmp_path / "b.partial-note").write_bytes(b"not ours")
        remove_left_behind([tmp_path])
        assert names(tmp_path) == ["b.partial-note"]
        process.wait()


def test_a_number_alone_names_no_process(tmp_path):
    """A later process may have an ended one's number; on another machine all may live."""
    own = files.partial_path(tmp_path / "c-d.npz")
    name, number, started, machine, end = own.name.rsplit("-", 4)
    earlier = own.with_name("-".join([name, number, str(int(started) + 1), machine, end]))
    elsewhere = own.with_name("-".join([name, number, str(int(started) + 1), "0123abcd", end]))
    for path in (own, earlier, elsewhere):
        path.write_bytes(b"half")
    remove_left_behind([tmp_path])
    assert {*names(tmp_path)} == {own.name, elsewhere.name}


def test_who_cannot_be_told_lives(tmp_path, monkeypatch):
    assert left_behind._lives(1, 0) and left_behind._lives(os.getpid(), left_behind._started(os.getpid()))

    def forbidden(process, number):
        raise PermissionError(errno.EPERM, "not yours")

    monkeypatch.setattr(os, "kill", forbidden)
    monkeypatch.setattr(left_behind, "_started", lambda process: None)       # as where /proc hides others
    assert left_behind._lives(999_999, 7)


def test_the_kernel_s_words_are_read_as_they_are(monkeypatch):
    """The program's name stands in brackets and may hold brackets and spaces."""
    words = "7 (a) b (c) S " + " ".join(str(number) for number in range(4, 53))
    monkeypatch.setattr(left_behind.Path, "read_text", lambda path, **how: words)
    assert left_behind._started(7) == 22
    words = words.replace("S", "Z")
    assert left_behind._started(7) == -1 and not left_behind._lives(os.getpid(), 22)


def test_what_is_written_stands_and_nothing_beside_it(tmp_path):
    assert write_whole(tmp_path / "a", b"one", b"", b"two") == tmp_path / "a"
    assert (tmp_path / "a").read_bytes() == b"onetwo" and names(tmp_path) == ["a"]


@pytest.mark.parametrize("problem", [OSError, RuntimeError, KeyboardInterrupt, SystemExit])
def test_whatever_stops_it_the_file_before_stays(tmp_path, problem):
    write_whole(tmp_path / "a", b"before")
    with pytest.raises(problem), media.growing_file(tmp_path / "a") as partial:
        partial.write_bytes(b"half")
        raise problem
    assert (tmp_path / "a").read_bytes() == b"before" and names(tmp_path) == ["a"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_are_those_of_the_file_before_or_the_user_s(tmp_path):
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "new", b"1")
        write_whole(tmp_path / "old", b"1")
        (tmp_path / "old").chmod(0o604)
        write_whole(tmp_path / "old", b"2")
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("new", "old")] == [0o640, 0o604]
    assert (tmp_path / "old").read_bytes() == b"2"


def test_file_and_folder_reach_the_disk_in_this_order(tmp_path, monkeypatch):
    done, synced, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}")
                                                                 else "file"), synced(handle))[1])
    monkeypatch.setattr(os, "replace", lambda *names: (done.append("name"), replace(*names))[1])
    write_whole(tmp_path / "a", b"1")
    assert done == (["file", "name", "folder"] if os.path.isdir("/proc/self/fd") else done)


def test_a_file_system_that_syncs_no_folders_will_do(tmp_path, monkeypatch):
    opened = os.open

    def refusing(path, *how, **more):
        if os.path.isdir(path):
            raise OSError(errno.EINVAL, "not here")
        return opened(path, *how, **more)

    monkeypatch.setattr(os, "open", refusing)
    write_whole(tmp_path / "a", b"1")
    assert (tmp_path / "a").read_bytes() == b"1"


@pytest.mark.parametrize("times", [3, 10**9])
def test_a_refused_name_is_asked_for_again_for_a_while(tmp_path, monkeypatch, times):
    """A virus scanner on Windows keeps the new file open for a moment."""
    replace, asked = os.replace, []

    def refused(*names):
        asked.append(names)
        if len(asked) <= times:
            raise PermissionError(errno.EACCES, "Access is denied")
        replace(*names)

    monkeypatch.setattr(os, "replace", refused)
    assert files.PATIENCE_S == 2
    monkeypatch.setattr(files, "PATIENCE_S", 0.3)
    if times == 3:
        write_whole(tmp_path / "a", b"1")
        assert (tmp_path / "a").read_bytes() == b"1" and len(asked) == 4
    else:
        with pytest.raises(PermissionError, match=r"another program may have it open.*'.*/a'$"):
            write_whole(tmp_path / "a", b"1")
        assert 3 < len(asked) < 12 and not names(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_a_pipe_or_device_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is a device or a pipe"):
        write_whole(tmp_path / "pipe", b"1")
    assert names(tmp_path) == ["pipe"]


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "😀" * 63])
def test_the_longest_names_have_partial_ones(tmp_path, name):
    partial = files.partial_path(tmp_path / name)
    partial.name.encode()                                           # cut between characters
    assert len(os.fsencode(partial.name)) <= 255 and left_behind._PARTIAL.fullmatch(partial.name)
    assert write_whole(tmp_path / name, b"1").read_bytes() == b"1"
