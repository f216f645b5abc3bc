"""Progress: silent until asked for, plain lines in a log, a bar on a terminal, and nothing left when a stage is over."""

import io
import os
import threading
import time

import pytest

from headsync.commands.program import main
from headsync.media import progress, shown_progress, stage, tracked
from tests.media_files import noise, write_audio


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def quick(monkeypatch):
    """A log's lines come within a tenth of a second."""
    monkeypatch.setattr(progress, "FIRST_S", 0.03)
    monkeypatch.setattr(progress, "EVERY_S", 0.05)
    monkeypatch.setattr(progress, "REFRESH_S", 0.03)


def worked(file, *, total=7, steps=3):
    with shown_progress(file=file), stage("rendering a.mp4", total=total, unit="frame") as step:
        for _ in range(steps):
            step(2)
        time.sleep(0.3)
    return file.getvalue()


def test_a_log_has_plain_lines(quick):
    lines = worked(io.StringIO()).splitlines()
    assert len(lines) >= 2 and "\r" not in lines[-1]
    assert lines[-1].startswith("rendering a.mp4: 6 of 7 frames, 86%, ") and lines[-1].endswith(" left")


def test_a_terminal_has_a_bar_that_goes_on_without_steps_and_vanishes(quick):
    shown = worked(Terminal())
    assert "rendering a.mp4:" in shown and "6/7" in shown and "frame" in shown
    assert shown.split("\r")[-1] == "" and "6/7" not in shown.split("\r")[-2]
    file = Terminal()
    with shown_progress(file=file), stage("reading"):
        time.sleep(0.2)
    assert "reading 00:00" in file.getvalue()


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX")
def test_a_terminal_that_does_not_know_its_size_shows_bars(quick):
    reader, writer = os.openpty()       # it says 0 x 0, as those of containers do
    with os.fdopen(writer, "w") as file:
        with shown_progress(file=file), stage("rendering", total=7, unit="frame") as step:
            step(3)
            time.sleep(0.1)
        shown = os.read(reader, 10000).decode()
    os.close(reader)
    assert "rendering" in shown and "3/7" in shown


def test_nothing_is_shown_unasked(quick, capsys):
    with stage("rendering", total=3) as step:
        step()
        time.sleep(0.1)
    with shown_progress(False), stage("rendering", total=3):
        time.sleep(0.1)
    assert list(tracked(range(3), "items")) == [0, 1, 2] and capsys.readouterr() == ("", "")


def test_what_is_soon_over_leaves_no_line():
    assert worked(io.StringIO()) == ""


def test_a_caller_who_asks_is_not_silenced_further_down(quick):
    file = io.StringIO()
    with shown_progress(file=file), shown_progress(False), stage("deep", total=2) as step:
        step()
        time.sleep(0.1)
    assert "deep: 1 of 2, 50%" in file.getvalue()


def test_no_thread_stays_even_after_an_error():
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), shown_progress(file=io.StringIO()), stage("wrong"):
        raise ZeroDivisionError
    assert threading.active_count() == before


@pytest.mark.parametrize(("given", "line"), [
    (("motion", "frame", 0, 50, 0, 4.2), "motion: 0 of 50 frames, 0%"),
    (("motion", "frame", 25, 50, 25, 5.0), "motion: 25 of 50 frames, 50%, 5.0 a second, 5 s left"),
    (("training", "step", 110, 210, 10, 1000.0), "training: 110 of 210 steps, 52%, 100.0 s each, 2 h 46 min left"),
    (("faces", "frame", 30, None, 30, 10.0), "faces: 30 frames, 3.0 a second"),
    (("reading", "", 0, None, 0, 3.4), "reading: 3 s"),
])
def test_lines_tell_step_rate_and_time_left(given, line):
    name, unit, done, total, new, seconds = given
    assert progress.progress_line(name, unit, done, total, new=new, seconds=seconds) == line


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (7500, "2 h 05 min")])
def test_durations_are_for_people(seconds, words):
    assert progress.duration(seconds) == words


@pytest.mark.parametrize("quiet", [False, True])
def test_a_command_shows_its_stages_unless_quiet(quick, tmp_path, capsys, quiet, monkeypatch):
    monkeypatch.setattr(progress, "FIRST_S", 0.0)
    write_audio(tmp_path / "a.wav", noise(40000, seed=1), rate_hz=16000, codec="pcm_s16le", sample_format="s16")
    assert main(["gen-landmarks", "--audio", str(tmp_path / "a.wav"), "--out", str(tmp_path / "m.npz"), "--model", "short",
                 *["--quiet"] * quiet]) == 0
    said = capsys.readouterr().err
    assert said == "" if quiet else "reading networks" in said and "motion: " in said and "frames" in said
