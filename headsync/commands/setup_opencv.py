"""Makes `import cv2` work without a display: puts OpenCV's headless build in the place of its desktop builds.

mediapipe and face-alignment ask for the desktop builds, which load libxcb, libGL or libgthread (by version) from the
system; servers and containers often have none. This imports nothing of ours, since much of ours needs cv2.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from importlib.metadata import distributions

from headsync.commands.parser import CommandParser

EXAMPLE = "setup-opencv"
HEADLESS = "opencv-contrib-python-headless"
BUILDS = ("opencv-contrib-python", "opencv-python", "opencv-python-headless", HEADLESS)


def missing_library(message: str) -> str | None:
    """The system library that a failed import asked for; None where it failed for another reason, or worked."""
    found = re.search(r"(\S+\.so[.\d]*): cannot open shared object file", message)
    return found.group(1) if found else None


def python(*arguments: str) -> str:
    """What this Python says on stderr when it fails with these arguments, "" when it does not fail."""
    run = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    return "" if run.returncode == 0 else run.stderr.strip() or f"exit code {run.returncode}"


def replace_builds(builds: dict[str, str]) -> str:
    """Why putting the headless build in the builds' place failed, "" if it did not. Fetches before it removes."""
    wanted = f"{HEADLESS}=={max(builds.values())}"
    with tempfile.TemporaryDirectory() as folder:
        return (
            python("-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", folder, wanted)
            or python("-m", "pip", "uninstall", "--yes", *builds)
            or python("-m", "pip", "install", "--no-deps", "--no-index", "--find-links", folder, wanted)
            or python("-c", "import cv2")
        )


def add_arguments(parser: CommandParser) -> None:
    """It has no options."""


def run(options: argparse.Namespace) -> int:
    """Mend cv2 where it is OpenCV's desktop build that does not load."""
    builds = {found.metadata["Name"]: found.version for found in distributions() if found.metadata["Name"] in BUILDS}
    failure = python("-c", "import cv2")
    if builds and (library := missing_library(failure)):
        print(f"cv2 needs {library}, which this machine lacks: replacing {', '.join(sorted(builds))} by {HEADLESS}")
        failure = replace_builds(builds)
    if failure:
        print(f"headsync: cv2 does not import: {failure.splitlines()[-1]}", file=sys.stderr)
        return 2
    print("cv2 imports")
    return 0
