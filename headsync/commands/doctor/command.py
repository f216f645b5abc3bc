"""Is everything there for making videos: versions, devices, detectors, weights, and what to do about what is missing."""

import argparse
import sys

from headsync.commands.doctor import as_json, as_lines, examine, verdict


def main(argv: list[str] | None = None) -> int:
    """Entry point of `headsync-doctor`: 0 when all that is needed is there, else 2 and one line on stderr."""
    parser = argparse.ArgumentParser(prog="headsync-doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="for programs: `ready` and the findings")
    options = parser.parse_args(argv)
    findings = examine()
    print(as_json(findings) if options.json else "\n".join(as_lines(findings)))
    if line := verdict(findings):
        print(f"headsync: {line}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
