"""A small network that has learned faces: whose they are, where their landmarks lie and how the head is turned.

Shapes: B pictures, H W pixels, E embedding features, L = 68 landmarks. Pictures are (B, 3, H, W) in [0, 1]. One is
shipped: `perceptual` sees whole canvases and gives the renderer's perceptual loss its features. Likeness (CSIM) is measured by
`mobile_face_net`. Source: method/decisions.md#networks-of-others (no VGG); the cosine softmax is Wang et al. 2018.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headsync.experiment import Kind, build_config, load_model
from headsync.experiment.precision import in_float32
from headsync.landmarks import GROUPS
from headsync.landmarks.detection import CANVAS_PX

MODELS = ("perceptual",)
KIND = Kind("render_stage", MODELS, frozenset(["face_encoder"]), "face encoder", "face encoder",
            "headsync train encoder", "one's weights")
SCALES = 4                  # feature maps, each of half the size of the one before
CELLS, READ = 6, 32         # a side of the last map, and features of each cell, that the heads read
LANDMARKS = 68
# Of an aligned face, in shares of its side: where the eyes' and the mouth's centres come to lie, and the oval that is seen
RIGHT_EYE, LEFT_EYE, MOUTH = (0.31, 0.36), (0.69, 0.36), (0.5, 0.76)
OVAL_CENTRE, OVAL_RADII = (0.5, 0.52), (0.47, 0.52)
GREY = 128
BATCH = 64                  # faces that are embedded at once
# Equal parts: each map is divided by its own mean size on training pictures
ENCODER_WEIGHTS = (0.25, 0.25, 0.25, 0.25)


@dataclass(frozen=True)
class FaceEncoderSettings:
    """What a face encoder sees and how wide it is."""

    view: Literal["canvas", "face"] = "canvas"  # whole canvases, or faces aligned by their landmarks
    side_px: int = 96           # of the pictures in training; features can be had of any size
    width: int = 16             # features of the first scale, doubled at each further one
    embedding: int = 128

    def __post_init__(self):
        if self.side_px < 2**SCALES or min(self.width, self.embedding) < 1:
            raise ValueError(f"side_px must be {2**SCALES} or more, width and embedding 1, got {self.side_px}, {self.width} "
                             f"and {self.embedding}")


class Block(nn.Module):
    """A convolution that halves the picture, then a residual pair; batch norms, which fold into them, throughout."""

    def __init__(self, inner: int, outer: int):
        super().__init__()
        self.halve, self.first, self.second = (
            nn.Sequential(nn.Conv2d(start, outer, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outer))
            for start, stride in ((inner, 2), (outer, 1), (outer, 1)))

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, outer, H / 2, W / 2) of (B, inner, H, W)."""
        x = F.relu(self.halve(x))
        return F.relu(x + self.second(F.relu(self.first(x))))


class FaceEncoder(nn.Module):
    """Four blocks and three heads; about 52 million multiplications at 96 x 96, 370 at 256 x 256.

    Whatever autocast there is around it, `forward`, `heads` and `embed` give float32.
    """

    def __init__(self, settings: FaceEncoderSettings):
        super().__init__()
        self.settings = settings
        widths = [3, *(settings.width << scale for scale in range(SCALES))]
        self.blocks = nn.ModuleList(Block(*ends) for ends in pairwise(widths))
        self.reduce = nn.Sequential(nn.Conv2d(widths[-1], READ, 1, bias=False), nn.BatchNorm2d(READ), nn.ReLU())
        read = CELLS**2 * READ
        self.identity = nn.Linear(read, settings.embedding)
        self.points = nn.Linear(read, 2 * LANDMARKS)
        self.turn = nn.Linear(read, 3)
        self.register_buffer("levels", torch.ones(SCALES))      # mean size of each map, see `measure_levels`
        self.to(memory_format=torch.channels_last)

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Feature maps as the heads read them, finest first: (B, width, H / 2, W / 2) to (B, 8 width, H / 16, W / 16)."""
        x, found = (2 * pictures - 1).contiguous(memory_format=torch.channels_last), []
        for block in self.blocks:
            x = block(x)
            found.append(x)
        return found

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """The same maps, each of mean size 1 on training pictures: what `PerceptualLoss` compares."""
        return [one.float() / level for one, level in zip(self.maps(pictures), self.levels)]

    def heads(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Embeddings (B, E) of length 1, landmarks (B, 68, 2) in shares of the picture, rotation vectors (B, 3) in radians."""
        read = F.adaptive_avg_pool2d(self.reduce(self.maps(pictures)[-1]), CELLS).flatten(1)    # (B, 36 * 32)
        code, points, turn = (layer(read).float() for layer in (self.identity, self.points, self.turn))
        return F.normalize(code, dim=1), 0.5 + points.unflatten(1, (LANDMARKS, 2)), turn

    def embed(self, pictures: Tensor) -> Tensor:
        """Identity embeddings (B, E) of length 1, of pictures as the encoder has been trained on."""
        return self.heads(pictures)[0]

    @torch.no_grad()
    @in_float32
    def measure_levels(self, pictures: Tensor) -> None:
        """Remember how large each feature map of these pictures (B, 3, H, W) is on average."""
        self.levels.copy_(torch.stack([one.abs().mean() for one in self.maps(pictures)]).clamp(min=1e-6))


