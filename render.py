"""The command `headsync-render`, for those who call it as a script."""

from headsync.commands.render import main

raise SystemExit(main())
