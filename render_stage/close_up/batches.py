"""Batches of close-ups, and what one is measured by.

Shapes: B close-ups, N = 96 pixels a side, C channels.
"""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from headsync.experiment import RunSettings, batch_generator, own_rows
from headsync.experiment.precision import in_float32
from render_stage.clip_frames import colour_table
from render_stage.close_up.material import MARGIN_PX, PACKED_PX, SIDE, Packed, mirrored, view_of
from render_stage.close_up.network import INSIDE, LIPS, REGION, CloseUpNetwork, begun, shown_map
from render_stage.close_up.view import view_maps
from render_stage.nn.losses import gradient_loss, reconstruction_loss, ssim_loss

INSIDE_COUNTS, LIPS_COUNT = 4.0, 2.0        # what the inside of the mouth and the lips count, of 1 for the skin round them
DARK = 0.25                                 # luma under which the inside of a mouth is dark


class CloseUpBatch(NamedTuple):
    """What a step needs."""

    shown: Tensor       # (B, SHOWN, N, N)
    real: Tensor        # (B, 3, N, N)


class DrawnCloseUps:
    """Batches by the step's number; of several processes each draws its own samples."""

    def __init__(self, material: Packed, run: RunSettings, colour: float):
        self.material, self.run, self.colour, self.rows = material, run, colour, own_rows(run.batch)

    def __call__(self, step: int) -> CloseUpBatch:
        run, generator = self.run, batch_generator(self.run.seed, step)
        numbers = torch.randint(len(self.material.pictures), (run.batch,), generator=generator)
        seeds = torch.randint(2**62, (run.batch,), generator=generator)
        return close_up_batch([
            sample_tensors(self.material, int(number), torch.Generator().manual_seed(int(seed)), self.colour)
            for number, seed in zip(numbers[self.rows], seeds[self.rows])])


def close_up_batch(samples: list[tuple[np.ndarray, np.ndarray]]) -> CloseUpBatch:
    """Samples one behind the other."""
    pictures, maps = (torch.from_numpy(np.stack(part)) for part in zip(*samples))
    pictures = pictures.permute(0, 3, 1, 2).float() / 255               # (B, CHANNELS, N, N)
    return CloseUpBatch(torch.cat([begun(pictures[:, :3], pictures[:, 6:], maps), pictures[:, 6:], maps], 1), pictures[:, 3:6])


def sample_tensors(material: Packed, number: int, generator: torch.Generator | None = None,
                   colour: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, N, CHANNELS) uint8 and maps (MAPS, N, N) of a sample: its middle, or changed at random."""
    pictures, view = np.asarray(material.pictures[number]), view_of(material.views[number])
    left = top = MARGIN_PX
    if generator is not None:
        left, top, flip = torch.randint(2 * MARGIN_PX + 1, (3,), generator=generator).tolist()
        gains = np.exp(colour * torch.randn(4, generator=generator).numpy())
        if flip % 2:
            pictures, view = pictures[:, ::-1], mirrored(view, PACKED_PX)
        table = colour_table(gains)
        pictures = np.dstack([cv2.LUT(np.ascontiguousarray(pictures[..., at : at + 3]), table) for at in (0, 3, 6)]
                             + [pictures[..., 9:]])
    part = pictures[top : top + SIDE, left : left + SIDE]
    return np.ascontiguousarray(part), view_maps(view.shifted(np.array([left, top])), SIDE)


def drawn(network: CloseUpNetwork, shown: Tensor) -> Tensor:
    """The close-ups (B, 3, N, N) drawn again."""
    return shown[:, :3] + network(shown)


def pixel_weight(shown: Tensor) -> Tensor:
    """How much each pixel counts (B, 1, N, N)."""
    counts = 1 + INSIDE_COUNTS * shown_map(shown, INSIDE) + LIPS_COUNT * shown_map(shown, LIPS)
    return shown_map(shown, REGION) * counts


@in_float32
def scores(made: Tensor, batch: CloseUpBatch) -> dict[str, float]:
    """The figures of one close-up and of its real picture; NaN inside a mouth that is shut."""
    region, hole = shown_map(batch.shown, REGION), shown_map(batch.shown, INSIDE) > 0.5
    target = torch.lerp(batch.shown[:, :3], batch.real, region)
    found = {"l1": float(reconstruction_loss(made, target, pixel_weight(batch.shown))),
             "ssim": 1 - float(ssim_loss(made, target, luma=True))}
    inside = bool(hole.sum() > 30)
    found["inside"] = float((made - target).abs().mean(1, keepdim=True)[hole].mean()) if inside else np.nan
    for name, one in (("", made), ("_real", target)):
        luma = (one * one.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
        found[f"contrast{name}"] = float(luma[hole].std()) if inside else np.nan
        found[f"dark{name}"] = float((luma[hole] < DARK).float().mean()) if inside else np.nan
        found[f"sharpness{name}"] = float(gradient_loss(one * region, torch.zeros_like(one)))
    return found
