"""A trained G4G at work, as a renderer: the frame's own canvas with another mouth in it.

Shapes: t frames, S = 256 canvas pixels, P output pixels a side, H W pixels of a crop, N = 5 references, R = 20 rows.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from headsync.experiment import Kind, build_config, chosen_device, load_model
from headsync.experiment.precision import Precision, chosen_precision, mixed_precision
from headsync.landmarks.quality import lip_opening
from render_stage.contract import Drive
from render_stage.g4g.crop import crop_matrix, crop_points, crop_size, cropped, fading, hidden, radius, sketch
from render_stage.g4g.network import G4G, REFERENCES, G4GSettings, Shown
from render_stage.references import Reference

KIND = Kind("render_stage", (), frozenset(["g4g"]), "g4g", "G4G renderer", "headsync train g4g", "G4G weights")
MARGIN_FRAMES = 2


class Identity(NamedTuple):
    """All that is constant for a person."""

    references: Tensor      # (1, 3 N, H, W)
    radius: float           # of the mouth's square, canvas units
    size: int               # P


class G4GRenderer:
    """A `render_stage.Renderer` that needs the video's own frames and the sound: for dubbing."""

    needs, margin_frames = frozenset({"points", "rows", "source"}), MARGIN_FRAMES

    def __init__(self, network: G4G, *, device: str | torch.device = "cpu", precision: Precision = "auto"):
        self.device = chosen_device(device)
        self.precision = chosen_precision(self.device, precision)
        self.network = network.eval().requires_grad_(False).to(self.device, memory_format=torch.channels_last)
        self.mouth = network.settings.mouth

    def prepare(self, references: Sequence[Reference]) -> Identity:
        """Five of the references, the most open and the most closed mouths among them; fewer are taken again.

        ValueError without one.
        """
        if not references:
            raise ValueError("G4G needs at least one reference")
        points = np.stack([one.points for one in references])                                       # (K, L, 3)
        order = np.argsort(lip_opening(points), kind="stable")
        chosen = order[np.linspace(0, len(order) - 1, REFERENCES).round().astype(int)]
        size = radius(points)
        crops = [self._crop(references[one].picture, references[one].points, size)[0] for one in chosen]
        stacked = torch.from_numpy(np.concatenate(crops, -1)).permute(2, 0, 1)[None].float() / 255
        return Identity(stacked.to(self.device), size, references[0].picture.shape[0])

    def frames(self, identity: Identity, drive: Drive) -> np.ndarray:
        """Pictures (t, P, P, 3) uint8: each frame's own canvas, the crop round its mouth drawn anew; every frame alone."""
        count = len(drive.points) - 2 * MARGIN_FRAMES
        made = [self._frame(identity, drive, number) for number in range(count)]
        return np.stack(made) if made else np.zeros((0, identity.size, identity.size, 3), np.uint8)

    def _crop(self, canvas: np.ndarray, points: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
        matrix = crop_matrix(points, size, self.mouth, len(canvas))
        return cropped(canvas, matrix, self.mouth), matrix

    def _frame(self, identity: Identity, drive: Drive, number: int) -> np.ndarray:
        points, canvas = drive.points[number + MARGIN_FRAMES], drive.source[number + MARGIN_FRAMES]
        rows = drive.rows[4 * number : 4 * (number + 2 * MARGIN_FRAMES + 1)]                        # (R, F)
        crop, matrix = self._crop(canvas, points, identity.radius)
        places = crop_points(points, matrix, len(canvas))
        mask = hidden("box", places, self.mouth)
        soft = fading(mask, self.mouth)
        shown = Shown(_tensor(crop) / 255, _tensor(mask[..., None]), _tensor(soft[..., None]), identity.references,
                      _tensor(sketch(places, self.mouth)[..., None]) / 255, torch.from_numpy(np.ascontiguousarray(rows))[None])
        shown = Shown(*(one.to(self.device) for one in shown))
        with torch.inference_mode(), mixed_precision(self.device, self.precision):
            made = self.network(shown).blended
        drawn = made[0].float().clamp(0, 1).mul(255).permute(1, 2, 0).cpu().numpy()                 # (H, W, 3)
        return self._put_back(canvas, drawn, mask, matrix, identity.size)

    def _put_back(self, canvas: np.ndarray, drawn: np.ndarray, mask: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
        """The canvas at its output size, with the drawn crop over it where something was taken out."""
        height, width = crop_size(self.mouth)
        shown = canvas if size == len(canvas) else cv2.resize(canvas, (size, size), interpolation=cv2.INTER_CUBIC)
        factor = size / len(canvas)
        back = cv2.invertAffineTransform(matrix)
        back = np.concatenate([factor * back[:, :2], (factor * (back[:, 2:] + 0.5) - 0.5)], axis=1)
        over = cv2.warpAffine(drawn, back, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        share = cv2.warpAffine(fading(mask, self.mouth), back, (size, size))[..., None]
        return np.rint(np.clip(shown + share * (over - shown), 0, 255)).astype(np.uint8)


def _tensor(picture: np.ndarray) -> Tensor:
    """(1, C, H, W) float32 of (H, W, C)."""
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float()


def load_g4g(source: str | Path, *, device: str | torch.device = "auto", precision: Precision = "auto") -> G4GRenderer:
    """The renderer of a weight file. ValueError as `render_stage.load_renderer`."""
    device = chosen_device(device)
    network = load_model(source, lambda config: G4G(build_config(G4GSettings, config["g4g"])), KIND)
    return G4GRenderer(network, device=device, precision=precision)
