"""Detector speed on one core and the memory of landmark extraction by length of video.

    taskset -c 0 .venv/bin/python benchmarks/detection.py [--minutes 1 20]

Makes its own videos from the shipped portrait. Prints frames per second of the detector alone on decoded 256x256
frames, of `extract` (decoding twice included), and the peak memory of a fresh process per length.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))   # the benchmarks stand beside the tests, whose moving portrait they use

from headsync import media  # noqa: E402
from headsync.landmarks.detection import extract, make_detector  # noqa: E402
from tests.face_files import shaking  # noqa: E402


def make_video(path: Path, minutes: int) -> Path:
    """The portrait with a slowly moving head, for some minutes."""
    loop = shaking(250)
    with media.VideoWriter(path, size=(256, 256), preset="ultrafast", synthetic=False) as writer:
        for number in range(minutes * 60 * media.FPS):
            writer.write(loop[number % len(loop)])
    return path


def detector_rate(path: Path) -> float:
    """Frames per second of landmark detection on frames that are already decoded."""
    frames = list(media.read_frames(path))[:1000]
    detector = make_detector("mediapipe")
    detector.faces(frames[0])
    begun = time.perf_counter()
    for frame in frames:
        detector.faces(frame)
    return len(frames) / (time.perf_counter() - begun)


def extraction_cost(path: Path) -> dict:
    """Frames, seconds and peak megabytes of `extract` on one video, in this process."""
    begun = time.perf_counter()
    frames = len(extract(path).sequence)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"frames": frames, "seconds": time.perf_counter() - begun, "peak_mb": peak}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 20])
    parser.add_argument("--cost-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cost_of:
        print(json.dumps(extraction_cost(options.cost_of)))
        return
    with tempfile.TemporaryDirectory() as folder:
        for index, minutes in enumerate(options.minutes):
            path = make_video(Path(folder) / f"{minutes}.mp4", minutes)
            if index == 0:
                print(f"detector: {detector_rate(path):.0f} frames/s at 256x256")
            call = [sys.executable, __file__, "--cost-of", path]
            cost = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
            rate = cost["frames"] / cost["seconds"]
            print(f"extract, {minutes:3d} min: {rate:.0f} frames/s, peak {cost['peak_mb']:.0f} MB")


if __name__ == "__main__":
    main()
