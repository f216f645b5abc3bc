# PYTHON_ARGCOMPLETE_OK
"""The program `headsync`, as `python -m headsync`."""

from headsync.commands.program import main

if __name__ == "__main__":
    raise SystemExit(main())
