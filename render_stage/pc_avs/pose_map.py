"""A map from head poses to pose codes, fitted when the networks are trained: so that any landmark sequence can move the head.

Shapes: n frames, Q numbers of a pose code.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from render_stage.clip_frames import ClipFrames
from render_stage.driving import frame_poses
from render_stage.pc_avs.network import PcAvs, pose_features
from render_stage.pc_avs.view import as_tensor, canvas_view

BATCH = 32
RIDGE = 1e-3                # of the features' variance


@torch.no_grad()
def fit_pose_map(network: PcAvs, clips: Sequence[ClipFrames], *, frames: int, seed: int = 0) -> float:
    """The share of the codes' variance that the map, now in the network, explains on the frames that it was fitted on."""
    poses, codes = pose_pairs(network, clips, frames=frames, seed=seed)
    read = pose_features(poses.double())
    middle, wanted = read.mean(0), codes.double()
    centred, away = read - middle, wanted - wanted.mean(0)
    scale = centred.std(0).clamp(min=1e-6)
    centred = centred / scale
    gram = centred.T @ centred + RIDGE * len(centred) * torch.eye(centred.shape[1], dtype=torch.float64)
    weight = torch.linalg.solve(gram, centred.T @ away) / scale[:, None]                 # (features, Q)
    network.pose_map.weight.copy_(weight.T)
    network.pose_map.bias.copy_(wanted.mean(0) - middle @ weight)
    left = wanted - (read @ weight + wanted.mean(0) - middle @ weight)
    return float(1 - left.square().sum() / away.square().sum().clamp(min=1e-12))


@torch.no_grad()
def pose_pairs(network: PcAvs, clips: Sequence[ClipFrames], *, frames: int, seed: int) -> tuple[Tensor, Tensor]:
    """Head poses (n, 6) and pose codes (n, Q) of frames of clips, every person as often as another."""
    random, device = np.random.default_rng(seed), next(network.parameters()).device
    shares = np.array([clip.share for clip in clips])
    chosen = random.choice(len(clips), frames, p=shares / shares.sum())
    poses, codes = [], []
    for start in range(0, frames, BATCH):
        pictures, points = [], []
        for number in chosen[start : start + BATCH]:
            index = int(random.integers(len(clips[number].store)))
            pictures.append(canvas_view(clips[number].store.picture(index), network.settings.side_px))
            points.append(clips[number].points[index])
        poses.append(torch.from_numpy(frame_poses(np.stack(points))).float())
        codes.append(network.pose(as_tensor(pictures).to(device)).float().cpu())
    return torch.cat(poses), torch.cat(codes)
