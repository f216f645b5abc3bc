"""G4G's networks: fused and aligned features, deformed references, a decoder, and a network that blends.

Shapes: B samples, C channels, h w cells of a feature map, H W pixels of a crop (multiples of 4), N = 5 references, R = 20 rows
of sound of F = 26 log mel energies, E features of an embedding.
Source: method/g4g.md#stated, method/g4g.md#dinet, method/g4g.md#ip_lap, method/decisions.md#g4g; sound is the house's 200 ms.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headsync.experiment.precision import in_float32
from headsync.media import FEATURES

REFERENCES, ROWS, PICTURE = 5, 20, 3
GROUPS = 8                  # of the group norms, in place of batch norms: every frame is drawn alone
LOUDNESS, SPREAD = -8.0, 4.0        # about the mean and the deviation of log mel energies
TEMPERATURE = 0.07


@dataclass(frozen=True)
class G4GSettings:
    """Sizes. The paper's: mouth 256, width 64, embedding 128, blocks 4."""

    mouth: int              # pixels of the mouth's side: 64, 128 or 256
    width: int              # channels of the first layer; features have four times as many
    embedding: int          # E
    blocks: int             # residual blocks before and after the deformation
    alignment: bool = True  # the sketch by AdaIN; False: an ablation
    fusion: bool = True     # the network that blends; False: the smoothed mask alone

    def __post_init__(self):
        if self.mouth < 16 or self.mouth % 16 or self.width % GROUPS or min(self.width, self.embedding, self.blocks) < 1:
            raise ValueError(f"mouth must be a multiple of 16, width of {GROUPS}, and all 1 or more, got {self}")


class Shown(NamedTuple):
    """What the networks are given. Pictures are in [0, 1]."""

    source: Tensor          # (B, 3, H, W) the frame's crop; only what the mask leaves is looked at
    hidden: Tensor          # (B, 1, H, W) 1 where it is taken out
    fading: Tensor          # (B, 1, H, W) the smoothed mask of the composite
    references: Tensor      # (B, 3 N, H, W)
    sketch: Tensor          # (B, 1, H, W)
    rows: Tensor            # (B, R, F)


class Made(NamedTuple):
    """What they make."""

    picture: Tensor         # (B, 3, H, W) the decoder's
    blended: Tensor         # (B, 3, H, W) what is shown
    image: Tensor           # (B, E) of the fused, aligned map
    lines: Tensor           # (B, E) of the sketch
    visual: Tensor          # (B, E) of length 1, to be compared with
    audio: Tensor           # (B, E) of length 1


