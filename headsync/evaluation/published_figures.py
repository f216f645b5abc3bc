"""The published networks' figures of an evaluation, for users who bring the weight files; each says which file made it.

Shapes: T frames, H W pixels, N samples. Nothing here runs without its file, and no other figure bears these names.
Source: method/measures.md#published-figures; `published.py` has the protocols.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headsync import media
from headsync.evaluation.items import Material
from headsync.evaluation.motion_sets import LEAST_CLIPS, SetFigure
from headsync.evaluation.networks.files import (
    PublishedNetwork,
    load_arcface,
    load_i3d,
    load_inception,
    load_lpips,
    load_syncnet,
)
from headsync.evaluation.networks.inputs import arcface_crop, syncnet_boxes, syncnet_crop, temporal_picture
from headsync.evaluation.networks.published import csim, i3d_features, inception_features, lpips, sync_figures
from headsync.evaluation.sides import Side
from headsync.landmarks import dot_raster
from headsync.landmarks.detection import CANVAS_PX
from headsync.metrics.frechet import feature_distance

FILES = {"syncnet": ("syncnet_v2.model",), "inception": ("pt_inception-2015-12-05-6726825d.pth",), "i3d": ("rgb_imagenet.pt",),
         "arcface": ("backbone.pth",), "lpips": ("alexnet-owt-7be5be79.pth", "alex.pth")}
LOADERS = {"syncnet": load_syncnet, "inception": load_inception, "i3d": load_i3d, "arcface": load_arcface, "lpips": load_lpips}
FOREHEAD = 0.35             # of the height from brow to chin: a face detector's box reaches so far above the brows
CLIP_FRAMES = 40            # that I3D sees of each clip, as MS-Sync has it
MOST_SAMPLES = 5000


class PublishedNetworks(NamedTuple):
    """What the user's files hold; None where there is no file."""

    syncnet: PublishedNetwork | None = None
    inception: PublishedNetwork | None = None
    i3d: PublishedNetwork | None = None
    arcface: PublishedNetwork | None = None
    lpips: PublishedNetwork | None = None
    refused: tuple[str, ...] = ()       # files that are another's, damaged, or lack their partner, and why

    def provenance(self) -> dict[str, list[str]]:
        """SHA-256 of the files, for the settings of a report."""
        return {name: list(getattr(self, name).sha256) for name in FILES if getattr(self, name) is not None}


def load_published(folder: str | Path) -> PublishedNetworks:
    """The networks whose files lie in a folder under their authors' names; those that do not load are told as `refused`.

    ValueError when the folder holds no such file at all.
    """
    folder, found, refused = Path(folder), {}, []
    for name, files in FILES.items():
        missing = [file for file in files if not (folder / file).is_file()]
        if missing and len(missing) < len(files):
            refused.append(f"{folder} lacks {', '.join(missing)}, without which {name} cannot be had")
        if missing:
            continue
        try:
            found[name] = LOADERS[name](*(folder / file for file in files))
        except ValueError as error:     # the other figures can still be had
            refused.append(str(error))
    if not found and not refused:
        raise ValueError(f"{folder} holds none of {', '.join(file for files in FILES.values() for file in files)}")
    return PublishedNetworks(**found, refused=tuple(refused))


