"""The command `headsync train syncers`, for those who call it as a script."""
import sys

from headsync.commands.program import main

raise SystemExit(main(["train", "syncers", *sys.argv[1:]]))
