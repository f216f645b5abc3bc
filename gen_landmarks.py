"""The command `headsync-gen-landmarks`, for those who call it as a script."""

from headsync.commands.gen_landmarks import main

raise SystemExit(main())
