"""What PC-AVS's codes know and what its pictures are like, on people never trained on, beside the default renderer.

    .venv/bin/python benchmarks/pc_avs_figures.py --data CORPUS --model RUNS/pc_avs/pc_avs.safetensors [--clips 36]

Probes: ridge regressions from the twelve numbers, folds over people, to head rotation (wanted: R2 of .7 and more) and mouth
opening (.1 and less); whose they are, by the nearest other clip (chance: one in so many). Swaps: how far landmarks that the
detector finds in the pictures move with another sound and with another pose. Zero: mean |yaw| of the pictures with a code of
zero over that with their own. Self-driven: the first frame says who, each frame's own picture the pose, the sound the mouth.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from headsync.corpus import open_corpus
from headsync.experiment import load_config
from headsync.landmarks import head_pose, lip_opening
from headsync.landmarks.detection import make_detector
from headsync.metrics import ssim
from render_stage import Drive, Reference, load_renderer
from render_stage.driving import frame_poses
from render_stage.pc_avs.material import SpokenClip, clip_sound, read_material
from render_stage.pc_avs.network import PcAvs
from render_stage.pc_avs.renderer import enlarged
from render_stage.pc_avs.train import PcAvsTrainSettings
from render_stage.pc_avs.view import as_tensor, canvas_view
from render_stage.pc_avs.weights import load_pc_avs_network

FRAMES, FOLDS, RIDGE = 12, 5, 1.0
SIDE = 256


class Probed(NamedTuple):
    """Frames of all clips, one behind the other."""

    codes: np.ndarray       # (n, Q)
    turns: np.ndarray       # (n, 3)
    opening: np.ndarray     # (n,)
    clip: np.ndarray        # (n,)


def ridge_r2(codes: np.ndarray, wanted: np.ndarray, group: np.ndarray) -> float:
    """The share of the variance of wanted (n, D) that ridge regressions explain on groups that they were not fitted on."""
    left, total = 0.0, 0.0
    for fold in range(FOLDS):
        out = group % FOLDS == fold
        middle, scale, mean = codes[~out].mean(0), codes[~out].std(0) + 1e-9, wanted[~out].mean(0)
        x, y = (codes[~out] - middle) / scale, wanted[~out] - mean
        weight = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)
        left += np.square(wanted[out] - mean - (codes[out] - middle) / scale @ weight).sum()
        total += np.square(wanted[out] - mean).sum()
    return float(1 - left / total)


def own_clip_nearest(codes: np.ndarray, clip: np.ndarray) -> float:
    """The share of clips whose last frames' mean code is nearest to the mean of their own first ones."""
    names = np.unique(clip)
    halves = [np.stack([codes[clip == name][part].mean(0) for name in names])
              for part in (slice(0, FRAMES // 3), slice(2 * FRAMES // 3, None))]
    distance = np.linalg.norm(halves[0][:, None] - halves[1], axis=-1)
    return float((distance.argmin(1) == np.arange(len(names))).mean())


@torch.no_grad()
def probed(network: PcAvs, clips: Sequence[SpokenClip]) -> Probed:
    """Codes of evenly spaced frames of clips, and what they may know."""
    parts = []
    for number, clip in enumerate(clips):
        kept = np.linspace(0, len(clip.frames.store) - 1, FRAMES).astype(int)
        codes = network.pose(pictures(network, clip, kept)).numpy()
        points = clip.frames.points[kept]
        parts.append((codes, frame_poses(points)[:, :3], lip_opening(points), np.full(FRAMES, number)))
    return Probed(*(np.concatenate(part) for part in zip(*parts)))


def pictures(network: PcAvs, clip: SpokenClip, kept: np.ndarray) -> Tensor:
    """Kept frames (n, 3, P, P) as the networks see them."""
    return as_tensor([canvas_view(clip.frames.store.picture(int(one)), network.settings.side_px) for one in kept])


@torch.no_grad()
def swaps(network: PcAvs, clips: Sequence[SpokenClip]) -> dict[str, float]:
    """How far mouth and pose of found landmarks move when sound or pose code is another clip's; NaN where no face is found."""
    detector, found = make_detector("mediapipe"), []
    try:
        for clip, other in zip(clips, [*clips[1:], clips[0]]):
            kept, others = (np.array([len(one.frames.store) // 2]) for one in (clip, other))
            person = network.person(pictures(network, clip, np.array([0]))[None])
            both = ((clip, kept), (other, others))
            sounds = [network.sound_content(clip_sound(one, at, network.settings)) for one, at in both]
            poses = [network.pose(pictures(network, one, at)) for one, at in both]
            drawn = [network(person, *pair) for pair in ((sounds[0], poses[0]), (sounds[1], poses[0]), (sounds[0], poses[1]),
                                                         (sounds[0], 0 * poses[0]))]
            faces = [detected(detector, enlarged(one[0], SIDE)) for one in drawn]
            if all(one is not None for one in faces):
                found.append(moved(np.stack(faces)))
    finally:
        detector.close()
    names = ("mouth_by_sound", "mouth_by_pose", "turn_by_sound", "turn_by_pose", "yaw", "yaw_of_zero")
    means = np.mean(found, 0) if found else np.full(len(names), np.nan)
    return dict(zip(names, means.tolist())) | {"faces_found": len(found) / len(clips)}


def moved(points: np.ndarray) -> tuple[float, ...]:
    """Changes of opening and rotation of the second and third landmarks from the first, and |yaw| of the first and fourth."""
    opening, turn = lip_opening(points), np.degrees(head_pose(points).h[:, :3])
    mouth, turned = np.abs(opening[1:3] - opening[0]), np.linalg.norm(turn[1:3] - turn[0], axis=1)
    return (*mouth, *turned, abs(turn[0, 1]), abs(turn[3, 1]))


def detected(detector, picture: np.ndarray) -> np.ndarray | None:
    """Landmarks (68, 3) of the largest face of a picture; None where there is none."""
    detector.restart()
    faces = detector.faces(picture)
    return None if not faces else np.asarray(faces[0].points)


def self_driven(network: PcAvs, clips: Sequence[SpokenClip]) -> dict[str, float]:
    """Mean SSIM of luma at 256 pixels with the real frames, of PC-AVS and of the default renderer given real landmarks."""
    default, rows = load_renderer(device="cpu"), []
    for clip in clips:
        store, points = clip.frames.store, clip.frames.points
        kept = np.array([len(store) // 2, len(store) - 1])
        real = [store.picture(int(one)) for one in kept]
        identity = default.prepare([Reference(store.picture(0), points[0], clip.frames.mesh[0])])
        theirs = default.frames(identity, Drive(points[kept]))
        with torch.no_grad():
            person = network.person(pictures(network, clip, np.array([0, 0]))[:, None])
            seen = pictures(network, clip, kept)
            content = (network.seen_content(seen) if clip.rows is None else
                       network.sound_content(clip_sound(clip, kept, network.settings)))
            ours = [enlarged(one, SIDE) for one in network(person, content, network.pose(seen))]
        rows += [(ssim(mine, one), ssim(other, one)) for mine, other, one in zip(ours, theirs, real)]
    return dict(zip(("ssim", "ssim_of_default"), np.mean(rows, 0).tolist()))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=36)
    options = parser.parse_args()
    network = load_pc_avs_network(options.model)
    material = load_config(PcAvsTrainSettings, stage="pc_avs", preset="small").material
    clips = read_material(open_corpus(options.data), "val", material, network.settings)[: options.clips]
    found = probed(network, clips)
    print(f"rotation R2 {ridge_r2(found.codes, found.turns, found.clip):.3f}, "
          f"mouth opening R2 {ridge_r2(found.codes, found.opening[:, None], found.clip):.3f}, "
          f"own clip nearest {own_clip_nearest(found.codes, found.clip):.3f} (chance {1 / len(clips):.3f})")
    for part in (self_driven(network, clips), swaps(network, clips)):
        print(", ".join(f"{name} {value:.3f}" for name, value in part.items()))


if __name__ == "__main__":
    main()
