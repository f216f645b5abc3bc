# PYTHON_ARGCOMPLETE_OK
"""The program `headsync`: one command for each job.

Nothing heavy is imported here, nor at the top of the commands' modules: `headsync --help` and completion answer at once.
"""

import argparse
import os
from collections.abc import Sequence
from importlib import import_module, metadata

from headsync.commands.command import run_command
from headsync.commands.parser import CommandParser, Run

MODULES = {"talk": "talk", "dub": "dub", "gen-landmarks": "gen_landmarks", "render": "render", "landmarks": "landmarks",
           "sync": "sync", "correct-sync": "correct_sync", "practice": "practice",
           "preprocess": "preprocess", "train": "train", "evaluate": "evaluate",
           "doctor": "doctor.command", "setup-opencv": "setup_opencv"}
AT_ONCE = ("doctor", "setup-opencv")     # these have no progress to show
SHELLS = ("bash", "zsh", "fish", "powershell")
EXAMPLE = "talk --audio speech.wav --refs photo.jpg --out talking.mp4"


def program() -> CommandParser:
    """The whole command line."""
    parser = CommandParser(prog="headsync", description="Sound and a photo in, a talking face out; and all that it is made "
                                                        "of: motion, rendering, sync, corpora, training, evaluation.",
                           epilog="headsync COMMAND --help tells about one of them. Completion of commands and options: "
                                  'eval "$(headsync --completion bash)"', example=EXAMPLE)
    parser.add_argument("--version", action="version", version=f"headsync {version()}")
    parser.add_argument("--completion", choices=SHELLS, help="print what makes this shell complete commands and options")
    for name, where in MODULES.items():
        module = import_module(f"headsync.commands.{where}")
        command = parser.add_command(name, about=module.__doc__, example=module.EXAMPLE, run=getattr(module, "run", None))
        module.add_arguments(command)
        for one in (command.commands.values() or [command]) if name not in AT_ONCE else ():
            one.add_argument("--quiet", action="store_true", help="show no progress")
    return parser


def version() -> str:
    """Of the installed headsync; "unknown" where it runs from its source folder without being installed."""
    try:
        return metadata.version("headsync")
    except metadata.PackageNotFoundError:
        return "unknown"


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of `headsync`: the exit code of what `words` (default: the command line's) ask for."""
    return run_command(answer, words)


def answer(words: list[str]) -> int | None:
    """Do what the words ask for; the exit code of a command's own."""
    parser = program()
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)    # answers the shell and ends
    if words[:1] == ["--completion"] and words[1:] and words[1] in SHELLS:
        import argcomplete

        print(argcomplete.shellcode(["headsync"], True, words[1]))
        return 0
    run, options = parser.understood(words)
    return run_shown(run, options)


def run_shown(run: Run, options: argparse.Namespace) -> int | None:
    """What a command returns, its progress shown unless it is to be quiet."""
    if getattr(options, "quiet", True):
        return run(options)
    from headsync.media import shown_progress

    with shown_progress():
        return run(options)
