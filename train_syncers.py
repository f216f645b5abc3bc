"""The command `headsync-train-syncers`, for those who call it as a script."""

from headsync.commands.train_syncers import main

raise SystemExit(main())
