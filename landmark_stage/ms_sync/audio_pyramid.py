"""The generator's audio encoder: one feature vector per video frame at each of four time scales, with a bounded look-ahead.

Shapes: B clips, F frames, R = 4F feature rows, C features, K = 4 levels. Source: MS-Sync section 3.2,
method/ms_sync.md#generator.

Bottom-up: two strides bring 100 rows a second to 25 frames; three further blocks (kernel 7, stride 2) see 12.5, 6.25 and
3.125 Hz. Coarse levels are interpolated back on a grid that is fixed to frame 0, not stretched over the clip's length as
in the public code, so that a frame's features depend on MARGIN_FRAMES of sound around it and on nothing else.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from headsync.media import FEATURES, ROWS_PER_FRAME
from syncers import ConvNextBlock
from syncers.channels import ChannelSettings, audio_channels

COARSE_KERNEL = 7
MARGIN_FRAMES = 32          # of sound on each side; a multiple of the grid
LOOK_AHEAD_FRAMES = 30      # rows from frame t + 30 on cannot reach frame t; a row itself covers 15 ms more
SILENT_ROW = -20.0          # log energy; everything under the floor of `audio_channels` sounds the same


@dataclass(frozen=True)
class AudioPyramidSettings:
    """Widths of the pyramid."""

    stem: tuple[int, int, int] = (64, 96, 128)      # before the rate of frames is reached
    width: int = 256                                # of every level

    def __post_init__(self):
        if len(self.stem) != 3 or min(*self.stem, self.width) < 1:
            raise ValueError(f"the audio pyramid needs three stem widths and a width above 0, got {self.stem}, {self.width}")


class AudioPyramid(nn.Module):
    """Rows (B, 4 (F + 64), 26), 32 frames of margin on each side, to features (B, K, F, C)."""

    def __init__(self, settings: AudioPyramidSettings, *, levels: int):
        super().__init__()
        one, two, three = settings.stem
        self.register_buffer("row_mean", torch.zeros(FEATURES))
        self.register_buffer("row_scale", torch.ones(FEATURES))
        self.stem = nn.Sequential(
            ConvNextBlock(FEATURES, one, per_step=True), ConvNextBlock(one, two, stride=2, per_step=True),
            ConvNextBlock(two, three, per_step=True), ConvNextBlock(three, settings.width, stride=2, per_step=True))
        self.coarse = nn.ModuleList(ConvNextBlock(settings.width, kernel=COARSE_KERNEL, stride=2, per_step=True)
                                    for _ in range(levels - 1))

    def standardise_by(self, rows: Tensor) -> None:
        """Remember mean and deviation of each band over rows (N, 26) of the training data."""
        channels = audio_channels(rows[None], ChannelSettings())[0]
        self.row_mean.copy_(channels.mean(0))
        self.row_scale.copy_(channels.std(0).clamp(min=1e-3))

    def standard(self, rows: Tensor) -> Tensor:
        """Rows (B, R, 26) at mean 0 and deviation 1 over the training data, each by itself."""
        return (audio_channels(rows, ChannelSettings()) - self.row_mean) / self.row_scale

    def forward(self, rows: Tensor) -> Tensor:
        """Features (B, K, F, C), F = R / 4 - 64. The first row must lie on the grid: a multiple of 8 frames from frame 0."""
        x = self.stem(self.standard(rows).transpose(1, 2))                          # (B, C, F + 64)
        frames = x.shape[2]
        levels = [x]
        for number, block in enumerate(self.coarse, start=1):
            x = block(x)                                                            # (B, C, (F + 64) / 2^number)
            levels.append(_interpolated(x, 2**number, frames))
        stacked = torch.stack(levels, 1)[..., MARGIN_FRAMES : frames - MARGIN_FRAMES]   # (B, K, C, F)
        return stacked.transpose(2, 3)  # (B, K, F, C)


def _interpolated(x: Tensor, step: int, frames: int) -> Tensor:
    """x (B, C, S), one sample every `step` frames, on the straight lines between them: (B, C, frames)."""
    place = torch.arange(frames, device=x.device)
    share = (place % step).to(x.dtype) / step
    left = place // step
    right = (left + 1).clamp(max=x.shape[2] - 1)    # the last one has no right neighbour; it lies in the margin
    return x[..., left] * (1 - share) + x[..., right] * share  # (B, C, frames)


def with_margins(rows: Tensor, *, before: Tensor | None = None, after: Tensor | None = None) -> Tensor:
    """Rows (B, R, 26) between margins of 128 rows: what is known of the sound around them, silence beyond that.

    `before` and `after` (B, n, 26) are the nearest neighbours; of longer ones the near end is used.
    """
    size = ROWS_PER_FRAME * MARGIN_FRAMES
    silence = rows.new_full((len(rows), size, rows.shape[2]), SILENT_ROW)
    left = silence if before is None else torch.cat([silence, before], 1)[:, -size:]
    right = silence if after is None else torch.cat([after, silence], 1)[:, :size]
    return torch.cat([left, rows, right], 1)  # (B, 128 + R + 128, 26)
