"""The figures papers print, made with the published networks: LSE-D, LSE-C, FID, t-FID, FVD, CSIM, LPIPS.

Shapes: T frames, H W pixels, N samples, n windows. Frames are (H, W, 3) uint8 RGB and arrive one by one. Every figure
carries the SHA-256 of the files it was made with: without that, figures cannot be compared. What headsync computes with its
own networks bears other names. Source: method/measures.md#frechet-distances and #pictures.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from headsync.evaluation.networks.files import PublishedNetwork
from headsync.evaluation.networks.inception import LEAST_CLIP_FRAMES
from headsync.evaluation.networks.inputs import (
    arcface_faces,
    i3d_clip,
    inception_pictures,
    lpips_pictures,
    sound_windows,
    syncnet_frames,
    syncnet_rows,
)
from headsync.evaluation.networks.nets import WINDOW_FRAMES
from headsync.experiment.precision import in_float32
from headsync.media import SAMPLES_PER_FRAME
from syncers import syncnet_profile

BATCH = 16
LEAST_SYNC_FRAMES = 7       # n - 5 windows are compared, and at least two are needed


class PublishedFigure(NamedTuple):
    """A figure under its published name."""

    label: str
    value: float
    sha256: tuple[str, ...]     # of the weight files
    protocol: str               # how it was made


class SyncFigures(NamedTuple):
    """What SyncNet says of a clip; means over clips are reported."""

    distance: PublishedFigure       # LSE-D, smaller is better
    confidence: PublishedFigure     # LSE-C, larger is better
    av_offset_frames: int           # AV-Off in SyncNet's sign: positive when the sound runs ahead of the picture


@in_float32
def sync_figures(frames: Iterable[np.ndarray], waveform: np.ndarray, network: PublishedNetwork) -> SyncFigures:
    """LSE-D and LSE-C of face crops at 25 frames per second and their sound (N,) at 16 kHz.

    SyncNet's protocol to the letter: windows of 5 frames and 20 MFCC rows, n = min(frames, N // 640) - 5 of them, 31
    lags of -15 to 15 frames with zeros beyond the ends, mean Euclidean distances; the smallest is LSE-D, the median
    minus the smallest LSE-C. Crops are those of `syncnet_crop`. ValueError for under 7 frames.
    """
    module, device = network.network, _device(network)
    frames = itertools.islice(frames, len(waveform) // SAMPLES_PER_FRAME)
    lips = [module.lips(syncnet_frames(chunk).to(device)).cpu() for chunk in _overlapping(frames)]
    lips = torch.cat(lips) if lips else torch.zeros(0, 1)                               # (n + 1, E)
    if len(lips) < LEAST_SYNC_FRAMES - WINDOW_FRAMES + 1:
        raise ValueError(f"SyncNet needs at least {LEAST_SYNC_FRAMES} frames with sound, got fewer; give a longer clip")
    windows = sound_windows(syncnet_rows(waveform), len(lips) - 1).split(BATCH * 4)     # (<= 64, 1, 13, 20) each
    sound = torch.cat([module.sound(part.to(device)).cpu() for part in windows])        # (n, E)
    sound = torch.cat([sound, sound[-1:]])      # syncnet_profile leaves the last window out, whose sound is cut short
    profile = syncnet_profile(lips, sound)
    protocol = f"SyncNet v2, {len(sound) - 1} windows, 31 lags, zeros beyond the ends"
    return SyncFigures(PublishedFigure("LSE-D", profile.distance, network.sha256, protocol),
                       PublishedFigure("LSE-C", profile.confidence, network.sha256, protocol), -profile.offset)


@in_float32
def csim(generated: Iterable[np.ndarray], reference: Iterable[np.ndarray], network: PublishedNetwork) -> PublishedFigure:
    """CSIM: mean cosine of ArcFace embeddings of aligned faces (`arcface_crop`), frame by frame. 1 is the same picture."""
    def likeness(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> Tensor:
        embeddings = [network.network(arcface_faces(part).to(_device(network))) for part in (ours, theirs)]
        return F.cosine_similarity(*embeddings, dim=1)  # (B,)

    value, count = _mean_of_pairs(generated, reference, likeness)
    return PublishedFigure("CSIM", value, network.sha256, f"ArcFace iResNet, 112x112 aligned by five points, {count} frames")


@in_float32
def lpips(generated: Iterable[np.ndarray], reference: Iterable[np.ndarray], network: PublishedNetwork) -> PublishedFigure:
    """LPIPS: mean learned perceptual distance of frames in their own size. 0 is the same picture."""
    def difference(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> Tensor:
        return network.network(*(lpips_pictures(part).to(_device(network)) for part in (ours, theirs)))  # (B,)

    value, count = _mean_of_pairs(generated, reference, difference)
    return PublishedFigure("LPIPS", value, network.sha256, f"AlexNet, version 0.1, own size, {count} frames")


@torch.inference_mode()
@in_float32
def inception_features(frames: Iterable[np.ndarray], network: PublishedNetwork) -> np.ndarray:
    """InceptionV3's pooled features (N, 2048) float32 of frames."""
    found = [network.network(inception_pictures(part).to(_device(network))).cpu() for part in _batches(frames)]
    return torch.cat(found).numpy() if found else np.zeros((0, 2048), np.float32)


@torch.inference_mode()
@in_float32
def i3d_features(clips: Iterable[Sequence[np.ndarray]], network: PublishedNetwork, *, flat: bool = False) -> np.ndarray:
    """I3D's logits of clips, (N, 400) averaged over time or (N, 400 * n) side by side. ValueError for under 9 frames."""
    found = []
    for clip in clips:
        if len(clip) < LEAST_CLIP_FRAMES:
            raise ValueError(f"FVD needs clips of at least {LEAST_CLIP_FRAMES} frames, got {len(clip)}")
        logits = network.network(i3d_clip(clip).to(_device(network))).cpu()[0]          # (400, n)
        found.append(logits.T.flatten() if flat else logits.mean(1))                    # (d,)
    if len({len(one) for one in found}) > 1:
        raise ValueError("clips of different lengths cannot be compared side by side; cut them to one length")
    return torch.stack(found).numpy() if found else np.zeros((0, 400), np.float32)


@torch.inference_mode()
def _mean_of_pairs(generated: Iterable[np.ndarray], reference: Iterable[np.ndarray],
                   score: Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], Tensor]) -> tuple[float, int]:
    """The mean score of frame pairs and their number. ValueError without frames and for unequal lengths."""
    total, count = 0.0, 0
    for pairs in _batches(itertools.zip_longest(generated, reference)):
        ours, theirs = zip(*pairs)
        if any(frame is None for frame in (*ours, *theirs)):
            raise ValueError("one video ends before the other; give equal lengths")
        total += float(score(ours, theirs).double().sum())
        count += len(pairs)
    if not count:
        raise ValueError("there are no frames to compare; give at least one pair")
    return total / count, count


def _overlapping(frames: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Runs of at most 20 frames that share 4 with the next: 16 windows of 5 each, none twice."""
    kept: list[np.ndarray] = []
    for part in _batches(frames):
        kept += part
        if len(kept) >= WINDOW_FRAMES:
            yield kept
            kept = kept[1 - WINDOW_FRAMES :]


def _batches(items: Iterable) -> Iterator[list]:
    items = iter(items)
    while part := list(itertools.islice(items, BATCH)):
        yield part


def _device(network: PublishedNetwork) -> torch.device:
    return next(network.network.parameters()).device
