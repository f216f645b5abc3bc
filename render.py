"""The command `headsync render`, for those who call it as a script."""
import sys

from headsync.commands.program import main

raise SystemExit(main(["render", *sys.argv[1:]]))
