"""The command `headsync gen-landmarks`, for those who call it as a script."""
import sys

from headsync.commands.program import main

raise SystemExit(main(["gen-landmarks", *sys.argv[1:]]))
