"""Phonetic features of sound: first layers of a speech recogniser, 2 rows of 384 numbers for each video frame.

Shapes: N samples, A mel frames (100 a second), P = 2T phonetic rows (50 a second), T video frames.

Source: Whisper tiny.en (Radford et al. 2022, section 2.2), its convolutions and the first two of its four encoder blocks; the
weights are OpenAI's under the MIT licence (NOTICE). Not the recogniser's own windows of 30 s: short ones on a grid tied to
frame 0 (`WINDOWS`: `full`, one second with 0.3 s around it; `live`, three frames after 0.72 s and before 0.02 s), and the
loudest mel energy of the whole sound (`Level.loudness`) in place of the window's own. So a frame's features do not depend on
where a block ends, and a stream gives the rows of the whole sound.
"""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from headsync.media.features import measure_level
from headsync.media.mel import FFT_SAMPLES, MELS, log_mel
from headsync.media.windowed import ROW_SAMPLES, WINDOW_ROWS_PER_FRAME, Window, WindowedStream, shipped_encoder

PHONETIC_FEATURES = 384
PHONETIC_ROWS_PER_FRAME = WINDOW_ROWS_PER_FRAME
HEADS, BLOCKS = 6, 2
RANGE = 8.0                     # powers of ten under the loudest that are kept
_HALF = FFT_SAMPLES // 2        # samples of a mel frame on either side of its place


def _window(*, core_frames: int, before_rows: int, after_rows: int, at_once: int) -> Window:
    return Window(core_frames, before_rows * ROW_SAMPLES + _HALF, after_rows * ROW_SAMPLES + _HALF, at_once)


WINDOWS = {"full": _window(core_frames=25, before_rows=15, after_rows=15, at_once=4),
           "live": _window(core_frames=3, before_rows=36, after_rows=1, at_once=16)}


class PhoneticEncoder(nn.Module):
    """Log mel energies (B, 80, A), A even, to rows (B, A / 2, 384)."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(MELS, PHONETIC_FEATURES, 3, padding=1)
        self.conv2 = nn.Conv1d(PHONETIC_FEATURES, PHONETIC_FEATURES, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(EncoderBlock(PHONETIC_FEATURES) for _ in range(BLOCKS))

    def forward(self, mel: Tensor) -> Tensor:
        """Rows (B, A / 2, 384)."""
        x = nn.functional.gelu(self.conv1(mel))
        x = nn.functional.gelu(self.conv2(x)).transpose(1, 2)       # (B, A / 2, 384)
        x = x + _positions(x.shape[1]).to(x)
        for block in self.blocks:
            x = block(x)
        return x


class EncoderBlock(nn.Module):
    """A pre-norm transformer block, rows (B, P, D) to rows (B, P, D)."""

    def __init__(self, width: int):
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Module()
        self.mlp.up = nn.Linear(width, 4 * width)
        self.mlp.down = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.mlp.down(nn.functional.gelu(self.mlp.up(self.mlp_norm(x))))


class SelfAttention(nn.Module):
    """Every row of a window attends to all of it; query, key and value stacked in that order."""

    def __init__(self, width: int):
        super().__init__()
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        stacked = self.query_key_value(x).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)  # (3, B, heads, P, D / heads)
        mixed = nn.functional.scaled_dot_product_attention(*stacked)
        return self.out(mixed.transpose(1, 2).flatten(2))           # (B, P, D)


def load_phonetic_encoder(device: torch.device | str = "cpu") -> PhoneticEncoder:
    """The shipped encoder, frozen, float32, in evaluation mode; loaded once, in some 20 ms."""
    return shipped_encoder(PhoneticEncoder, "whisper_tiny_en_2blocks", device)


def log_scaled(mel: np.ndarray, loudness: float) -> np.ndarray:
    """Log mel energies as the encoder takes them: clipped at 8 powers of ten under the loudest, (x + 4) / 4."""
    return (np.maximum(mel, loudness - RANGE) + 4) / 4


class PhoneticStream(WindowedStream):
    """Samples in, rows out, those of a window as soon as it is full; what comes out does not depend on the blocks."""

    def __init__(self, loudness: float, encoder: PhoneticEncoder, window: Window = WINDOWS["full"]):
        """`loudness` is `Level.loudness` of the same sound, or of a sample of the speaker where the sound is live."""
        super().__init__(lambda samples, spans: _window_rows(samples, loudness, encoder, window), window=window,
                         features=PHONETIC_FEATURES)


@torch.no_grad()
def _window_rows(samples: np.ndarray, loudness: float, encoder: PhoneticEncoder, window: Window) -> np.ndarray:
    """Rows (2 core W, 384) of the cores of windows (W, samples)."""
    device = encoder.conv1.weight.device
    mel = log_scaled(log_mel(samples)[..., :-1], loudness)          # the frame at the very end is the next window's
    with torch.autocast(device.type, enabled=False):                # features do not depend on the caller's precision
        made = encoder(torch.from_numpy(mel).to(device))            # (W, P, 384)
    before = window.before_samples // ROW_SAMPLES
    return made[:, before : before + window.core_rows].flatten(0, 1).cpu().numpy()


def phonetic_features(waveform: np.ndarray, encoder: PhoneticEncoder, window: Window = WINDOWS["full"]) -> np.ndarray:
    """Rows (2T, 384) float32 of a 16 kHz waveform (N,), T = ceil(N / 640).

    ValueError when it is empty, not one channel or not finite.
    """
    stream = PhoneticStream(measure_level(waveform).loudness, encoder, window)
    return np.concatenate([stream.push(waveform), stream.finish()])  # (2T, 384)


@cache
def _positions(rows: int) -> Tensor:
    """Sinusoidal positions (P, 384): sines, then cosines."""
    half = PHONETIC_FEATURES // 2
    scales = torch.exp(-math.log(10000) / (half - 1) * torch.arange(half))
    phase = torch.arange(rows)[:, None] * scales
    return torch.cat([phase.sin(), phase.cos()], 1)  # (P, 384)
