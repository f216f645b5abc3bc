"""Preprocessing speed with one and two jobs, and what ten kills do to a corpus.

    .venv/bin/python benchmarks/preprocessing.py --videos DIR [DIR ...] [--manifest CSV ...] [--jobs 1 2] [--kills 10]

Prints minutes of material per minute of wall time for each number of jobs; with --kills, kills a run with SIGKILL at
random moments (seeded), finishes it, and compares every landmark, feature and mesh file with those of the unbroken run.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from headsync.corpus import minutes, open_corpus

ROOT = Path(__file__).parents[1]


def command(options: argparse.Namespace, out: Path, jobs: int) -> list[str]:
    """The call of preprocess.py."""
    manifest = ["--manifest", *options.manifest] if options.manifest else []
    return [sys.executable, str(ROOT / "preprocess.py"), "--videos", *options.videos, *manifest,
            "--out", str(out), "--jobs", str(jobs)]


def digests(corpus: Path) -> dict[str, str]:
    """SHA-256 of every landmark, feature and mesh file."""
    return {str(path.relative_to(corpus)): hashlib.sha256(path.read_bytes()).hexdigest()
            for name in ("landmarks", "features", "mesh") for path in (corpus / name).iterdir()}


def build(options: argparse.Namespace, out: Path, jobs: int) -> float:
    """Seconds of a whole run; its exit code may be 1 (unreadable sources are listed) but not 2."""
    begun = time.perf_counter()
    code = subprocess.call(command(options, out, jobs), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if code not in (0, 1):
        raise SystemExit(f"preprocess.py ended with {code}")
    return time.perf_counter() - begun


def kill_and_finish(options: argparse.Namespace, out: Path, jobs: int, longest_s: float) -> None:
    """Kill as often as asked, at moments spread over the length of a whole run, then finish."""
    moments = random.Random(7)
    for number in range(options.kills):
        process = subprocess.Popen(command(options, out, jobs), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        time.sleep(moments.uniform(1, longest_s / options.kills * 2))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        print(f"kill {number + 1}: {len(list((out / 'landmarks').glob('*.npz')))} landmark files so far", flush=True)
    build(options, out, jobs)


def main() -> None:
    """Print rates, then the result of the kills."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", nargs="+", required=True)
    parser.add_argument("--manifest", nargs="+", default=[])
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--kills", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for jobs in options.jobs:
            out = Path(folder) / "whole"
            shutil.rmtree(out, ignore_errors=True)
            seconds = build(options, out, jobs)
            clips = open_corpus(out).clips
            print(f"{jobs} jobs: {len(clips)} clips, {minutes(clips):.1f} min in {seconds:.0f} s = "
                  f"{minutes(clips) * 60 / seconds:.1f} x real time; again: {build(options, out, jobs):.1f} s", flush=True)
        if options.kills:
            broken = Path(folder) / "broken"
            broken.mkdir()
            kill_and_finish(options, broken, options.jobs[-1], seconds)
            print("same landmarks, features and meshes:", digests(broken) == digests(out))


if __name__ == "__main__":
    main()
