"""Phonetic features for syncers that evaluate: first blocks of a recogniser of phones, 2 rows of 256 for each video frame.

Shapes: B sounds, A mel frames (100 a second), P = A / 2 rows (50 a second).

Source: hama 1.3.13, a recogniser of the International Phonetic Alphabet, its stem and the first five of its convolution blocks,
half precision, under the Apache License 2.0 (NOTICE). It shares nothing with the generators' encoder (`phonetics.py`), so that
what they make is not evaluated by the features that made it. Windows of one second with 3 s around them; the loudest mel energy
of the whole sound is brought to one height, so that quiet recordings give what loud ones do.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from headsync.media.clock import SAMPLE_RATE_HZ
from headsync.media.mel import FFT_SAMPLES, HOP_SAMPLES, MELS, log_mel
from headsync.media.windowed import WINDOW_FRAMES, WINDOW_ROWS_PER_FRAME, Window, WindowedStream, shipped_encoder

HAMA_FEATURES = 256
DILATIONS = (1, 1, 2, 2, 4)
KERNEL, SQUEEZED = 9, 32
LOUDEST = 1.5                   # log10 mel energy that the loudest of a sound is brought to: the median of the corpus
LEAST_LOUDNESS = -3.0           # quieter sounds are not amplified further
CONTEXT_SAMPLES = 3 * SAMPLE_RATE_HZ       # channels are weighed by means over the window, which short ones get wrong
_SIDE = CONTEXT_SAMPLES + FFT_SAMPLES // 2      # samples around a core: its context, and half a mel frame


class HamaEncoder(nn.Module):
    """Natural log mel energies (B, 80, A), A even, to rows (B, A / 2, 256)."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mel_filters", torch.zeros(MELS, FFT_SAMPLES // 2 + 1))
        self.stem = nn.Conv1d(MELS, HAMA_FEATURES, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(SeparableBlock(HAMA_FEATURES, dilation) for dilation in DILATIONS)

    def forward(self, mel: Tensor, inside: Tensor | None = None) -> Tensor:
        """Rows (B, A / 2, 256); `inside` (B, A / 2) is 1 for rows of the sound and 0 beyond its ends (default all inside)."""
        x = nn.functional.gelu(self.stem(mel))      # (B, 256, A / 2)
        inside = x.new_ones(x[:, :1].shape) if inside is None else inside[:, None].to(x)    # (B, 1, A / 2)
        for block in self.blocks:
            x = block(x * inside, inside)
        return x.transpose(1, 2)  # (B, A / 2, 256)


class SeparableBlock(nn.Module):
    """x (B, C, P) plus a depthwise and a pointwise convolution of it, its channels weighed by their means over the window."""

    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2 * dilation, dilation=dilation, groups=width)
        self.pointwise = nn.Conv1d(width, width, 1)
        self.squeeze = nn.Conv1d(width, SQUEEZED, 1)
        self.excite = nn.Conv1d(SQUEEZED, width, 1)

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        """The same shape; means are those over the rows inside."""
        y = nn.functional.silu(self.pointwise(self.depthwise(x)))
        mean = (y * inside).sum(2, keepdim=True) / inside.sum(2, keepdim=True)                          # (B, C, 1)
        weight = torch.sigmoid(self.excite(nn.functional.silu(self.squeeze(mean))))                     # (B, C, 1)
        return x + weight * y


def load_hama_encoder(device: torch.device | str = "cpu") -> HamaEncoder:
    """The shipped encoder, frozen, float32, in evaluation mode; loaded once."""
    return shipped_encoder(HamaEncoder, "hama_5blocks", device)


def levelled_mel(samples: np.ndarray, loudness: float, filters: np.ndarray) -> np.ndarray:
    """Natural log mel energies (..., 80, A) of samples (..., N) as the encoder takes them: the sound's loudest at `LOUDEST`."""
    gain = 10 ** ((LOUDEST - max(loudness, LEAST_LOUDNESS)) / 2)
    return (math.log(10) * log_mel(gain * samples, filters)).astype(np.float32)


class HamaStream(WindowedStream):
    """Samples in, rows out, each second as soon as the 3 s after it are in; what comes out does not depend on the blocks."""

    def __init__(self, loudness: float, encoder: HamaEncoder):
        """`loudness` is `Level.loudness` of the same sound."""
        super().__init__(lambda samples, spans: _window_rows(samples, spans, loudness, encoder),
                         window=Window(WINDOW_FRAMES, _SIDE, _SIDE), features=HAMA_FEATURES)


@torch.no_grad()
def _window_rows(samples: np.ndarray, spans: np.ndarray, loudness: float, encoder: HamaEncoder) -> np.ndarray:
    """Rows (50 W, 256) of the cores of windows (W, samples), of whose rows those between `spans` (W, 2) are of the sound."""
    device, context = encoder.stem.weight.device, CONTEXT_SAMPLES // HOP_SAMPLES // 2
    count = WINDOW_ROWS_PER_FRAME * WINDOW_FRAMES + 2 * context             # rows of a window, P
    place = np.arange(count) - context
    inside = (place >= spans[:, :1]) & (place < spans[:, 1:])               # (W, P)
    first, last = _reached(inside.any(0))
    samples = samples[:, first * 2 * HOP_SAMPLES : (last - 1) * 2 * HOP_SAMPLES + HOP_SAMPLES + FFT_SAMPLES]
    mel = levelled_mel(samples, loudness, encoder.mel_filters.cpu().numpy())    # (W, 80, 2 (last - first))
    made = np.zeros((len(samples), count, HAMA_FEATURES), np.float32)
    with torch.autocast(device.type, enabled=False):                        # features do not depend on the caller's precision
        given = torch.from_numpy(mel).to(device), torch.from_numpy(inside[:, first:last]).to(device)
        made[:, first:last] = encoder(*given).cpu().numpy()
    return made[:, context:-context].reshape(-1, HAMA_FEATURES)             # (50 W, 256)


def _reached(inside: np.ndarray) -> tuple[int, int]:
    """First row and last + 1 of those (P,) inside in any window, and one more on each side, which the stem reaches into."""
    rows = np.flatnonzero(inside)
    return max(int(rows[0]) - 1, 0), min(int(rows[-1]) + 2, len(inside))
