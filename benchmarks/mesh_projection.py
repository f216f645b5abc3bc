"""Speed of the 3D-aware module on one core, and how near its pictures come to real frames.

    taskset -c 0 .venv/bin/python benchmarks/mesh_projection.py [--data CORPUS] [--frames 500]

Milliseconds of processor time per 256x256 frame of every step, on the shipped average face with noise for a texture.
With a corpus, also mean absolute error (of 255) and SSIM inside the mask over its validation clips: the key frame copied,
posed, deformed, carried by the mesh that the detector finds in the target frame itself, and deformed when of the key
frame, too, only its 68 landmarks are known.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")   # before NumPy loads
sys.path.insert(0, str(Path(__file__).parents[1]))

import cv2
import numpy as np

from headsync import media
from headsync.corpus import open_corpus
from headsync.landmarks import HeadPose, head_pose, rotation_matrix
from render_stage import (
    KeyMesh,
    choose_key_frame,
    correspondence_flow,
    deformed_vertices,
    fit_mesh,
    key_mesh,
    load_topology,
    posed_vertices,
    project,
    rasterise,
)
from render_stage.geometry.topology import LANDMARKS

CANVAS = (256, 256)
TRIED_FRAMES = 10       # of each validation clip


def milliseconds(work: Callable[[int], object], frames: int) -> float:
    """Median processor time of `work(frame)` over the frames, after one that compiles; a busy machine hardly shows."""
    work(0)
    times = []
    for frame in range(frames):
        begun = time.process_time()
        work(frame)
        times.append(time.process_time() - begun)
    return 1000 * float(np.median(times))


def moving_head(vertices: np.ndarray, frames: int) -> np.ndarray:
    """A mesh (frames, V, 3) that looks left and right by up to 40 degrees."""
    yaw = np.zeros((frames, 3))
    yaw[:, 1] = 0.7 * np.sin(np.arange(frames) / 9)
    middle = vertices.mean(0)
    return (vertices - middle) @ np.swapaxes(rotation_matrix(yaw), 1, 2) + middle


def print_speed(frames: int) -> None:
    """The table of times."""
    topology = load_topology()
    picture = np.random.default_rng(0).integers(0, 256, (*CANVAS, 3), np.uint8)
    meshes = moving_head(topology.average, frames)
    points = meshes[:, LANDMARKS]
    pose = head_pose(points)
    half, whole = (key_mesh(picture, topology.average, topology=topology, mirrored=mirrored) for mirrored in (False, True))

    def per_frame(key: KeyMesh) -> Callable[[int], object]:
        return lambda t: project(key, deformed_vertices(key, points[t : t + 1], HeadPose(pose.h[t : t + 1], pose.scale))[0])

    rows = {
        "load the topology": milliseconds(lambda t: load_topology(), 7),
        "make a key mesh": milliseconds(lambda t: key_mesh(picture, meshes[t], topology=topology), 37),
        "rasterise 468 vertices": milliseconds(lambda t: rasterise(meshes[t], topology.triangles, size=CANVAS), frames),
        "pose": milliseconds(lambda t: posed_vertices(half, HeadPose(pose.h[t : t + 1], pose.scale)), frames),
        "pose, deform, project": milliseconds(per_frame(half), frames),
        "the same, mirror-filled": milliseconds(per_frame(whole), frames),
        "correspondence of two frames": milliseconds(
            lambda t: correspondence_flow(meshes[0], meshes[t], size=CANVAS, topology=topology), frames),
    }
    for name, spent in rows.items():
        print(f"{name:30s} {spent:7.2f} ms")


def similarity(picture: np.ndarray, frame: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Mean absolute error and SSIM (Gaussian, sigma 1.5) of a picture against a frame inside a mask."""
    from skimage.metrics import structural_similarity

    inside = np.where(mask[..., None], picture, frame)
    full = structural_similarity(inside, frame, channel_axis=2, gaussian_weights=True, sigma=1.5, full=True,
                                 use_sample_covariance=False, data_range=255)[1]
    return float(np.abs(picture[mask].astype(float) - frame[mask]).mean()), float(full[mask].mean())


def print_quality(folder: Path) -> None:
    """The table of errors over the validation clips."""
    corpus, topology, rng = open_corpus(folder), load_topology(), np.random.default_rng(0)
    names, found = ("key frame copied", "posed", "deformed", "detector's mesh", "deformed, 68 points only"), []
    clips = corpus.select("val")
    for clip in clips:
        sequence, mesh = corpus.landmarks(clip), np.asarray(corpus.mesh(clip), np.float64)
        frames = list(media.read_frames(corpus.video_path(clip)))
        pose = head_pose(sequence.points)
        poses = [HeadPose(pose.h[t : t + 1], pose.scale) for t in range(len(sequence))]
        first = choose_key_frame(pose.h, sequence.visible)
        key, fitted = (key_mesh(frames[first], vertices, topology=topology, pose=poses[first])
                       for vertices in (mesh[first], fit_mesh(sequence.points[first], topology)))
        for t in rng.choice(len(sequence), TRIED_FRAMES, replace=False):
            target = sequence.points[t : t + 1]
            shown = [project(key, vertices) for vertices in (
                posed_vertices(key, poses[t])[0], deformed_vertices(key, target, poses[t])[0], mesh[t])]
            shown.append(project(fitted, deformed_vertices(fitted, target, poses[t])[0]))
            mask = np.logical_and.reduce([one.visible for one in shown])
            found.append([similarity(picture, frames[t], mask) for picture in (key.picture, *(one.picture for one in shown))])
    print(f"{len(clips)} clips, {len(found)} frames, same pixels for all:")
    for name, (error, ssim) in zip(names, np.mean(found, axis=0)):
        print(f"{name:30s} error {error:6.2f}  SSIM {ssim:.4f}")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--frames", type=int, default=500)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print_speed(options.frames)
    if options.data:
        print_quality(options.data)


if __name__ == "__main__":
    main()
