"""From clips to windows: both signals' channels, climbing the time pyramid together, cut into windows.

Shapes: B clips, T frames, S steps of a level, n windows, W steps of a window (5), k rows of sound a step (4, or 2), C channels.
Source: MS-Sync section 3.1; method/ms_sync.md#data-and-features.
"""

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor

from headsync.landmarks import halve_rate
from headsync.media.kinds import FEATURE_KINDS
from syncers.channels import ChannelSettings, audio_channels, motion_channels


def check_inputs(flat: Tensor, rows: Tensor, settings: ChannelSettings, *, window: int) -> None:
    """ValueError, one line, unless flat is (B, T, D * L) with T >= `window` and rows (B, kT, F) are of the settings' kind."""
    k, F = settings.rows_per_frame, FEATURE_KINDS[settings.features].features
    if flat.ndim != 3 or rows.ndim != 3 or len(flat) != len(rows) or rows.shape[1:] != (k * flat.shape[1], F):
        raise ValueError(f"landmarks (B, T, D * 68) and {settings.features} rows (B, {k}T, {F}) do not fit: "
                         f"{tuple(flat.shape)}, {tuple(rows.shape)}")
    if flat.shape[1] < window:
        raise ValueError(f"{flat.shape[1]} frames are too few to measure synchrony; at least {window} are needed")


def climb(flat: Tensor, rows: Tensor, settings: ChannelSettings, *, levels: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Channels (B, S, C) and (B, kS, C') of one level after the other, as many of `levels` as leave a window."""
    motion, audio = motion_channels(flat, settings), audio_channels(rows, settings)
    for level in range(levels):
        if level:
            if motion.shape[1] < 2 * settings.window - 1:
                return
            motion, audio = halve_rate(motion), halve_rate(audio)
        wanted = settings.rows_per_frame * motion.shape[1]       # of an odd number of steps up to k / 2 rows are missing
        missing = max(0, wanted - audio.shape[1])
        padded = F.pad(audio.transpose(1, 2), (0, missing), mode="reflect").transpose(1, 2) if missing else audio
        yield motion, padded[:, :wanted]


def level_sequences(flat: Tensor, rows: Tensor, settings: ChannelSettings, level: int) -> tuple[Tensor, Tensor] | None:
    """Channels of one level, (B, S, C) and (B, kS, C'); None when less than a window is left."""
    reached = list(climb(flat, rows, settings, levels=level))
    return reached[-1] if len(reached) == level else None


def windows_of(motion: Tensor, audio: Tensor, settings: ChannelSettings) -> tuple[Tensor, Tensor]:
    """All windows of a level's channels, (B, n, W, C) and (B, n, kW, C'), n = S - W + 1."""
    W, k = settings.window, settings.rows_per_frame
    return motion.unfold(1, W, 1).transpose(2, 3), audio.unfold(1, k * W, k).transpose(2, 3)