def view_matrix(points: np.ndarray, settings: FaceEncoderSettings) -> np.ndarray:
    """The similarity (2, 3) from canvas units of 256 to pixels of the encoder's picture, for landmarks (68, 2 or 3).

    `canvas`: the whole canvas. `face`: the best one that brings eyes and mouth to their places, so that a face fills the
    picture whatever the crop, and neither hair nor background tell whose it is.
    """
    if settings.view == "canvas":
        return np.eye(2, 3) * settings.side_px / CANVAS_PX
    found = [points[list(GROUPS[name]), :2].mean(0) for name in ("right_eye", "left_eye", "mouth")]
    source, target = (np.asarray(three, np.float64) @ (1, 1j) for three in (found, (RIGHT_EYE, LEFT_EYE, MOUTH)))  # (3,)
    spread = source - source.mean()
    turn = (spread.conj() @ target) / max((np.abs(spread) ** 2).sum(), 1e-9) * settings.side_px
    shift = settings.side_px * target.mean() - turn * source.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def seen_picture(picture: np.ndarray, matrix: np.ndarray, settings: FaceEncoderSettings) -> np.ndarray:
    """What the encoder sees (side, side, 3) uint8 of a canvas (P, P, 3) uint8; outside a face's oval it is grey."""
    moved = matrix @ np.vstack([np.eye(2, 3) * CANVAS_PX / len(picture), (0, 0, 1)])        # from the picture's own pixels
    moved[:, 2] += moved[:, :2] @ (0.5, 0.5) - 0.5                                          # OpenCV counts from pixel centres
    shrink = np.hypot(*moved[:, 0])
    if shrink < 0.6:        # else thin lines would be skipped
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / shrink)
    side = settings.side_px
    seen = cv2.warpAffine(picture, moved, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if settings.view == "face":
        down, across = (((np.arange(side) + 0.5) / side - OVAL_CENTRE[axis]) / OVAL_RADII[axis] for axis in (1, 0))
        seen[down[:, None] ** 2 + across**2 > 1] = GREY
    return seen


def as_pictures(seen: np.ndarray) -> Tensor:
    """Pictures (B, 3, H, W) in [0, 1] of (B, H, W, 3) uint8."""
    return torch.from_numpy(np.ascontiguousarray(seen)).permute(0, 3, 1, 2).float() / 255


class FaceEmbedder:
    """Faces -> identity embeddings: the callable that an evaluation is handed, which need not know of any network.

    It computes in float32 on every machine, so that measures can be compared.
    """

    def __init__(self, encoder: FaceEncoder):
        self.encoder, self.device = encoder, next(encoder.parameters()).device

    @torch.no_grad()
    @in_float32
    def __call__(self, pictures: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Embeddings (N, E) float32 of length 1, of canvases (N, P, P, 3) uint8 and landmarks (N, 68, 3) in units of 256.

        The cosine of two is their product. ValueError when there are not as many landmarks as pictures, or not finite.
        """
        if len(pictures) != len(points) or points.shape[1] != LANDMARKS or not np.isfinite(points).all():
            raise ValueError(f"give finite landmarks (N, {LANDMARKS}, 3) for pictures (N, P, P, 3), got {points.shape} for "
                             f"{np.shape(pictures)}")
        found, settings = [], self.encoder.settings
        for start in range(0, len(pictures), BATCH):
            part = zip(pictures[start : start + BATCH], points[start : start + BATCH])
            seen = np.stack([seen_picture(one, view_matrix(places, settings), settings) for one, places in part])
            found.append(self.encoder.embed(as_pictures(seen).to(self.device)).cpu().numpy())
        return np.concatenate(found) if found else np.zeros((0, settings.embedding), np.float32)


def load_face_encoder(source: str | Path = "perceptual", *, device: str | torch.device = "auto") -> FaceEncoder:
    """A frozen face encoder in evaluation mode: the shipped `perceptual` one, or a weight file.

    `device` is auto (a GPU where there is one), cpu, cuda or cuda:N. ValueError, one line, for a file that holds none and a
    device that is not there.
    """
    return load_model(source, lambda config: FaceEncoder(build_config(FaceEncoderSettings, config["face_encoder"])), KIND,
                      device=device)
