"""MobileFaceNet: whose face a picture shows, as an embedding learned from other people's photos; the measure CSIM and a loss.

Shapes: B faces, N faces of numpy, H W pixels, L = 68 landmarks. Pictures are (B, 3, H, W) in [0, 1].
Source: Chen et al. 2018 (arXiv:1804.07573) in the form of sirius-ai's MobileFaceNet_TF, 192 features, Apache-2.0; batch norms
folded in. `make_mobile_face_net` makes the weights. Faces are aligned by ArcFace's five points (Deng et al. 2019).
"""

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headsync.experiment import Kind, load_model
from headsync.experiment.precision import in_float32
from headsync.landmarks.detection import CANVAS_PX

NAME = "mobilefacenet"
KIND = Kind("render_stage", (NAME,), frozenset(["mobile_face_net"]), "identity", "MobileFaceNet",
            "python -m render_stage.identity.make_mobile_face_net", "the shipped mobilefacenet")
FACE_PX, EMBEDDING, WIDEST = 112, 192, 512
# Of each bottleneck: what comes in, how wide it is inside, what goes out, stride
BOTTLENECKS = ((64, 128, 64, 2), *((64, 128, 64, 1),) * 4, (64, 256, 128, 2), *((128, 256, 128, 1),) * 6,
               (128, 512, 128, 2), *((128, 256, 128, 1),) * 2)
MIDDLE, SPREAD = 127.5 / 255, 128 / 255     # of colours
# Where ArcFace puts the eyes' centres, the nose's tip and the mouth's corners, counted from the crop's corner
FIVE_PLACES = ((38.7946, 52.1963), (74.0318, 52.0014), (56.5252, 72.2366), (42.0493, 92.8655), (71.2299, 92.7041))
LANDMARKS, BATCH = 68, 64


