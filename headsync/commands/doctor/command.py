"""Is everything there for making videos: versions, devices, detectors, weights, and what to do about what is missing."""

import argparse
import sys

from headsync.commands.doctor import as_json, as_lines, examine, verdict
from headsync.commands.parser import CommandParser

EXAMPLE = "doctor"


def add_arguments(parser: CommandParser) -> None:
    """Its options."""
    parser.add_argument("--json", action="store_true", help="for programs: `ready` and the findings")


def run(options: argparse.Namespace) -> int:
    """Examine and tell: 0 when all that is needed is there, else 2 and one line on stderr."""
    findings = examine()
    print(as_json(findings) if options.json else "\n".join(as_lines(findings)))
    if line := verdict(findings):
        print(f"headsync: {line}", file=sys.stderr)
        return 2
    return 0
