"""What the networks are shown: references as they look when they are matched, and geometry's guides, as tensors.

Shapes: B samples, K references, S = 256 canvas pixels, G = 128 pixels of the guide's coarse maps.
Pictures are (3, S, S) float32 in [0, 1].
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from render_stage.nn.layers import resized
from render_stage.rhythmic_head.backdrop import backdrops, widened
from render_stage.rhythmic_head.guide import COARSE, Guide, coarse_lines


class Guides(NamedTuple):
    """What the networks are shown of B target frames."""

    projected: Tensor       # (B, 3, S, S)
    masks: Tensor           # (B, 2, S, S): where that is visible; the hole between the lips
    matched: Tensor         # (B, 3, S, S): the matched reference as it is
    matched_lines: Tensor   # (B, 1, G, G)
    flow: Tensor            # (B, 2, G, G): its head's displacement from the target, in canvas pixels
    lines: Tensor           # (B, 1, G, G)
    person: Tensor          # (B, 1, S, S): where the matched reference shows a person, with its soft rim
    matched_coarse: Tensor  # (B, 4, G, G): the matched reference and its person, averaged
    backdrop: Tensor        # (B, 3, S, S): what is behind that person


class Look(NamedTuple):
    """A reference as the networks see it when it is matched, without a batch axis."""

    picture: Tensor         # (3, S, S)
    lines: Tensor           # (1, G, G)
    person: Tensor          # (1, S, S)
    coarse: Tensor          # (4, G, G): picture and person, averaged
    backdrop: Tensor        # (3, S, S)


def looks(pictures: Sequence[np.ndarray], points: np.ndarray, people: Sequence[np.ndarray]) -> list[Look]:
    """How K references look: pictures (S, S, 3) uint8, landmarks (K, L, 3) and maps of persons (S, S) uint8."""
    people = [widened(one) for one in people]
    seen = []
    for picture, one, person, behind in zip(pictures, points, people, backdrops(pictures, people), strict=True):
        shown, where = as_picture(picture), as_picture(person[..., None])
        coarse = resized(torch.cat([shown, where])[None], COARSE)[0]
        seen.append(Look(shown, as_map(coarse_lines(one)), where, coarse, as_picture(behind)))
    return seen


def person_map(person: np.ndarray) -> Tensor:
    """Where a person is, with the soft rim, (1, S, S) in [0, 1], from a map (S, S) uint8."""
    return as_picture(widened(person)[..., None])


def guide_tensors(shown: Guide, match: Look) -> Guides:
    """A guide and its matched reference as the networks see them, without a batch axis."""
    return Guides(as_picture(shown.projected), as_picture(shown.masks), match.picture, match.lines,
                  torch.from_numpy(shown.flow).permute(2, 0, 1), as_map(shown.lines), match.person, match.coarse,
                  match.backdrop)


def as_picture(picture: np.ndarray) -> Tensor:
    """(H, W, C) uint8 as (C, H, W) float32 in [0, 1]."""
    return torch.from_numpy(picture).permute(2, 0, 1).float().div_(255)  # (C, H, W)


def as_map(lines: np.ndarray) -> Tensor:
    """(G, G) in {0, 1} as (1, G, G) float32."""
    return torch.from_numpy(lines)[None].float()  # (1, G, G)