class PaddedConvolution(nn.Conv2d):
    """A convolution with TensorFlow's padding: an odd pixel goes behind."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) to (B, outside, ceil(H / stride), ceil(W / stride))."""
        pads = []
        for side in (x.shape[-1], x.shape[-2]):
            total = max((math.ceil(side / self.stride[0]) - 1) * self.stride[0] + self.kernel_size[0] - side, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


def activated(inside: int, outside: int, kernel: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution and a rectifier whose slope each channel has learned."""
    return nn.Sequential(PaddedConvolution(inside, outside, kernel, stride, groups=groups), nn.PReLU(outside))


class Bottleneck(nn.Module):
    """Expand, filter each channel, project; added to what came in where shapes allow."""

    def __init__(self, inside: int, wide: int, outside: int, stride: int):
        super().__init__()
        self.expand, self.filter = activated(inside, wide, 1), activated(wide, wide, 3, stride=stride, groups=wide)
        self.project = nn.Conv2d(wide, outside, 1)
        self.added = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) to (B, outside, H / stride, W / stride)."""
        made = self.project(self.filter(self.expand(x)))
        return x + made if self.added else made


class MobileFaceNet(nn.Module):
    """1.2 million parameters, 0.2 GMAC a face."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(activated(3, 64, 3, stride=2), activated(64, 64, 3, groups=64), nn.Conv2d(64, 64, 1))
        self.blocks = nn.Sequential(*(Bottleneck(*one) for one in BOTTLENECKS))
        self.widen = activated(BOTTLENECKS[-1][2], WIDEST, 1)
        self.whole = nn.Conv2d(WIDEST, WIDEST, FACE_PX // 16, groups=WIDEST)
        self.mix, self.embed = nn.Conv2d(WIDEST, WIDEST, 1), nn.Conv2d(WIDEST, EMBEDDING, 1)
        self.to(memory_format=torch.channels_last)

    @in_float32
    def forward(self, faces: Tensor) -> Tensor:
        """Embeddings (B, 192) float32 of length 1, of aligned faces (B, 3, 112, 112) in [0, 1]."""
        x = ((faces - MIDDLE) / SPREAD).contiguous(memory_format=torch.channels_last)
        x = self.whole(self.widen(self.blocks(self.stem(x))))                       # (B, 512, 1, 1)
        return F.normalize(self.embed(self.mix(x)).flatten(1), dim=1)


def aligning(points: Tensor) -> Tensor:
    """Similarities (B, 2, 3) from pixels of the 112 crop to pixels of the picture, of landmarks (B, 68, 2 or 3).

    The inverse of the one that brings eye centres, nose tip and mouth corners nearest to ArcFace's five places.
    """
    points = points[..., :2].double()
    five = torch.stack([points[:, 36:42].mean(1), points[:, 42:48].mean(1), points[:, 30], points[:, 48], points[:, 54]], 1)
    source = torch.view_as_complex(five.contiguous())                                               # (B, 5)
    target = torch.view_as_complex(torch.tensor(FIVE_PLACES, dtype=torch.float64, device=points.device))
    spread = source - source.mean(1, keepdim=True)
    turn = (spread.conj() * target).sum(1) / (spread.abs() ** 2).sum(1).clamp(min=1e-9)             # (B,)
    back = 1 / torch.where(turn.abs() > 1e-9, turn, torch.ones_like(turn))
    shift = source.mean(1) - back * target.mean()
    rows = (back.real, -back.imag, shift.real, back.imag, back.real, shift.imag)
    return torch.stack(rows, dim=1).view(-1, 2, 3)


def aligned_faces(pictures: Tensor, points: Tensor) -> Tensor:
    """Faces (B, 3, 112, 112) of pictures (B, 3, H, W), aligned by landmarks (B, 68, 2 or 3) in their pixels; black outside.

    Differentiable in the pictures; faces more than twice as large as the crop are averaged down first.
    """
    matrices = aligning(points)
    # pixels of the picture in one of the crop
    finer = int(matrices[:, 0, :2].norm(dim=1).max().item() if len(matrices) else 1)
    pictures = F.avg_pool2d(pictures, finer) if finer > 1 else pictures
    H, W = pictures.shape[-2:]
    steps = torch.arange(FACE_PX, device=pictures.device, dtype=torch.float64) + 0.5
    crop = torch.stack([steps.expand(FACE_PX, -1), steps[:, None].expand(-1, FACE_PX), steps.new_ones(FACE_PX, FACE_PX)], -1)
    places = torch.einsum("bij,hwj->bhwi", matrices, crop) / max(finer, 1)                          # (B, 112, 112, 2)
    grid = (2 * places / places.new_tensor([W, H]) - 1).to(pictures.dtype)
    return F.grid_sample(pictures, grid, align_corners=False)


class IdentityLoss(nn.Module):
    """1 - cosine of the embeddings of made and real faces, mean over faces: 0 for the same picture. For training."""

    def __init__(self, network: MobileFaceNet):
        super().__init__()
        self.network = network.requires_grad_(False).eval()

    def forward(self, made: Tensor, real: Tensor, points: Tensor) -> Tensor:
        """A scalar, of pictures (B, 3, H, W) in [0, 1] and the real ones' landmarks (B, 68, 2 or 3) in their pixels.

        Gradients reach `made` alone.
        """
        with torch.no_grad():
            wanted = self.network(aligned_faces(real.float(), points))
        return 1 - (self.network(aligned_faces(made.float(), points)) * wanted).sum(1).mean()


class FaceRecogniser:
    """Faces -> MobileFaceNet's embeddings: the callable that an evaluation is handed. It computes in float32 everywhere."""

    def __init__(self, network: MobileFaceNet):
        self.network, self.device = network, next(network.parameters()).device

    @torch.no_grad()
    def __call__(self, pictures: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Embeddings (N, 192) float32 of length 1, of canvases (N, P, P, 3) uint8 and landmarks (N, 68, 3) in units of 256.

        The cosine of two is their product. ValueError when there are not as many landmarks as pictures, or not finite.
        """
        if len(pictures) != len(points) or points.shape[1] != LANDMARKS or not np.isfinite(points).all():
            raise ValueError(f"give finite landmarks (N, {LANDMARKS}, 3) for pictures (N, P, P, 3), got {points.shape} for "
                             f"{np.shape(pictures)}")
        found = [np.zeros((0, EMBEDDING), np.float32)]
        for start in range(0, len(pictures), BATCH):
            some = torch.from_numpy(np.ascontiguousarray(pictures[start : start + BATCH])).to(self.device)
            places = torch.as_tensor(points[start : start + BATCH, :, :2] * (some.shape[2] / CANVAS_PX), device=self.device)
            found.append(self.network(aligned_faces(some.permute(0, 3, 1, 2).float() / 255, places)).cpu().numpy())
        return np.concatenate(found)


def load_mobile_face_net(source: str | Path = NAME, *, device: str | torch.device = "auto") -> MobileFaceNet:
    """The frozen shipped network, or a weight file's. `device` is auto, cpu, cuda or cuda:N. ValueError for others."""
    return load_model(source, lambda config: MobileFaceNet(), KIND, device=device)
