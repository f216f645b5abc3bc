"""Input channels of the syncers: audio rows as cepstra, landmarks as shapes that mean the same on every face.

Shapes: B clips, T frames, L = 68 landmarks, D = 2 or 3 coordinates, R feature rows (2 or 4 a frame) of F features, C channels.

Raw positions of 68 points let an encoder overfit to people; shapes of the face, with their velocities and the
absolute values of these, generalise. Speeds are taken before the time pyramid: blurring positions erases lip motion,
blurring |velocity| keeps its energy, and that is what follows speech at coarse scales.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from headsync.experiment.precision import in_float32
from headsync.landmarks import IBUG68, layout_size
from headsync.landmarks.layouts import INNER_PAIRS
from headsync.media.kinds import FEATURE_KINDS, FeatureName

LANDMARKS = layout_size(IBUG68)
SPEED_GAIN = 5.0            # brings velocities to the size of positions
ROW_OFFSET = 10.0           # log energies lie round -10
ROW_FLOOR = -13.0           # quieter rows say nothing but how silent silence is
# Points that hardly move against the skull: the frame of reference for what the face does by itself
STABLE = (27, 28, 29, 30, 31, 33, 35, 36, 39, 42, 45)
# Fifteen regions that cover all 68 points
REGIONS = ((0, 1, 2, 3, 4), (4, 5, 6, 7), (7, 8, 9), (9, 10, 11, 12), (12, 13, 14, 15, 16), (17, 18, 19, 20, 21),
           (22, 23, 24, 25, 26), (27, 28, 29, 30), (31, 32, 33, 34, 35), (36, 37, 38, 39, 40, 41),
           (42, 43, 44, 45, 46, 47), (48, 49, 59, 60), (53, 54, 55, 64), (50, 51, 52, 61, 62, 63),
           (56, 57, 58, 65, 66, 67))


@dataclass(frozen=True)
class ChannelSettings:
    """Which channels a syncer reads."""

    faces: tuple[str, ...] = ("regions", "shape")   # of: shape, regions, points
    dims: int = 2                           # 3 matters to `points` alone
    positions: bool = True
    velocities: bool = True
    speeds: bool = True                     # absolute velocities
    features: FeatureName = "fbank26"       # the kind of sound's features (`media.kinds`)
    audio: Literal["cepstra", "rows"] = "rows"      # all of a kind, or the first cepstra: of mfcc26, or made of fbank26
    cepstra: int = 10
    window: int = 5                         # steps of a level; 5 is the paper's

    def __post_init__(self):
        unknown = set(self.faces) - set(FACES)
        if unknown or not self.faces:
            raise ValueError(f"faces must be some of {', '.join(FACES)}, got {self.faces}")
        if self.dims not in (2, 3) or not 1 <= self.cepstra <= 26:
            raise ValueError(f"dims must be 2 or 3 and cepstra 1 to 26, got {self.dims} and {self.cepstra}")
        if self.audio == "cepstra" and self.features not in ("fbank26", "mfcc26"):
            raise ValueError(f"there are cepstra of fbank26 and mfcc26, not of {self.features}; give audio=rows")
        if self.window < 2:
            raise ValueError(f"a window has at least 2 steps, got {self.window}")
        if not (self.positions or self.velocities or self.speeds):
            raise ValueError("a syncer needs positions, velocities or speeds, got none of them")


    @property
    def rows_per_frame(self) -> int:
        """Rows of sound for each video frame, and for each step of a level."""
        return FEATURE_KINDS[self.features].rows_per_frame


@in_float32
def motion_channels(flat: Tensor, settings: ChannelSettings) -> Tensor:
    """Channels (B, T, C) of landmarks (B, T, D * L) in shares of the canvas; differentiable in every landmark.

    Faces are brought to unit size and to the middle, once per clip; positions have their clip's mean taken off.
    """
    D = flat.shape[-1] // LANDMARKS
    if flat.ndim != 3 or D * LANDMARKS != flat.shape[-1] or D < settings.dims:
        raise ValueError(f"landmarks must be (B, T, {settings.dims * LANDMARKS}) or more, got {tuple(flat.shape)}")
    points = _unit_size(flat.unflatten(-1, (LANDMARKS, D))[..., : settings.dims])      # (B, T, L, D)
    return torch.cat([_with_motion(FACES[name](points), settings) for name in settings.faces], dim=-1)  # (B, T, C)


def _with_motion(face: Tensor, settings: ChannelSettings) -> Tensor:
    """Features (B, T, F) of one kind with their velocities and speeds, as asked for: (B, T, 1 to 3 F)."""
    velocity = SPEED_GAIN * torch.diff(face, dim=1, prepend=2 * face[:, :1] - face[:, 1:2])  # (B, T, F)
    parts = [face - face.mean(1, keepdim=True)] * settings.positions
    parts += [velocity] * settings.velocities + [velocity.abs()] * settings.speeds
    return torch.cat(parts, dim=-1)


@in_float32
def audio_channels(rows: Tensor, settings: ChannelSettings) -> Tensor:
    """Channels (B, R, C) of feature rows (B, R, F) of the settings' kind, near unit size.

    Log filterbank rows as they are or as their first cepstra; MFCC, all or the first of them; a network's features as they are.
    """
    if settings.features == "mfcc26":
        return (rows[..., : settings.cepstra] if settings.audio == "cepstra" else rows) / 10
    if settings.features != "fbank26":
        return rows
    lifted = rows.clamp(min=ROW_FLOOR) + ROW_OFFSET
    if settings.audio == "rows":
        return lifted / 4
    scale = torch.full((settings.cepstra,), 5.0, dtype=rows.dtype, device=rows.device)
    scale[0] = 20.0
    return lifted @ _cosines(rows.shape[-1], settings.cepstra).to(rows) / scale  # (B, R, C)


def _cosines(size: int, kept: int) -> Tensor:
    """The first columns (size, kept) of the orthonormal type-II cosine transform."""
    angle = torch.arange(size)[:, None] + 0.5
    table = torch.cos(math.pi / size * angle * torch.arange(kept)) * math.sqrt(2 / size)
    table[:, 0] /= math.sqrt(2)
    return table  # (size, kept)


def _unit_size(points: Tensor) -> Tensor:
    """Points (B, T, L, D) over their clip's root mean square distance from the face's middle (x and y), centred."""
    flat = points[..., :2]
    spread = (flat - flat.mean(2, keepdim=True)).square().sum(-1).mean((1, 2)).sqrt()   # (B,)
    scaled = points / spread.clamp(min=1e-6)[:, None, None, None]
    return scaled - scaled.mean((1, 2), keepdim=True)


def _opening(points: Tensor, upper: int, lower: int, down: Tensor) -> Tensor:
    """How far two lips of points (B, T, L, 2) are apart (B, T), below 0 where they cross against `down` (B, T, 2)."""
    crossed = ((points[..., lower, :] - points[..., upper, :]) * down).sum(-1) < 0
    apart = _distance(points, upper, lower)
    return torch.where(crossed, -apart, apart)


def _distance(points: Tensor, one: int, other: int) -> Tensor:
    # the small constant keeps the gradient finite where two points meet, as closed lips do
    return ((points[..., one, :] - points[..., other, :]).square().sum(-1) + 1e-8).sqrt()  # (B, T)


def shape_features(points: Tensor) -> Tensor:
    """Twelve shapes (B, T, 12) of points (B, T, L, D).

    Inner (signed: below 0 where lips cross) and outer lip opening, inner and outer lip width, nose x and y, roll, size, yaw and
    pitch proxies, jaw, brows.
    """
    q = points[..., :2]
    right, left = q[..., 36:42, :].mean(-2), q[..., 42:48, :].mean(-2)                 # (B, T, 2)
    axis = torch.nn.functional.normalize(left - right, dim=-1)
    upright = torch.stack([-axis[..., 1], axis[..., 0]], -1)                           # (B, T, 2), down the face
    inner = sum(_opening(q, a, b, upright) for a, b in INNER_PAIRS) / 3
    outer = sum(_distance(q, a, b) for a, b in ((50, 58), (51, 57), (52, 56))) / 3
    middle, nose = (left + right) / 2, q[..., 30, :]
    size = (q - q.mean(-2, keepdim=True)).square().sum(-1).mean(-1).sqrt()
    return torch.stack([
        inner, outer, _distance(q, 60, 64), _distance(q, 48, 54), nose[..., 0], nose[..., 1],
        torch.atan2(axis[..., 1], axis[..., 0]), size,
        ((nose - middle) * axis).sum(-1), ((nose - middle) * upright).sum(-1),
        ((q[..., 6:11, :].mean(-2) - q[..., 31:36, :].mean(-2)) * upright).sum(-1),
        ((middle - q[..., 17:27, :].mean(-2)) * upright).sum(-1)], dim=-1)  # (B, T, 12)


def region_features(points: Tensor) -> Tensor:
    """Where the face is and what each region does by itself: (B, T, 4 + 2 * 15) of points (B, T, L, D).

    Place, size and roll of the whole face; then the regions' mean places after the stable points' motion is taken out,
    so that every landmark takes part.
    """
    q = points[..., :2]
    middle = q.mean(-2)
    size = (q - middle[..., None, :]).square().sum(-1).mean(-1).sqrt()
    axis = q[..., 42:48, :].mean(-2) - q[..., 36:42, :].mean(-2)
    roll = torch.atan2(axis[..., 1], axis[..., 0])
    own = own_motion(q)
    places = torch.cat([own[..., list(region), :].mean(-2) for region in REGIONS], -1)   # (B, T, 30)
    return torch.cat([middle, size[..., None], roll[..., None], places], -1)  # (B, T, 34)


def own_motion(points: Tensor) -> Tensor:
    """Points (B, T, L, 2) with the similarity motion of the stable points against their clip's mean taken out."""
    stable = points[..., list(STABLE), :]
    centre = stable.mean(-2, keepdim=True)                                      # (B, T, 1, 2)
    now = stable - centre
    aim = now.mean(1, keepdim=True)                                             # (B, 1, S, 2)
    power = now.square().sum((-1, -2)).clamp(min=1e-8)                          # (B, T)
    cosine = (now * aim).sum((-1, -2)) / power
    sine = (now[..., 0] * aim[..., 1] - now[..., 1] * aim[..., 0]).sum(-1) / power
    turn = torch.stack([torch.stack([cosine, sine], -1), torch.stack([-sine, cosine], -1)], -2)  # (B, T, 2, 2)
    return (points - centre) @ turn  # (B, T, L, 2)


def point_features(points: Tensor) -> Tensor:
    """All coordinates (B, T, L * D): the paper's input."""
    return points.flatten(-2)  # (B, T, L * D)


def channel_counts(settings: ChannelSettings) -> tuple[tuple[int, ...], int]:
    """How many motion channels each kind of face features gives, in order, and how many audio channels there are."""
    still, silence = torch.zeros(1, 2, LANDMARKS * settings.dims), torch.zeros(1, 1, FEATURE_KINDS[settings.features].features)
    motion = tuple(motion_channels(still, replace(settings, faces=(name,))).shape[-1] for name in settings.faces)
    return motion, audio_channels(silence, settings).shape[-1]


FACES = {"shape": shape_features, "regions": region_features, "points": point_features}
