"""PC-AVS on people never trained on: figures that choose the weights, and a sheet to look at.

Shapes: n frames, P pixels a side.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from headsync.experiment.precision import Precision, mixed_precision
from render_stage.nn.losses import mouth_weight, reconstruction_loss, ssim_loss
from render_stage.pc_avs.material import SpokenClip, clip_sound
from render_stage.pc_avs.network import PcAvs, PcAvsSettings, Person
from render_stage.pc_avs.view import as_tensor, canvas_view
from render_stage.sheets import as_tile, write_sheet

TARGETS = (0.35, 0.8)       # of a clip's kept frames; its first one is the person's picture
SHEET_CLIPS = 12
MOUTH = 0.5                 # what the mouth's L1 counts in the score


class PcAvsValidator:
    """Val clips drawn as in use: the first frame says who, each target's own picture the pose, the sound the mouth."""

    def __init__(self, clips: Sequence[SpokenClip], network: PcAvsSettings, *, sheets: Path | None):
        self.sheets, side = sheets, network.side_px
        first, target, points, sound, spoken = [], [], [], [], []
        for clip in clips:
            N = len(clip.frames.store)
            for share in TARGETS:
                index = np.array([min(N - 1, int(share * N))])
                first.append(canvas_view(clip.frames.store.picture(0), side))
                target.append(canvas_view(clip.frames.store.picture(int(index[0])), side))
                points.append(clip.frames.points[index[0]])
                sound.append(clip_sound(clip, index, network)[0])
                spoken.append(clip.rows is not None)
        self.first, self.target = as_tensor(first), as_tensor(target)                       # (n, 3, P, P)
        self.points, self.sound = torch.from_numpy(np.stack(points)).float(), torch.stack(sound)
        self.with_sound = torch.tensor(spoken)

    def figures(self, model: PcAvs, *, step: int, precision: Precision) -> dict[str, float]:
        """`score`, what weights are kept by: SSIM less half the mouth's L1; both alone; how often a sound finds its lips.

        `retrieval` is the share of the frames with sound whose sound is nearer to their lips than to those of all others.
        """
        device = next(model.parameters()).device
        with mixed_precision(device, precision):
            person = model.person(self.first[:, None].to(device))
            pose, seen = model.pose(self.target.to(device)), model.seen_content(self.target.to(device))
            spoken = model.sound_content(self.sound.to(device))
            content = torch.where(self.with_sound.to(device)[:, None], spoken, seen)
            made = model(person, content, pose).float().cpu()
        side = made.shape[-1]
        weight = mouth_weight(self.points, side)
        ssim = 1 - float(ssim_loss(made, self.target, luma=True))
        mouth = float(reconstruction_loss(made, self.target, (weight > 4).float()))
        self._write_sheet(model, person, content, pose, made, step=step, precision=precision)
        return {"score": ssim - MOUTH * mouth, "ssim": ssim, "mouth_l1": mouth,
                "l1": float(F.l1_loss(made, self.target)), "retrieval": retrieval(seen.float().cpu()[self.with_sound],
                                                                                    spoken.float().cpu()[self.with_sound])}

    def _write_sheet(self, model: PcAvs, person: Person, content: Tensor, pose: Tensor, made: Tensor, *, step: int,
                     precision: Precision) -> None:
        """Rows of who, what should be, what was made, with a pose code of zero, with the next one's pose, with its sound."""
        if self.sheets is None:
            return
        with mixed_precision(content.device, precision):
            others = [model(person, *pair).float().cpu() for pair in
                      ((content, 0 * pose), (content, pose.roll(2, 0)), (content.roll(2, 0), pose))]
        columns = [self.first, self.target, made, *others]
        rows = np.linspace(0, len(made) - 1, min(SHEET_CLIPS, len(made))).astype(int)
        tiles = [as_tile(column[row]) for row in rows for column in columns]
        write_sheet(self.sheets, tiles, step=step, columns=2 * len(columns) if len(rows) > 1 else len(columns))


def retrieval(seen: Tensor, spoken: Tensor) -> float:
    """The share of sounds (n, C) that are nearest to their own lips (n, C); NaN without any."""
    if not len(seen):
        return float("nan")
    scores = F.normalize(spoken, dim=1) @ F.normalize(seen, dim=1).T
    return float((scores.argmax(1) == torch.arange(len(scores))).float().mean())