class Unit(nn.Sequential):
    """Convolution, group norm, rectifier."""

    def __init__(self, inside: int, outside: int, *, kernel: int = 3, stride: int = 1):
        super().__init__(nn.Conv2d(inside, outside, kernel, stride, kernel // 2, padding_mode="replicate"),
                         nn.GroupNorm(GROUPS, outside), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """x plus two convolutions of it."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = Unit(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.GroupNorm(GROUPS, channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w)."""
        return F.relu(x + self.second(self.first(x)))


def encoder(inside: int, width: int) -> nn.Sequential:
    """Pictures (B, inside, H, W) to features (B, 4 width, H / 4, W / 4)."""
    return nn.Sequential(Unit(inside, width, kernel=7), Unit(width, 2 * width, stride=2), Unit(2 * width, 4 * width, stride=2))


class AdaIN(nn.Module):
    """Features normalised per channel, then scaled and moved as a code says (method/g4g.md#ip_lap)."""

    def __init__(self, channels: int, code: int):
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels)
        self.say = nn.Sequential(nn.Linear(code, 128), nn.ReLU(), nn.Linear(128, 2 * channels))
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """(B, C, h, w) of features and codes (B, E)."""
        gain, shift = self.say(code)[..., None, None].chunk(2, 1)
        return self.convolution(F.leaky_relu(self.norm(x) * (1 + gain) + shift, 0.2))


class AdaAT(nn.Module):
    """Every channel of features scaled, turned and moved by itself, as a code says (method/g4g.md#dinet).

    Channels are folded into the batch and sampled in the plane, with corners aligned: none mixes with its neighbour, and scale
    1, angle 0 and translation 0 are the identity. It begins there. Turns are of pixels, whatever the map's sides.
    """

    def __init__(self, channels: int, code: int):
        super().__init__()
        self.common = nn.Sequential(nn.Linear(code, channels), nn.ReLU())
        self.say = nn.Linear(channels, 4 * channels)
        nn.init.zeros_(self.say.weight)
        nn.init.zeros_(self.say.bias)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """(B, C, h, w) of features and codes (B, E)."""
        scale, angle, across, down = self.say(self.common(code)).float().chunk(4, 1)               # (B, C) each
        return deformed(x, 2 * torch.sigmoid(scale), math.pi * torch.tanh(angle), torch.tanh(across), torch.tanh(down))


def deformed(x: Tensor, scale: Tensor, angle: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Features (B, C, h, w), each channel seen at places scaled, turned and moved by its (B, C); half sides are the unit."""
    B, C, h, w = x.shape
    tall = (h - 1) / max(w - 1, 1)
    cosine, sine = scale * torch.cos(angle), scale * torch.sin(angle)
    theta = torch.stack([cosine, -sine * tall, across, sine / tall, cosine, down], -1).view(B * C, 2, 3)
    grid = F.affine_grid(theta, [B * C, 1, h, w], align_corners=True)
    moved = F.grid_sample(x.reshape(B * C, 1, h, w).float(), grid, mode="bilinear", padding_mode="zeros", align_corners=True)
    return moved.view(B, C, h, w).to(x.dtype)


class SoundEncoder(nn.Module):
    """Rows (B, R, F) to embeddings (B, E)."""

    def __init__(self, embedding: int):
        super().__init__()
        layers, inside = [], FEATURES
        for stride in (1, 2, 1, 2):
            layers += [nn.Conv1d(inside, embedding, 5 if inside == FEATURES else 3, stride, 2 if inside == FEATURES else 1),
                       nn.GroupNorm(GROUPS, embedding), nn.ReLU()]
            inside = embedding
        self.layers = nn.Sequential(*layers, nn.Conv1d(embedding, embedding, 3, padding=1))

    def forward(self, rows: Tensor) -> Tensor:
        """(B, E)."""
        return self.layers(((rows - LOUDNESS) / SPREAD).transpose(1, 2)).mean(-1)


class BlendNet(nn.Module):
    """Three levels down and up: composite, mask and masked source (B, 7, H, W) to the picture itself, no residual."""

    def __init__(self, width: int):
        super().__init__()
        self.down = nn.ModuleList([Unit(2 * PICTURE + 1, width), Unit(width, 2 * width, stride=2),
                                   Unit(2 * width, 4 * width, stride=2)])
        self.up = nn.ModuleList([Unit(6 * width, 2 * width), Unit(3 * width, width)])
        self.out = nn.Conv2d(width, PICTURE, 3, padding=1)

    def forward(self, composite: Tensor, mask: Tensor, masked: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1]."""
        x, held = torch.cat([composite, mask, masked], 1), []
        for layer in self.down:
            x = layer(x)
            held.append(x)
        for layer, beside in zip(self.up, (held[1], held[0])):
            x = layer(torch.cat([F.interpolate(x, size=beside.shape[2:], mode="bilinear", align_corners=False), beside], 1))
        return torch.sigmoid(self.out(x).float())


class G4G(nn.Module):
    """All of them; `settings` say how large."""

    def __init__(self, settings: G4GSettings):
        super().__init__()
        self.settings = settings
        w, E = settings.width, settings.embedding
        C = 4 * w
        self.source, self.references, self.lines = encoder(PICTURE, w), encoder(REFERENCES * PICTURE, w), encoder(1, w)
        self.line_code, self.image_code, self.visual_code = (nn.Linear(C, E) for _ in range(3))
        self.fused = Unit(2 * C, C, kernel=1)
        self.aligned = nn.ModuleList(AdaIN(C, E) for _ in range(2)) if settings.alignment else None
        self.trunk = nn.Sequential(Unit(2 * C, 2 * w), Unit(2 * w, 2 * w, stride=2), Unit(2 * w, 2 * w, stride=2))
        self.trunk_code, self.sound = nn.Linear(2 * w, E), SoundEncoder(E)
        self.before, self.after = (nn.Sequential(*(Residual(C) for _ in range(settings.blocks))) for _ in range(2))
        self.deformation = AdaAT(C, 2 * E)
        self.decoder = nn.Sequential(Unit(2 * C, 2 * w), nn.Upsample(scale_factor=2), Unit(2 * w, 2 * w), Residual(2 * w),
                                     nn.Upsample(scale_factor=2), Unit(2 * w, w), nn.Conv2d(w, PICTURE, 7, padding=3))
        self.blend = BlendNet(max(GROUPS, w // 2)) if settings.fusion else None
        self.audio_code = nn.Linear(E, E)

    def forward(self, shown: Shown) -> Made:
        """What is shown, what it is made of, and the embeddings that the losses compare."""
        masked = shown.source * (1 - shown.hidden)
        own, given = self.source(masked), self.references(shown.references)                        # (B, C, h, w) each
        lines = self.line_code(self.lines(shown.sketch).mean((2, 3)))                              # (B, E)
        fused = self.fused(torch.cat([own, given], 1))
        for layer in self.aligned or ():
            fused = fused + layer(fused, lines)
        pooled, sound = fused.mean((2, 3)), self.sound(shown.rows)
        code = torch.cat([self.trunk_code(self.trunk(torch.cat([fused, given], 1)).mean((2, 3))), sound], 1)
        moved = self.after(self.deformation(self.before(given), code))
        picture = torch.sigmoid(self.decoder(torch.cat([fused, moved], 1)).float())
        composite = torch.lerp(masked, picture, shown.hidden)       # nothing of the old mouth is in it
        blended = composite if self.blend is None else self.blend(composite, shown.fading, masked)
        visual, audio = (F.normalize(one.float(), dim=1) for one in (self.visual_code(pooled), self.audio_code(sound)))
        return Made(picture, blended, self.image_code(pooled), lines, visual, audio)


@in_float32
def contrastive_loss(visual: Tensor, audio: Tensor) -> Tensor:
    """Symmetric cross-entropy of scores (B, B) of unit embeddings (B, E), whose diagonal is right; ln B where all are alike.

    method/g4g.md#contradictions: equations 8 to 10 and 23 read as one InfoNCE, scores over a temperature of 0.07.
    """
    scores, target = visual @ audio.T / TEMPERATURE, torch.arange(len(visual), device=visual.device)
    return (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2


def alignment_loss(image: Tensor, lines: Tensor) -> Tensor:
    """1 - the cosine of the image's code and the sketch's (B, E), which is not moved by it (L_v)."""
    return 1 - F.cosine_similarity(image.float(), lines.detach().float(), dim=1).mean()
