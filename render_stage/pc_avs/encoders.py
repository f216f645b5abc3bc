"""What looks and listens: who a person is, what a picture shows beside that, what a sound says.

Shapes: B samples, N cells a side of the last map, L = 68 landmarks, W rows of sound of F numbers.
Source: PC-AVS sections 3.1 and 3.2, method/pc_avs.md#networks.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from render_stage.identity.face_encoder import Block, load_face_encoder

READ = 32           # features of each cell that become a code
LANDMARKS = 68
HEAT_WIDTH = 32
REDUCTION = 8       # of squeeze and excitation
ATTENTION = 128
EPSILON = 1e-6      # of mean squares


class Trunk(nn.Module):
    """Residual blocks, each of which halves the picture: the face encoder's form, so that it may begin with its weights."""

    def __init__(self, widths: tuple[int, ...]):
        super().__init__()
        self.blocks = nn.ModuleList(Block(*ends) for ends in pairwise((3, *widths)))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Maps, finest first, of pictures (B, 3, P, P) in [0, 1]."""
        x, found = (2 * pictures - 1).contiguous(memory_format=torch.channels_last), []
        for block in self.blocks:
            x = block(x)
            found.append(x)
        return found

    def begin_with(self, source: str) -> None:
        """The first blocks' weights are those of a face encoder. ValueError for one of other widths."""
        blocks = load_face_encoder(source, device="cpu").blocks
        for number, (own, other) in enumerate(zip(self.blocks, blocks)):
            if own.halve[0].weight.shape != other.halve[0].weight.shape:
                raise ValueError(f"block {number} has {own.halve[0].weight.shape[0]} features and the face encoder {source} "
                                 f"{other.halve[0].weight.shape[0]}; choose its widths, or leave head_start empty")
            own.load_state_dict(other.state_dict())


class IdentityEncoder(nn.Module):
    """Who a person is: a vector that styles the generator, and the map that it begins with.

    Both are brought to a mean square of 1: they scale what the generator draws, and saturated pictures would blow it up.
    """

    def __init__(self, widths: tuple[int, ...], outside: int):
        super().__init__()
        self.trunk = Trunk(widths)
        self.map = nn.Conv2d(widths[-1], outside, 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (B, widths[-1]) and maps (B, outside, N, N) of pictures (B, 3, P, P)."""
        last = self.trunk(pictures)[-1]
        return unit_sized(last.mean((2, 3))), unit_sized(self.map(last))


def unit_sized(x: Tensor) -> Tensor:
    """(B, C, ...) divided by the root of its mean square over channels, of a map at each place."""
    x = x.float()
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + EPSILON)


class NonIdentityEncoder(nn.Module):
    """What a picture shows beside the person: heat maps of landmarks, and a vector that is made from them and the trunk."""

    def __init__(self, widths: tuple[int, ...], outside: int, cells: int):
        super().__init__()
        self.trunk = Trunk(widths)
        self.down, self.across = (nn.Conv2d(width, HEAT_WIDTH, 1) for width in (widths[-1], widths[-2]))
        self.heat = nn.Sequential(nn.Conv2d(HEAT_WIDTH, HEAT_WIDTH, 3, padding=1), nn.BatchNorm2d(HEAT_WIDTH), nn.ReLU(),
                                  nn.Conv2d(HEAT_WIDTH, LANDMARKS, 1))
        self.gather = nn.Sequential(nn.BatchNorm2d(LANDMARKS), nn.ReLU(),
                                    nn.Conv2d(LANDMARKS, READ, 3, stride=2, padding=1))
        self.reduce = nn.Sequential(nn.Conv2d(widths[-1], READ, 1, bias=False), nn.BatchNorm2d(READ), nn.ReLU())
        self.code = nn.Linear(2 * READ * cells**2, outside)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (B, outside) and heat maps (B, 68, 2N, 2N), not normalised, of pictures (B, 3, P, P)."""
        *_, fine, last = self.trunk(pictures)
        raised = F.interpolate(self.down(last), scale_factor=2, mode="bilinear", align_corners=False) + self.across(fine)
        heat = self.heat(raised)
        read = torch.cat([F.relu(self.gather(heat)), self.reduce(last)], 1)                 # (B, 2 READ, N, N)
        return self.code(read.flatten(1)), heat


class PhoneticEncoder(nn.Module):
    """What a recogniser's rows of sound say: convolutions over time, then the mean that attention weighs."""

    def __init__(self, features: int, width: int, outside: int):
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.reduce = nn.Conv1d(features, width, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv1d(width, width, 3, padding=1), nn.BatchNorm1d(width), nn.GELU()) for _ in range(2))
        self.pool = AttentivePool(width)
        self.code = nn.Linear(width, outside)

    def forward(self, rows: Tensor) -> Tensor:
        """Codes (B, outside) of rows (B, W, F)."""
        x = self.reduce(self.norm(rows).transpose(1, 2))                                    # (B, width, W)
        for block in self.blocks:
            x = x + block(x)
        return self.code(self.pool(x))


class MelEncoder(nn.Module):
    """The published one, ResNetSE-34: residual blocks with squeeze and excitation over mel energies, attentive pooling."""

    def __init__(self, bands: int, width: int, outside: int):
        super().__init__()
        widths = [width << stage for stage in range(4)]
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(width))
        blocks, before = [], width
        for stage, (count, outer) in enumerate(zip((3, 4, 6, 3), widths)):
            for number in range(count):
                blocks.append(SqueezeBlock(before, outer, stride=2 if stage and not number else 1))
                before = outer
        self.blocks = nn.Sequential(*blocks)
        read = widths[-1] * -(-bands // 8)
        self.pool, self.code = AttentivePool(read), nn.Linear(read, outside)

    def forward(self, rows: Tensor) -> Tensor:
        """Codes (B, outside) of rows (B, W, F)."""
        x = self.blocks(self.stem(rows.transpose(1, 2)[:, None]))                           # (B, C, F / 8, W / 8)
        return self.code(self.pool(x.flatten(1, 2)))


class SqueezeBlock(nn.Module):
    """Two convolutions, rectified before their norm as published, each channel scaled by what all places say, and the skip."""

    def __init__(self, inside: int, outside: int, *, stride: int):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False), nn.ReLU(),
                                   nn.BatchNorm2d(outside))
        self.second = nn.Sequential(nn.Conv2d(outside, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside))
        narrow = max(1, outside // REDUCTION)
        self.squeeze = nn.Sequential(nn.Linear(outside, narrow), nn.ReLU(), nn.Linear(narrow, outside), nn.Sigmoid())
        self.skip = nn.Identity() if inside == outside and stride == 1 else nn.Sequential(
            nn.Conv2d(inside, outside, 1, stride=stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        """(B, outside, H / stride, W / stride) of (B, inside, H, W)."""
        made = self.second(self.first(x))
        return F.relu(made * self.squeeze(made.mean((2, 3)))[:, :, None, None] + self.skip(x))


class AttentivePool(nn.Module):
    """The mean over time, every feature weighed by a softmax of its own (self-attentive pooling)."""

    def __init__(self, features: int):
        super().__init__()
        self.attention = nn.Sequential(nn.Conv1d(features, ATTENTION, 1), nn.ReLU(), nn.BatchNorm1d(ATTENTION),
                                       nn.Conv1d(ATTENTION, features, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) of (B, D, W)."""
        return (x * self.attention(x).softmax(2)).sum(2)
