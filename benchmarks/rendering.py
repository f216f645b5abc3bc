"""How fast landmarks become video, where the time goes, and that memory does not grow: the renderer's speed lines.

    .venv/bin/python benchmarks/rendering.py [--model small] [--threads 2] [--frames 500] [--references 1 8 32] [--long]

The shipped portrait's head and lips move for some frames. Frames per second are end to end: an .npz in, an encoded mp4
of 256x256 with sound out, after one short run that compiles and warms up. Milliseconds per frame of the parts are wall
time: those of the networks by hooks on the renderer's modules, the geometry by calling it, the encoder by writing the
same frames. Multiplications are counted by torch's FlopCounterMode, for one frame and K references. `--long` compares
the peak memory of 20 minutes of output with that of one, each in a process of its own.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from headsync import media
from headsync.landmarks import LandmarkSequence, head_pose, rotation_matrix
from render_stage import Drive, deformed_vertices, key_mesh, load_renderer, load_topology, match, project
from render_stage.references import read_references
from render_stage.rhythmic_head import RhythmicHead
from render_stage.video import render_video
from tests.media_files import stream_ends

PORTRAIT = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
MINUTE = 1500
PASSES = 3
NETWORK_FRAMES = 20


def moving_head(start: LandmarkSequence, frames: int) -> LandmarkSequence:
    """The face of a one-frame sequence looking left and right by 20 degrees, its jaw and lips going at 4 Hz."""
    t, face = np.arange(frames), np.repeat(start.points, frames, 0).astype(np.float64)  # (T, 68, 3)
    opening = 3 * (1 + np.sin(t))[:, None]
    face[:, 6:11, 1] += opening
    face[:, [*range(55, 60), *range(65, 68)], 1] += opening
    yaw, middle = np.zeros((frames, 3)), start.points[0].mean(0)
    yaw[:, 1] = 0.35 * np.sin(t / 11)
    turned = (face - middle) @ np.swapaxes(rotation_matrix(yaw), 1, 2) + middle
    return start.replace(points=turned.astype(np.float32), visible=np.ones(frames, bool))


def sound(path: Path, frames: int) -> Path:
    """Noise as long as the frames."""
    noise = np.random.default_rng(1).standard_normal(media.samples_for_frames(frames))
    media.write_flac(path, (0.05 * noise).astype(np.float32))
    return path


def end_to_end(folder: Path, renderer: RhythmicHead, count: int, frames: int) -> float:
    """Frames per second from an .npz to an mp4 with sound, the references read before (the median of three runs)."""
    references = read_references([PORTRAIT], progress=False)
    references = references._replace(sources=references.sources * count) if count > 1 else references
    sequence = moving_head(references.start(), frames)
    sequence.save(folder / "s.npz")
    audio, rates = sound(folder / "a.flac", frames), []
    for _ in range(PASSES):
        begun = time.perf_counter()
        render_video(folder / "s.npz", references, folder / "v.mp4", audio=audio, renderer=renderer, progress=False)
        rates.append(frames / (time.perf_counter() - begun))
    return float(np.median(rates))


def network_parts(renderer: RhythmicHead, identity, points: np.ndarray) -> dict[str, float]:
    """Milliseconds per frame, on one thread, of all of `frames`, and inside each direct child of the renderer's network."""
    spent, begun = {}, {}
    network = next(value for value in vars(renderer).values() if isinstance(value, torch.nn.Module))
    children, hooks = dict(network.named_children()), []
    for name, child in children.items():
        hooks.append(child.register_forward_pre_hook(lambda *_, name=name: begun.__setitem__(name, time.perf_counter())))
        hooks.append(child.register_forward_hook(
            lambda *_, name=name: spent.__setitem__(name, spent.get(name, 0) + time.perf_counter() - begun[name])))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)            # else two frames are made at once and the hooks see both
    start = time.perf_counter()
    renderer.frames(identity, Drive(points))
    total = time.perf_counter() - start
    torch.set_num_threads(threads)
    for hook in hooks:
        hook.remove()
    parts = {f"network: {name}": 1000 * value / len(points) for name, value in spent.items()}
    return {"renderer.frames, all, one thread": 1000 * total / len(points), **parts}


