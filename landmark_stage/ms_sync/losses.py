"""What a generated motion is told, each term a named, unweighted scalar; weights are applied once, in training.

Shapes: B clips, T frames, L = 68 landmarks, D = 2 or 3 coordinates, F shape features. Motions (B, T, D * L) are in canvas
shares unless said otherwise. Source: MS-Sync section 3.3, method/ms_sync.md#losses-and-optimisation; `lips` and `spread` are
additions of headsync.
"""

import torch
from torch import Tensor

from landmark_stage.ms_sync.generator import face_size
from syncers import SyncerPyramid
from syncers.channels import LANDMARKS, shape_features

# Facts 1.5: points that keep their distances whatever a face does
RIGID_LOSS_POINTS = (0, 1, 2, 14, 15, 16, 27, 30, 31, 35, 36, 39, 42, 45)
LIP_SHAPES = [0, 1, 2, 3, 10]       # of `shape_features`: openings, widths, jaw
DEPTH_PARTS = (range(5), range(12, 17), range(17, 27), range(6, 11))    # right and left jaw, brows, chin
LEAST_SPREAD = 1e-4
LEVEL_SHARE = 0.2


def sync_loss(pyramid: SyncerPyramid, motion: Tensor, rows: Tensor, *, levels: int) -> Tensor:
    """Minus the mean cosine of sound and motion over the first `levels` time scales: in [-1, 1], equation 3.

    `motion` (B, T, D * L), `rows` (B, 4T, 26). ValueError when the clips are too short for that many levels.
    """
    scores = pyramid.scores(motion, rows)       # (levels that fit,)
    if len(scores) < levels:
        raise ValueError(f"{motion.shape[1]} frames are too few for {levels} time scales; {len(scores)} fit")
    return -scores[:levels].mean()


def position_loss(made: Tensor, real: Tensor) -> Tensor:
    """The share of real motion (B, T, D * L) that is not met: squared distance over squared way from the start.

    0 for the real motion, 1 for a still face. The published L2 without a unit that depends on faces and motion.
    """
    way = (real - real[:, :1]).square().mean().clamp(min=LEAST_SPREAD**2)
    return (made - real).square().mean() / way


def lip_loss(made: Tensor, real: Tensor, size: Tensor) -> Tensor:
    """The share of real speech that is not met, by five shapes of lips and chin that hardly depend on the head's pose.

    Inner and outer opening and width, and the jaw, in units of the face's size (B, 1): squared distance about each
    stretch's own mean, and a fifth of that of the means (how far a mouth is open on the whole is more the person's than
    the sound's, but one that starts open must learn to close), over variance. 0 for the real motion, 1 or more for
    still lips.
    """
    ours, theirs = (_shapes(motion, size)[..., LIP_SHAPES] for motion in (made, real))              # (B, T, 5)
    variance = _about_mean(theirs).square().mean((0, 1)).clamp(min=LEAST_SPREAD**2)                 # (5,)
    apart = (_about_mean(ours) - _about_mean(theirs)).square().mean((0, 1))
    level = (ours.mean(1) - theirs.mean(1)).square().mean(0)
    return ((apart + LEVEL_SHARE * level) / variance).mean()


def _about_mean(shapes: Tensor) -> Tensor:
    return shapes - shapes.mean(1, keepdim=True)


def rest_loss(made: Tensor, real: Tensor, size: Tensor) -> Tensor:
    """How much the lips of silent faces `made` (B', T, D * L) move, as a share of the variance of talking ones'.

    `real` (B, T, D * L) are the talking ones, `size` (B, 1) theirs; silent faces are measured by their own start.
    """
    still = _about_mean(_shapes(made, face_size(made[:, 0].detach()))[..., LIP_SHAPES])     # (B', T, 5)
    speech = _about_mean(_shapes(real, size)[..., LIP_SHAPES])                              # (B, T, 5)
    return (still.square().mean((0, 1)) / speech.square().mean((0, 1)).clamp(min=LEAST_SPREAD**2)).mean()


def rigid_loss(motion: Tensor) -> Tensor:
    """The mean relative change of the distances among 14 hardly moving points against the first frame; 3-D motions."""
    points = motion.unflatten(-1, (LANDMARKS, -1))[..., list(RIGID_LOSS_POINTS), :]     # (B, T, P, D)
    one, other = torch.triu_indices(len(RIGID_LOSS_POINTS), len(RIGID_LOSS_POINTS), offset=1)
    distances = ((points[..., one, :] - points[..., other, :]).square().sum(-1) + 1e-12).sqrt()    # (B, T, pairs)
    return (distances / distances[:, :1].detach() - 1).abs().mean()


def spread_loss(made: Tensor, real: Tensor, size: Tensor) -> Tensor:
    """How far a batch's spread of shapes and of their velocities is from the real one's: squared logarithms of ratios.

    Shapes (lips, jaw, brows, place, roll, size, yaw, pitch) about each stretch's own mean, and as displacements
    from the start about the batch's mean; and, so that a face which leaves its place for good gains nothing, the squared
    lean of all displacements to one side, in real deviations.
    Regression to the mean shrinks motion; this asks for as much of it as people have, without saying when.
    """
    ours, theirs = _shapes(made, size), _shapes(real, size)                                 # (B, T, F)
    ratios = [torch.log(_spread(change(ours)) / _spread(change(theirs))) for change in (_about_mean, _velocity, _displaced)]
    lean = ((ours - ours[:, :1]).mean((0, 1)) - (theirs - theirs[:, :1]).mean((0, 1))) / _spread(_about_mean(theirs))
    return torch.stack([*ratios, lean]).square().mean()


def _shapes(motion: Tensor, size: Tensor) -> Tensor:
    """Twelve shapes (B, T, 12) in the plane; in space two more, how far the head is turned and nodded by its depths."""
    points = motion.unflatten(-1, (LANDMARKS, -1)) / size[:, None, None]                    # (B, T, L, D)
    shapes = shape_features(points)
    if points.shape[-1] == 2:
        return shapes
    right, left, brows, chin = (points[..., list(part), 2].mean(-1) for part in DEPTH_PARTS)
    return torch.cat([shapes, torch.stack([right - left, brows - chin], -1)], -1)


def _velocity(shapes: Tensor) -> Tensor:
    return torch.diff(shapes, dim=1)


def _displaced(shapes: Tensor) -> Tensor:
    ways = shapes - shapes[:, :1]
    return ways - ways.mean((0, 1))


def _spread(values: Tensor) -> Tensor:
    return (values.square().mean((0, 1)) + LEAST_SPREAD**2).sqrt()  # (F,)
