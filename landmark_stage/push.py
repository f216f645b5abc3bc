"""Samples in, frames out: the one form of everything that grows with its sound (motion, heads, expressions).

Shapes: n samples of a block, t frames, F features of sound.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from headsync import media


class Maker(Protocol):
    """What differs: how frames are made from audio, each as soon as its look-ahead is there."""

    def push(self, audio: Tensor) -> Tensor:
        """The frames (t, ...) that can be made after feature rows (4n, F), or samples (640 n,), more."""

    def finish(self) -> Tensor:
        """The last frames (t, ...): silence follows the sound."""


class AudioInput(Protocol):
    """How samples become the input of a network."""

    def push(self, samples: np.ndarray) -> np.ndarray:
        """The input (rows or samples) that can be made after samples (n,) more."""

    def finish(self) -> np.ndarray:
        """The last of it: silence follows."""


class WholeFrames:
    """Input of a network that takes samples: these themselves, in whole video frames, the last filled up with zeros."""

    def __init__(self) -> None:
        self._held = np.zeros(0, np.float32)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """The frames (640 t,) float32 that are full after samples (n,) more."""
        joined = np.concatenate([self._held, np.asarray(samples, np.float32)])
        whole = len(joined) // media.SAMPLES_PER_FRAME * media.SAMPLES_PER_FRAME
        self._held = joined[whole:]
        return joined[:whole]

    def finish(self) -> np.ndarray:
        """The frame that is left, or none."""
        left = np.zeros(media.samples_for_frames(media.frames_for_samples(len(self._held))), np.float32)
        left[: len(self._held)] = self._held
        return left


def whole_frames(waveform: np.ndarray) -> np.ndarray:
    """The samples (640 T,) float32 of a waveform (N,), filled up with zeros."""
    frames = WholeFrames()
    return np.concatenate([frames.push(waveform), frames.finish()])


class PushStream:
    """A maker that is given samples: they become its network's input, on its network's device.

    What comes out does not depend on how the samples are cut, and memory does not grow.
    """

    def __init__(self, maker: Maker, features: AudioInput, *, device: torch.device):
        """`features` is the input of the maker's network: `FeatureStream`, `PhoneticStream`, or `WholeFrames` for samples."""
        self.maker, self._input, self.device = maker, features, device

    def push(self, samples: np.ndarray) -> Tensor:
        """The frames (t, ...), on the CPU, that can be made after samples (n,) of 16 kHz more."""
        return self.maker.push(self._on_device(self._input.push(samples))).cpu()

    def finish(self) -> Tensor:
        """The last frames (t, ...)."""
        left = self._input.finish()
        made = [self.maker.push(self._on_device(left))] if len(left) else []
        return torch.cat([*made, self.maker.finish()]).cpu()

    def _on_device(self, audio: np.ndarray) -> Tensor:
        return torch.from_numpy(audio).to(self.device)


def pushed(stream: PushStream, blocks: Iterable[np.ndarray]) -> Iterator[Tensor]:
    """All frames (t, ...) of a sound's blocks (n,), piece by piece."""
    for block in blocks:
        yield stream.push(block)
    yield stream.finish()


def device_of(model: nn.Module) -> torch.device:
    """Where a model is, and its inputs must be."""
    return next(model.parameters()).device
