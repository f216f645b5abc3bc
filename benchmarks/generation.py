"""How fast motion is made, how soon it begins, and that memory does not grow: the speed lines of docs/results/speed.md.

    taskset -c 0 .venv/bin/python benchmarks/generation.py [--model long] [--hour]

Makes its own sounds. Frames per second are end to end on one thread: file in, .npz out. Real-time factors are processor
seconds per second of sound, of `stream_landmarks` at several block sizes and of `generate_landmarks` (offline), the
median of three rounds taken in turn, so that other work on the machine counts little. The first block is timed on live
sound that arrives frame by frame. `--hour` also writes an hour of sound and compares peak memory with a minute's,
each in a process of its own.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from headsync.media import SAMPLES_PER_FRAME, measure_level, write_flac
from landmark_stage import LOOK_AHEAD_FRAMES, generate_landmarks, load_generator, start_face, stream_landmarks, write_landmarks

MINUTE = 60 * 16000


def made_up_sound(samples: int) -> np.ndarray:
    """Noise that is now loud, now soft, as speech is."""
    random = np.random.default_rng(1)
    loud = np.repeat(random.random(samples // 2000 + 1), 2000)[:samples]
    return (0.3 * loud * random.standard_normal(samples)).astype(np.float32)


def first_block(model: str) -> float:
    """Seconds of computing from when the look-ahead of frame 1 has arrived until it is there."""
    generator, waveform, arrived = load_generator(model), made_up_sound(MINUTE // 10), []

    def live():
        for start in range(0, len(waveform), SAMPLES_PER_FRAME):
            arrived.append(time.perf_counter())
            yield waveform[start : start + SAMPLES_PER_FRAME]

    blocks = stream_landmarks(live(), start_face(), generator=generator, level=measure_level([waveform]), block_frames=1)
    next(blocks)        # frame 0 is the start
    next(blocks)
    return time.perf_counter() - arrived[1 + LOOK_AHEAD_FRAMES]


def real_time_factors(model: str, *, seconds: int = 10, rounds: int = 3) -> dict[str, float]:
    """Processor seconds per second of sound, by block size and offline."""
    generator, start, waveform = load_generator(model), start_face(), made_up_sound(seconds * 16000)
    ways = {f"block_frames={size}": lambda size=size: sum(map(len, stream_landmarks(
        waveform, start, generator=generator, block_frames=size))) for size in (1, 5, 25)}
    ways["offline"] = lambda: generate_landmarks(waveform, start, generator=generator)
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            began = time.process_time()
            work()
            took[name].append((time.process_time() - began) / seconds)
    return {name: statistics.median(times) for name, times in took.items()}


def one(sound: Path, model: str) -> None:
    """Generate, print frames per second and peak memory of this process."""
    generator, begun = load_generator(model), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        frames = write_landmarks(sound, start_face(), Path(folder) / "s.npz", generator=generator)
    seconds = time.perf_counter() - begun
    # of this program alone: ru_maxrss would count the parent's peak, which lives on across exec
    peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
    rate = frames / seconds
    print(f"{frames} frames: {rate:.0f} frames/s = {rate / 25:.0f} x real time, peak {peak:.0f} MB", flush=True)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="long")
    parser.add_argument("--hour", action="store_true")
    parser.add_argument("--sound", type=Path, help="(for itself) generate for this file and say how it went")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.sound:
        one(options.sound, options.model)
        return
    print(f"first block of live sound: look-ahead {LOOK_AHEAD_FRAMES} frames + {1000 * first_block(options.model):.0f} ms")
    for name, factor in real_time_factors(options.model).items():
        print(f"{name}: real-time factor {factor:.3f} ({1 / factor:.0f} x real time)", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        minute = made_up_sound(MINUTE)
        for name, count in (("minute", 1), *((("hour", 60),) if options.hour else ())):
            sound = Path(folder) / f"{name}.flac"
            write_flac(sound, np.tile(minute, count))
            print(name, end=": ", flush=True)
            subprocess.run([sys.executable, __file__, "--model", options.model, "--sound", str(sound)], check=True)


if __name__ == "__main__":
    main()
