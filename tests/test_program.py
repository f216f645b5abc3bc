"""One program: every command has help with an example first, any order of arguments is understood, names are suggested."""

import os
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from headsync.commands.motion_arguments import DETECTORS
from headsync.commands.parser import CommandParser
from headsync.commands.program import main, program

ROOT = Path(__file__).parents[1]
STUBS = {"gen_landmarks.py": "headsync gen-landmarks", "render.py": "headsync render",
         "train_syncers.py": "headsync train syncers"}
HEAVY = {"torch", "numpy", "cv2", "mediapipe", "scipy", "av", "omegaconf", "argcomplete"}


def leaves(parser: CommandParser | None = None) -> dict[str, CommandParser]:
    """Every command that does something, as it is typed, with its parser."""
    parser = parser or program()
    if not parser.commands:
        return {parser.prog: parser}
    return {name: leaf for one in parser.commands.values() for name, leaf in leaves(one).items()}


def said(capsys, *words: str) -> tuple[int, str, str]:
    """The exit code of the program, and what it says on stdout and stderr."""
    try:
        code = main(words)
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    return code, out, err


def python(*words: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *words], cwd=ROOT, env=os.environ | variables, capture_output=True, text=True,
                          timeout=60)


def test_the_commands_are_these():
    kinds = ("syncers", "landmarks", "articulation", "expression", "head-motion", "renderer", "close-up", "pc-avs", "g4g",
             "encoder")
    others = ("talk", "dub", "gen-landmarks", "render", "landmarks", "sync", "correct-sync", "practice", "preprocess",
              "evaluate", "doctor", "setup-opencv")
    assert set(leaves()) == {f"headsync train {kind}" for kind in kinds} | {f"headsync {one}" for one in others}


@pytest.mark.parametrize("command", leaves())
def test_help_shows_an_example_first_that_is_understood(capsys, command):
    code, out, err = said(capsys, *command.split()[1:], "--help")
    first, example, *rest = out.splitlines()
    assert (code, err, first) == (0, "", "example:") and example.startswith(f"  {command}")
    assert f"usage: {command} " in out and "%(" not in out and len(rest) > 4
    run, _ = program().understood(example.split()[1:])
    assert callable(run)


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"]])
def test_a_groups_help_names_its_commands(capsys, words):
    code, out, err = said(capsys, *words)
    assert (code, err) == (0, "") and out.startswith("example:\n  headsync ")
    assert all(name.split()[len(words)] in out for name in leaves() if len(words) == 1 or name.split()[1] == "train")


@pytest.mark.parametrize(("words", "told"), [
    (["tlak"], "headsync: there is no command 'tlak'; did you mean talk? (headsync --help tells more)"),
    (["train", "render"],
     "headsync train: there is no command 'render'; did you mean renderer? (headsync train --help tells more)"),
    (["xyzzy"], "headsync: there is no command 'xyzzy' (headsync --help tells more)"),
    (["talk", "--head-moton", "still"],
     "headsync talk: there is no option --head-moton; did you mean --head-motion? (headsync talk --help tells more)"),
    (["--versoin"], "headsync: there is no option --versoin; did you mean --version? (headsync --help tells more)"),
    (["talk", "--audio", "a.wav"],
     "headsync talk: the following arguments are required: --out, --refs (headsync talk --help tells more)"),
    (["talk", "--audio=a", "--refs=b", "--out=c", "d"],
     "headsync talk: unrecognized arguments: d (headsync talk --help tells more)"),
])
def test_wrong_words_are_one_line_with_the_nearest_name(capsys, words, told):
    assert said(capsys, *words) == (2, "", f"{told}\n")


def test_without_a_command_the_help_is_shown(capsys):
    code, out, err = said(capsys)
    assert (code, out) == (2, "") and "gen-landmarks" in err


@pytest.mark.parametrize("words", [
    ["people=first", "--config", "tiny", "run.steps=10", "--data", "c", "--out=r"],
    ["--config", "tiny", "people=first", "--data", "c", "run.steps=10", "--out=r"],
    ["--config", "tiny", "--data", "c", "--out=r", "people=first", "run.steps=10"],
])
def test_settings_stand_on_both_sides_of_an_option(words):
    _, options = program().understood(["train", "syncers", *words])
    assert options.overrides == ["people=first", "run.steps=10"]
    assert (options.kind, options.config, options.data, options.out) == ("syncers", "tiny", "c", "r")
    _, options = program().understood(["correct-sync", "rounds=3", "--data", "c", "train.run.seed=5"])
    assert options.overrides == ["rounds=3", "train.run.seed=5"]


def test_videos_stand_on_both_sides_of_an_option():
    assert program().understood(["sync", "a.mp4", "--plot", "p", "b.mp4"])[1].videos == ["a.mp4", "b.mp4"]


def test_help_is_quick_and_imports_nothing_heavy():
    listing = "import sys; from headsync.commands.program import program; program(); print(*sys.modules)"
    assert not HEAVY & set(python("-c", listing).stdout.split())
    took = []
    for _ in range(3):
        began = time.monotonic()
        assert python("-m", "headsync", "talk", "--help").stdout.startswith("example:")
        took.append(time.monotonic() - began)
    assert min(took) < 1.0      # 0.12 s on a quiet machine; torch alone takes longer than this


def test_version_and_module_and_stubs(capsys):
    assert said(capsys, "--version")[:2] == (0, f"headsync {metadata.version('headsync')}\n")
    for name, command in STUBS.items():
        assert f"usage: {command} " in python(name, "--help").stdout
        assert len((ROOT / name).read_text().splitlines()) <= 6




def test_detectors_are_those_that_there_are():
    from headsync.landmarks import detection

    assert tuple(detection.DETECTORS) == DETECTORS


@pytest.mark.parametrize(("typed", "completed"), [
    ("headsync ta", {"talk"}),
    ("headsync train head", {"head-motion"}),
    ("headsync talk --head-re", {"--head-reference"}),
    ("headsync landmarks --detector f", {"face-alignment"}),
    ("headsync train renderer --dev", {"--device"}),
])
def test_the_shell_completes_commands_and_options(typed, completed, tmp_path):
    pytest.importorskip("argcomplete")
    found = tmp_path / "found"
    done = python("-m", "headsync", _ARGCOMPLETE="1", _ARGCOMPLETE_IFS="\n", _ARGCOMPLETE_STDOUT_FILENAME=str(found),
                  COMP_LINE=typed, COMP_POINT=str(len(typed)), _ARGCOMPLETE_SUPPRESS_SPACE="1")
    assert done.returncode == 0, done.stderr
    assert {one.strip() for one in found.read_text().split("\n")} == completed


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_makes_a_shell_complete_is_printed(capsys, shell):
    pytest.importorskip("argcomplete")
    code, out, err = said(capsys, "--completion", shell)
    assert (code, err) == (0, "") and "headsync" in out and "_ARGCOMPLETE" in out
