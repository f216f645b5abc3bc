"""Validation of a renderer on people never trained on, and sheets of them to look at.

Shapes: B samples, K references, S = 256 canvas pixels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from headsync.corpus.frames import last_reference
from headsync.experiment.precision import Precision, mixed_precision
from headsync.landmarks import head_pose
from render_stage.clip_frames import ClipFrames
from render_stage.geometry.motion_matcher import pick_references
from render_stage.geometry.topology import load_topology
from render_stage.nn.losses import gradient_loss, mouth_weight, reconstruction_loss, ssim_loss
from render_stage.rhythmic_head.data import Batch
from render_stage.rhythmic_head.guide import CANVAS, GuideSettings, guide_maker
from render_stage.rhythmic_head.inputs import Guides, as_picture, guide_tensors, looks, person_map
from render_stage.rhythmic_head.network import Made, RendererNetwork
from render_stage.sheets import as_tile, write_sheet

COUNTS = (1, 4)             # of references
MOUTH = 4.0                 # weight from which a pixel counts as the mouth's
SHEET_ROWS, SHEET_COLUMNS = 8, 6


class Validator:
    """A fixed set of targets with their references and guides; held in memory, some megabytes each."""

    def __init__(self, clips: Sequence[ClipFrames], settings: GuideSettings, *, sheets: Path | None = None, most: int = 24,
                 counts: Sequence[int] = COUNTS):
        self.topology, self.settings, self.sheets = load_topology(), settings, sheets
        chosen = [clips[number] for number in np.linspace(0, len(clips) - 1, min(most, len(clips))).round().astype(int)]
        self.samples = {K: [self._sample(clip, K) for clip in chosen] for K in counts}

    def _sample(self, clip: ClipFrames, K: int) -> Batch:
        """The clip's first frame or K frames that cover its beginning, and the frame of its rest with the median turn."""
        numbers = clip.store.numbers
        border = max(1, int(np.searchsorted(numbers, last_reference(int(numbers[-1]) + 1))))
        h = head_pose(clip.points, scale=head_pose(clip.points[:1]).scale).h                # (N, 6)
        references = [0] if K == 1 else pick_references(h[:border], K).tolist()
        rest = h[border:, :3] if border < len(numbers) else h[-1:, :3]
        target = min(border, len(numbers) - 1) + int(np.abs(rest).sum(1).argsort()[len(rest) // 2])
        pictures = [clip.store.picture(number) for number in references]
        maker = guide_maker(pictures, clip.points[references], clip.mesh[references], topology=self.topology,
                            settings=self.settings)
        points = clip.points[target]
        match = int(maker.choose(maker.poses(points[None]))[0])
        seen = looks(pictures, clip.points[references], [clip.store.person(number) for number in references])
        shown = maker.guide(points, match)
        return Batch(torch.stack([one.picture for one in seen])[None], torch.stack([one.lines for one in seen])[None],
                     Guides(*(one[None] for one in guide_tensors(shown, seen[match]))),
                     torch.from_numpy(shown.teacher)[None, None], as_picture(clip.store.picture(target))[None],
                     torch.from_numpy(points)[None], person_map(clip.store.person(target))[None])

    @torch.no_grad()
    def figures(self, network: RendererNetwork, *, step: int, precision: Precision = "auto") -> dict[str, float]:
        """SSIM, PSNR (dB), mouth L1, sharpness as a share of the real picture's, the anchor's SSIM: means over targets for each
        number of references; `ssim` over all."""
        network.eval()
        found, rows = {}, []
        for K, samples in self.samples.items():
            each = []
            for batch in samples:
                made = self._made(network, batch, precision)
                each.append(_scores(made, batch))
                if K == 1 and len(rows) < SHEET_ROWS * SHEET_COLUMNS:
                    rows += sheet_row(made, batch)
            found |= {f"{name}_{K}": float(np.mean([one[name] for one in each])) for name in each[0]}
        write_sheet(self.sheets, rows, step=step, columns=SHEET_COLUMNS)
        return {"ssim": float(np.mean([found[f"ssim_{K}"] for K in self.samples])), **found}

    def _made(self, network: RendererNetwork, batch: Batch, precision: Precision) -> Made:
        device = next(network.parameters()).device
        guides = Guides(*(one.to(device) for one in batch.guides))
        with mixed_precision(device, precision):
            return network(network.references(batch.references.to(device), batch.reference_lines.to(device)), guides)


def _scores(made: Made, batch: Batch) -> dict[str, float]:
    picture, anchor = (one.float().cpu().clamp(0, 1) for one in (made.picture, made.placed.anchor))
    mouth = (mouth_weight(batch.points, CANVAS) >= MOUTH).float()
    error = float((picture - batch.target).square().mean())
    detail, real = (float(gradient_loss(one, torch.zeros_like(one))) for one in (picture, batch.target))
    return {"ssim": 1 - float(ssim_loss(picture, batch.target)), "psnr": -10 * float(np.log10(max(error, 1e-10))),
            "mouth": float(reconstruction_loss(picture, batch.target, mouth)),
            "sharpness": detail / max(real, 1e-6),
            "anchor_ssim": 1 - float(ssim_loss(anchor, batch.target))}


def sheet_row(made: Made, batch: Batch) -> list[np.ndarray]:
    """One sample as tiles (S, S, 3): first reference, projected, matched as warped, both together, made, real."""
    placed = made.placed
    return [as_tile(one[0]) for one in (batch.references[0], placed.projected, placed.matched, placed.anchor, made.picture,
                                        batch.target)]