def outside_parts(points: np.ndarray, references: list, made: np.ndarray, folder: Path) -> dict[str, float]:
    """Milliseconds per frame of what is done without a network: geometry and encoding."""
    reference, topology = references[0], load_topology()
    key = key_mesh(reference.picture, reference.mesh, topology=topology)
    pose, known = head_pose(points), head_pose(np.stack([one.points for one in references]))

    def timed(work) -> float:
        work()
        begun = time.perf_counter()
        work()
        return 1000 * (time.perf_counter() - begun) / len(points)

    vertices = deformed_vertices(key, points, pose)

    def encode() -> None:
        with media.VideoWriter(folder / "e.mp4", size=made[0].shape[:2], preset="veryfast") as writer:
            for frame in made:
                writer.write(frame)

    return {"head poses and matching": timed(lambda: match(head_pose(points).h, known.h)),
            "mesh: pose and bend": timed(lambda: deformed_vertices(key, points, pose)),
            "mesh: project": timed(lambda: [project(key, one) for one in vertices]), "encode": timed(encode)}


def multiplications(renderer: RhythmicHead, references: list, points: np.ndarray) -> tuple[float, float]:
    """GMAC of preparing an identity, and of one frame."""
    counted, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)            # the counter sees its own thread alone
    for frames in (0, 1, 2):
        with FlopCounterMode(display=False) as counter:
            identity = renderer.prepare(references)
            if frames:
                renderer.explain(identity, points[:frames])
        counted.append(counter.get_total_flops() / 2e9)
    torch.set_num_threads(threads)
    return counted[0], counted[2] - counted[1]


def one_long(model: str, frames: int) -> None:
    """Render so many frames; say this process's own peak memory while it renders, and where picture and sound end."""
    renderer = load_renderer(model)
    references = read_references([PORTRAIT], progress=False)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "v.mp4"
        moving_head(references.start(), frames).save(Path(folder) / "s.npz")
        audio = sound(Path(folder) / "a.flac", frames)
        Path("/proc/self/clear_refs").write_text("5")       # the peak so far is of making the sequence and its sound
        begun = time.perf_counter()
        render_video(Path(folder) / "s.npz", references, made, renderer=renderer, audio=audio, progress=False)
        rate = frames / (time.perf_counter() - begun)
        peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
        ends = " and ".join(f"{name} {end_s:.4f} s" for name, end_s in stream_ends(made).items())
    print(f"{frames} frames ({frames / MINUTE:g} min): {rate:.1f} frames/s, peak {peak:.0f} MB; ends: {ends}", flush=True)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="small")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--references", type=int, nargs="+", default=[1, 8, 32], metavar="K")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", type=int, metavar="FRAMES", help="(for itself) render so many and say the peak memory")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.only:
        one_long(options.model, options.only)
        return
    renderer = load_renderer(options.model)
    seen = read_references([PORTRAIT], progress=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in options.references:
            references = list(seen.on_canvas()) * count
            points = moving_head(seen.start(), NETWORK_FRAMES).points
            begun = time.perf_counter()
            identity = renderer.prepare(references)
            prepared = time.perf_counter() - begun
            made = renderer.frames(identity, Drive(points))
            fixed, each = multiplications(renderer, references, points)
            rate = end_to_end(folder, renderer, count, options.frames)
            print(f"\nK = {count}, {options.threads} threads: {rate:.1f} frames/s from landmarks to mp4; {each:.2f} GMAC "
                  f"a frame, {fixed:.2f} GMAC and {1000 * prepared:.0f} ms once per identity")
            parts = network_parts(renderer, identity, points) | outside_parts(points, references, made, folder)
            for part, spent in parts.items():
                print(f"  {part:34s} {spent:7.2f} ms a frame")
    for frames in (MINUTE, 20 * MINUTE) if options.long else ():
        subprocess.run([sys.executable, __file__, "--model", options.model, "--threads", str(options.threads),
                        "--only", str(frames)], check=True)


if __name__ == "__main__":
    main()
