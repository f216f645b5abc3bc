"""PC-AVS at work: a person's pictures are read once, then sound makes the mouth, and a video, landmarks or nothing the pose.

Shapes: K references, t frames of a block, m = 2 frames of margin, T = t + 2 m, P pixels of the canvas's side,
N of the networks'.
Source: PC-AVS sections 3.3 and 4, method/pc_avs.md#inference.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import cv2
import numpy as np
import torch
from torch import Tensor

from headsync.experiment import chosen_device
from headsync.experiment.precision import Precision, chosen_precision, mixed_precision
from render_stage.contract import Drive
from render_stage.pc_avs.network import WINDOW_FRAMES, PcAvs, Person, sound_windows
from render_stage.pc_avs.view import as_tensor, canvas_view
from render_stage.pc_avs.weights import load_pc_avs_network
from render_stage.references import Reference

PoseFrom = Literal["landmarks", "video", "hold", "frontal"]
READS = {"landmarks": {"pose"}, "video": {"source"}, "hold": set(), "frontal": set()}     # parts of the drive
SOUND_PART = {"phonetic": "phonetics", "mel": "decibels"}
SMOOTHING = (0.25, 0.5, 0.25)       # of a video's pose codes over time: single ones flicker
MOST_GAIN = 3.0


class SpokenIdentity(NamedTuple):
    """All that is constant for a person."""

    person: Person      # (1, ...)
    pose: Tensor        # (1, Q): of the first reference
    size: int           # P


class PcAvsRenderer:
    """A `render_stage.Renderer`: networks in evaluation mode on one device, in one precision; every frame is made alone.

    `pose` says where head poses come from: the drive's landmarks, the frames of its video, the first reference (`hold`), or
    nowhere: `frontal` is the code of zero. `mouth_gain` multiplies the speech content, 1.2 in the public code.
    """

    margin_frames = WINDOW_FRAMES // 2

    def __init__(self, network: PcAvs, *, pose: PoseFrom = "landmarks", mouth_gain: float = 1.0,
                 device: str | torch.device = "cpu", precision: Precision = "auto"):
        check_pose_options(pose, mouth_gain)
        self.device = chosen_device(device)
        self.precision = chosen_precision(self.device, precision)
        self.network = network.eval().requires_grad_(False).to(self.device, memory_format=torch.channels_last)
        self.pose, self.mouth_gain = pose, mouth_gain
        self.sound_part = SOUND_PART[network.settings.sound]
        self.needs = frozenset({"points", self.sound_part, *READS[pose]})

    def prepare(self, references: Sequence[Reference]) -> SpokenIdentity:
        """What is constant for an identity: the mean over its references. ValueError for none and for different sizes."""
        sizes = {reference.picture.shape for reference in references}
        if len(sizes) != 1:
            raise ValueError(f"a renderer takes one or more references of one size, got {len(references)} of sizes "
                             f"{sorted(sizes)}")
        pictures = self._pictures([reference.picture for reference in references])
        with torch.inference_mode(), mixed_precision(self.device, self.precision):
            person = self.network.person(pictures[None])
            return SpokenIdentity(person, self.network.pose(pictures[:1]), references[0].picture.shape[0])

    def _pictures(self, canvases: Sequence[np.ndarray]) -> Tensor:
        side = self.network.settings.side_px
        return as_tensor([canvas_view(one, side) for one in canvases]).to(self.device)

    def frames(self, identity: SpokenIdentity, drive: Drive) -> np.ndarray:
        """Pictures (t, P, P, 3) uint8 of a drive; every frame is made alone, so that no cut of a motion shows."""
        count = len(drive.points) - 2 * self.margin_frames
        if count <= 0:
            return np.zeros((0, identity.size, identity.size, 3), np.uint8)
        rows = torch.from_numpy(np.asarray(getattr(drive, self.sound_part), np.float32)).to(self.device)
        windows = sound_windows(rows, self.network.settings.rows_per_frame)                 # (t, W, F)
        made = np.empty((count, identity.size, identity.size, 3), np.uint8)
        with torch.inference_mode(), mixed_precision(self.device, self.precision):
            poses = self._poses(identity, drive, count)
            for number in range(count):
                content = self.mouth_gain * self.network.sound_content(windows[number : number + 1])
                picture = self.network(identity.person, content, poses[number : number + 1])
                made[number] = enlarged(picture[0], identity.size)
        return made

    def _poses(self, identity: SpokenIdentity, drive: Drive, count: int) -> Tensor:
        """Pose codes (t, Q)."""
        if self.pose == "landmarks":
            inside = drive.pose[self.margin_frames : self.margin_frames + count]
            poses = torch.from_numpy(np.asarray(inside, np.float32)).to(self.device)
            # One by one: batches of other sizes round otherwise
            return torch.cat([self.network.mapped_pose(one[None]).float() for one in poses])
        if self.pose == "video":
            first = self.margin_frames - len(SMOOTHING) // 2
            codes = torch.cat([self.network.pose(self._pictures([canvas])).float()
                               for canvas in drive.source[first : first + count + len(SMOOTHING) - 1]])
            return sum(share * codes[number : number + count] for number, share in enumerate(SMOOTHING))
        code = identity.pose.float() if self.pose == "hold" else torch.zeros_like(identity.pose, dtype=torch.float32)
        return code.expand(count, -1)


def check_pose_options(pose: str, mouth_gain: float) -> None:
    """ValueError, one line, for a source of poses that there is not, and for a gain that is negative or beyond 3."""
    if pose not in get_args(PoseFrom):
        raise ValueError(f"pose comes from {', '.join(get_args(PoseFrom))}, not from {pose!r}")
    if not 0 <= mouth_gain <= MOST_GAIN:
        raise ValueError(f"the mouth's gain must be 0 to {MOST_GAIN:g}, got {mouth_gain}; 1 leaves it as it is")


def enlarged(picture: Tensor, size: int) -> np.ndarray:
    """A picture (3, N, N) in [0, 1] as (size, size, 3) uint8."""
    drawn = picture.float().permute(1, 2, 0).cpu().numpy()
    if len(drawn) != size:
        drawn = cv2.resize(drawn, (size, size), interpolation=cv2.INTER_AREA if len(drawn) > size else cv2.INTER_CUBIC)
    return np.rint(np.clip(drawn, 0, 1) * 255).astype(np.uint8)


def load_pc_avs(source: str | Path = "pc_avs", *, pose: PoseFrom = "landmarks", mouth_gain: float = 1.0,
                device: str | torch.device = "auto", precision: Precision = "auto") -> PcAvsRenderer:
    """The renderer of a weight file. ValueError as `render_stage.load_renderer`, and for options that there are not."""
    check_pose_options(pose, mouth_gain)
    device = chosen_device(device)
    chosen_precision(device, precision)     # before the file is read
    return PcAvsRenderer(load_pc_avs_network(source), pose=pose, mouth_gain=mouth_gain, device=device, precision=precision)
