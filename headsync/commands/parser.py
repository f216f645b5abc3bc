"""A command line that shows an example first, takes options and other words in any order, and suggests the nearest name.

It needs nothing but Python, so that help and shell completion never wait for torch.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import NoReturn

Run = Callable[[argparse.Namespace], int | None]


class CommandParser(argparse.ArgumentParser):
    """An argument parser for one command, or for a group of commands. Wrong arguments end with code 2 and one line."""

    def __init__(self, *, example: str = "", run: Run | None = None, **options: object):
        """`example` is what to type, one line or several, without the name of the program; `run` does the work."""
        super().__init__(**options)
        self.example, self.run = example, run
        self.commands: dict[str, CommandParser] = {}
        self._group: argparse._SubParsersAction | None = None

    def add_command(self, name: str, *, about: str, example: str = "", run: Run | None = None) -> "CommandParser":
        """A parser for the sub-command `name`, whose help says `about` (its first line also in this parser's help)."""
        if self._group is None:
            self._group = self.add_subparsers(title="commands", metavar="COMMAND")
        summary = " ".join(about.split("\n\n")[0].split())
        self.commands[name] = self._group.add_parser(name, help=summary, description=summary, example=example, run=run)
        return self.commands[name]

    def understood(self, words: Sequence[str]) -> tuple[Run, argparse.Namespace]:
        """The work of the command that `words` begin with, and its options. SystemExit after help, or for wrong words."""
        if not self.commands:
            self._refuse_unknown(words)
            mixed = "--" not in words           # of which argparse's other way loses what follows
            return self.run, self.parse_intermixed_args(words) if mixed else self.parse_args(words)
        if words and not words[0].startswith("-"):
            if words[0] not in self.commands:
                self.error(f"there is no command {words[0]!r}{nearest(words[0], self.commands)}")
            return self.commands[words[0]].understood(words[1:])
        self._refuse_unknown(words)
        if words:
            super().parse_args(words)       # --help, --version
        self.print_help(sys.stderr)
        self.exit(2)

    def _refuse_unknown(self, words: Sequence[str]) -> None:
        """Ends when an option is none of ours: before anything else, since what it hides may seem to be missing."""
        for word in words:
            if word == "--":
                return
            name = word.split("=")[0]
            if word.startswith("--") and not any(known.startswith(name) for known in self._option_string_actions):
                self.error(f"there is no option {name}{nearest(name, self._option_string_actions)}")

    def format_help(self) -> str:
        """The help, the example in front of all else."""
        lines = "".join(f"  headsync {line.strip()}\n" for line in self.example.strip().splitlines())
        return f"example:\n{lines}\n{super().format_help()}" if lines else super().format_help()

    def error(self, message: str) -> NoReturn:
        """Ends with code 2 after one line on stderr."""
        self.exit(2, f"{self.prog}: {' '.join(message.split())} ({self.prog} --help tells more)\n")


def nearest(name: str, known: Sequence[str]) -> str:
    """A question for the known name that is most like `name`, "" when none is."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""