class PublishedEvaluator:
    """Figures of clips as they come by, and features of both sides for the figures of sets."""

    def __init__(self, networks: PublishedNetworks):
        self.networks = networks
        self._features: dict[tuple[str, str, int], list[np.ndarray]] = {}

    def clip(self, method: str, ours: Side, theirs: Side, *, crop: tuple[float, float, float, float], every: int,
             sound: Material | None) -> dict[str, float]:
        """A clip's LSE-D, LSE-C, CSIM and LPIPS, as far as there are files; `sound` None leaves the first two out."""
        result, networks = {}, self.networks
        scale, corner = (crop[2] - crop[0]) / CANVAS_PX, np.array([crop[0], crop[1], 0])
        places = [side.points * scale + corner for side in (ours, theirs)]              # in the picture's pixels
        self._add(method, ours, theirs, every)
        if networks.syncnet is not None and sound is not None:
            boxes = syncnet_boxes(face_boxes(places[0]))
            crops = (syncnet_crop(frame, box) for frame, box in zip(ours.frames(), boxes))
            waveform = media.read_audio(sound.audio or sound.video)[: media.samples_for_frames(len(boxes))]
            found = sync_figures(crops, waveform, networks.syncnet)
            result |= {"lse_d": found.distance.value, "lse_c": found.confidence.value}
        pairs = [[side.frames() for side in (ours, theirs)] for _ in range(2)]
        chosen = slice(0, len(theirs.points), every)
        if networks.arcface is not None:
            crops = [(arcface_crop(frame, points[:, :2]) for frame, points in _every(zip(frames, place), chosen))
                     for frames, place in zip(pairs[0], places)]
            result["csim_arcface"] = csim(*crops, networks.arcface).value
        if networks.lpips is not None:
            result["lpips"] = lpips(*(_every(frames, chosen) for frames in pairs[1]), networks.lpips).value
        return result

    def sets(self, method: str) -> dict[str, SetFigure]:
        """FID, t-FID and FVD of a method's clips, as far as there are files and clips enough."""
        result = {}
        for name in sorted({name for name, known, _ in self._features if known == method}):
            sides = [np.concatenate(self._features[name, method, side]) for side in range(2)]
            if len(sides[0]) >= LEAST_CLIPS:
                value = feature_distance(*sides)
                result[name] = SetFigure(value, value, value, len(sides[0]), PROTOCOLS[name])
        return result

    def _add(self, method: str, ours: Side, theirs: Side, every: int) -> None:
        chosen = slice(0, len(theirs.points), every)
        inception, i3d = self.networks.inception, self.networks.i3d
        for number, side in enumerate((ours, theirs)):
            rasters = [np.moveaxis(dot_raster(points / CANVAS_PX), 0, 2) for points in side.points[:CLIP_FRAMES]]
            if inception is not None:
                self._keep("FID", method, number, inception_features(_every(side.frames(), chosen), inception))
                self._keep("t-FID rasters", method, number, inception_features([temporal_picture(rasters)], inception))
            if i3d is not None and len(theirs.points) >= CLIP_FRAMES:
                shown = list(itertools.islice(side.frames(), CLIP_FRAMES))
                self._keep("FVD", method, number, i3d_features([shown], i3d))
                self._keep("FVD rasters", method, number, i3d_features([rasters], i3d, flat=True))

    def _keep(self, name: str, method: str, side: int, features: np.ndarray) -> None:
        kept = self._features.setdefault((name, method, side), [])
        if sum(map(len, kept)) < MOST_SAMPLES:
            kept.append(features)


PROTOCOLS = {
    "FID": "InceptionV3 pool 2048 of whole frames, not shrunk, no interval; at most 5000 frames a side",
    "t-FID rasters": "InceptionV3 of one picture a clip, the weighted mean of 40 landmark rasters",
    "FVD": "I3D logits of the first 40 frames, averaged over time", "FVD rasters": "I3D logits of 40 landmark rasters, flat"}


def face_boxes(points: np.ndarray) -> np.ndarray:
    """Boxes (T, 4) like a face detector's, from landmarks (T, 68, 3): forehead to chin. SyncNet's own were S3FD's."""
    low, high = points[..., :2].min(1), points[..., :2].max(1)                          # (T, 2) each
    top = low[:, 1] - FOREHEAD * (high[:, 1] - low[:, 1])
    return np.stack([low[:, 0], top, high[:, 0], high[:, 1]], axis=1)  # (T, 4)


def _every(items, chosen: slice) -> Iterator:
    return itertools.islice(items, chosen.start, chosen.stop, chosen.step)
