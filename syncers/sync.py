"""By how much a sound is early or late for a face, at four time scales: the question anyone may ask.

Shapes: T frames, n windows. Offsets are frames of 40 ms at every level; positive: the sound is late.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from headsync import media
from headsync.experiment import Kind, build_config, load_model
from headsync.experiment.precision import in_float32
from headsync.landmarks import IBUG68, LandmarkSequence
from headsync.landmarks.detection import extract
from headsync.media.kinds import FEATURE_KINDS, FeatureName, sound_features
from syncers.measure import Mode, SyncSample, level_profiles
from syncers.model import SyncerPyramid, SyncerSettings

FAMILIES = ("loss", "metric", "metric-hama")
KIND = Kind("syncers", FAMILIES, frozenset(["family", "levels"]), "syncer", "syncers",
            "headsync train syncers", "syncer weights")
WINDOW_MS = 200         # of the first level; each further one doubles it
LEAST_FRAMES = 5


class SyncOffset(NamedTuple):
    """What one time scale says.

    >>> import headsync
    >>> first = headsync.sync_offset("clip.mp4", "clip.npz")[0]
    >>> first.level, first.window_ms
    (1, 200)
    """

    level: int
    window_ms: int
    frames: int             # by which the sound is late (negative: early), in steps of 2^(level - 1) frames
    confidence: float       # AV-Conf; static faces and mismatched audio reach little
    distance: float         # smallest mean embedding distance
    fine_frames: float      # `frames` below a step: the lowest point of a parabola through the smallest distances
    margin: float           # how far the smallest distance stands out of those more than two steps away

    @property
    def ms(self) -> float:
        """By how many milliseconds the sound is late, below a frame."""
        return 1000 / media.FPS * self.fine_frames


@media.checked
def load_syncers(source: str | Path = "metric", *, device: str | torch.device = "auto") -> SyncerPyramid:
    """A frozen pyramid in evaluation mode: the shipped `metric`, `metric-hama` or `loss` family, or a weight file.

    Gradients flow to landmarks, none to parameters. `device` is auto (a GPU where there is one), cpu, cuda or cuda:N.
    ValueError, one line, for a file that is none of ours and a device that is not there.

    >>> import headsync
    >>> loss = headsync.load_syncers("loss")
    >>> [scale.window_ms for scale in headsync.sync_offset("clip.mp4", "clip.npz", pyramid=loss)]
    [200, 400, 800, 1600]
    """
    def pyramid(config: dict) -> SyncerPyramid:
        return SyncerPyramid([build_config(SyncerSettings, _with_kind(level)) for level in config["levels"]])

    return load_model(source, pyramid, KIND, device=device)


def _with_kind(level: dict) -> dict:
    """A level's settings as they are now: files of 0.2 said mfcc where the kind of features is said today."""
    channels = level["channels"]
    if channels.get("audio") != "mfcc":
        return level
    return {**level, "channels": {**channels, "audio": "cepstra", "features": "mfcc26"}}


def as_sync_sample(audio: str | Path | np.ndarray | media.Sound, landmarks: LandmarkSequence | str | Path, *,
                   features: FeatureName = "fbank26") -> SyncSample:
    """Sound and motion as one sample of the syncers that take these features (`pyramid.features`), cut to the shorter.

    `audio` is a file, a waveform (N,) of 16 kHz or an open sound; `landmarks` a sequence, its .npz, or a video of a face.
    ValueError, one line, for another layout or frame rate, or under five frames together.
    """
    if not isinstance(landmarks, LandmarkSequence):
        path = Path(landmarks)
        landmarks = LandmarkSequence.load(path) if path.suffix == ".npz" else extract(path).sequence
    if landmarks.layout != IBUG68 or landmarks.fps != media.FPS:
        raise ValueError(f"syncers know {IBUG68} at {media.FPS} frames per second, "
                         f"got {landmarks.layout} at {landmarks.fps:g}; extract the landmarks anew")
    rows, k = torch.from_numpy(sound_features(media.open_sound(audio), features)), FEATURE_KINDS[features].rows_per_frame
    frames = min(len(landmarks), len(rows) // k)
    if frames < LEAST_FRAMES:
        raise ValueError(f"sound and face share {frames} frames; at least {LEAST_FRAMES} are needed to measure synchrony")
    return SyncSample(torch.from_numpy(landmarks.flat(3)[:frames]), rows[: k * frames])


@media.checked
def sync_offset(audio: str | Path | np.ndarray | media.Sound, landmarks: LandmarkSequence | str | Path, *,
                pyramid: SyncerPyramid | None = None, mode: Mode = "valid",
                device: str | torch.device = "auto") -> list[SyncOffset]:
    """By how many frames the sound is late for the face, one answer per time scale that the clip is long enough for.

    Inputs as for `as_sync_sample`; `pyramid` is the shipped metric family on `device` by default. `mode` is `valid`
    (overlap only, for conclusions) or `syncnet` (zero padding, for comparison with published figures).

    >>> import headsync
    >>> for scale in headsync.sync_offset("clip.mp4", "clip.npz"):
    ...     print(f"{scale.window_ms} ms: sound late by {scale.frames} frames, confidence {scale.confidence:.1f}")
    200 ms: sound late by ...
    """
    pyramid = pyramid or load_syncers(device=device)
    return sample_offsets(as_sync_sample(audio, landmarks, features=pyramid.features), pyramid, mode=mode)


def sample_offsets(sample: SyncSample, pyramid: SyncerPyramid, *, mode: Mode = "valid") -> list[SyncOffset]:
    """What `sync_offset` says of a clip that is already as the syncers take it."""
    profiles = level_profiles(pyramid, sample, mode=mode)
    if not profiles:
        raise ValueError("the clip is too short for any time scale; at least 7 frames are needed")
    return [SyncOffset(number, WINDOW_MS << (number - 1), profile.offset << (number - 1), profile.confidence,
                       profile.distance, profile.fine_offset * 2 ** (number - 1), profile.margin)
            for number, profile in enumerate(profiles, start=1)]


@torch.no_grad()
@in_float32
def similarity_matrix(pyramid: SyncerPyramid, sample: SyncSample, *, level: int = 1) -> Tensor:
    """Cosines (n, n) of every motion window with every audio window: a bright diagonal is synchrony.

    ValueError when the clip is too short for the level.
    """
    device = next(pyramid.parameters()).device
    levels = pyramid.embeddings(sample.flat[None].to(device), sample.rows[None].to(device))
    if len(levels) < level:
        raise ValueError(f"{len(sample.flat)} frames are too few for level {level}")
    motion, audio = (torch.nn.functional.normalize(side[0], dim=-1) for side in levels[level - 1])
    return (motion @ audio.T).cpu()
