"""Validation of a generator on people it was not trained on: synchrony by metric syncers, beside real, still and foreign
faces, and distances of motion.

Shapes: B pieces, T frames, D = 2 or 3 coordinates of L = 68 landmarks, Z noise features. Source: MS-Sync section 4.3.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from headsync.experiment.precision import in_float32
from headsync.landmarks import frontal, lip_shapes
from headsync.media import ROWS_PER_FRAME
from headsync.metrics import motion_distances
from headsync.metrics.lips import lip_metrics
from landmark_stage.ms_sync.audio_pyramid import MARGIN_FRAMES
from landmark_stage.ms_sync.data import Track, rows_around
from landmark_stage.ms_sync.generator import LANDMARKS, OBSERVED, Generator
from landmark_stage.ms_sync.noise import draw_noise
from syncers import SyncerPyramid, SyncSample, level_profiles, static
from syncers.channels import shape_features

PIECE_FRAMES = 80
LEAST_GAIN = 1e-6


class Piece(NamedTuple):
    """A stretch of a talking clip, as the generator and the syncers take it."""

    real: SyncSample    # (T, 3 * L), and (kT, F) as the syncers take it
    rows: Tensor        # (4 (T + 64), 26), with the margins that a whole file would give

    @property
    def own_rows(self) -> Tensor:
        """The rows (4T, 26) of the stretch alone."""
        return self.rows[ROWS_PER_FRAME * MARGIN_FRAMES : -ROWS_PER_FRAME * MARGIN_FRAMES]


class Synchrony(NamedTuple):
    """Mean |AV-Off| in steps and AV-Conf, per level."""

    offset: list[float]
    confidence: list[float]


def pieces_of(tracks: Sequence[Track], frames: int) -> list[Piece]:
    """All stretches of `frames` frames, one after the other without overlap."""
    return [Piece(SyncSample(one.flat, one.rows if one.features is None else one.features).cut(start, start + frames),
                  rows_around(one.rows, start, frames, known_before=start > 0))
            for one in tracks for start in range(0, len(one.flat) - frames + 1, frames)]


@torch.no_grad()
@in_float32
def generated(generator: Generator, pieces: Sequence[Piece], *, seed: int, noise: float = 1.0) -> Tensor:
    """Motion (B, T, D * L) for every piece's sound from copies of its first face, all with the noise of one seed."""
    dims, device = generator.settings.dims, next(generator.parameters()).device
    starts = torch.stack([piece.real.flat[0].unflatten(0, (-1, 3))[:, :dims].flatten() for piece in pieces])   # (B, D * L)
    frames = len(pieces[0].real.flat)
    drawn = draw_noise(len(pieces), frames + OBSERVED - 2, generator.settings.noise,
                       generator=torch.Generator().manual_seed(seed))
    given = (starts[:, None].repeat(1, OBSERVED, 1), torch.stack([piece.rows for piece in pieces]), noise * drawn)
    return generator.rollout(*(one.to(device) for one in given)).cpu()


def synchrony(syncers: SyncerPyramid, samples: Sequence[SyncSample]) -> Synchrony:
    """Per level the samples' mean absolute offset and confidence, mode `valid`."""
    profiles = [level_profiles(syncers, sample) for sample in samples]
    levels = min(map(len, profiles))
    mean = [(sum(abs(one[level].offset) for one in profiles) / len(profiles),
             sum(one[level].confidence for one in profiles) / len(profiles)) for level in range(levels)]
    return Synchrony(*(list(column) for column in zip(*mean)))


def points_of(flat: Tensor) -> np.ndarray:
    """Landmarks (T, L, 3) of a motion (T, 3 * L)."""
    return flat.unflatten(1, (LANDMARKS, 3)).numpy()


def plane(flat: Tensor) -> np.ndarray:
    """x and y alone (T, 2 * L) of a motion (T, D * L)."""
    return flat.unflatten(1, (LANDMARKS, -1))[..., :2].flatten(1).numpy()


class Validator:
    """Validation of generators on the val people's pieces of 80 frames; the anchors are measured once."""

    def __init__(self, tracks: Sequence[Track], syncers: SyncerPyramid):
        self.syncers, self.pieces = syncers, pieces_of(tracks, PIECE_FRAMES)
        if not self.pieces:
            raise ValueError(f"no val clip has the {PIECE_FRAMES} frames that a generator is evaluated on; give longer clips")
        samples = [piece.real for piece in self.pieces]
        self.real, self.still = synchrony(syncers, samples), synchrony(syncers, [static(sample) for sample in samples])

    def figures(self, generator: Generator, *, seed: int) -> dict[str, float]:
        """Named figures; `distance` sums them up, lower is better.

        score1 ... score4: confidence, 0 for a still face and 1 for the real one; off1 ... off4: |AV-Off| in steps;
        positions, velocities, windows: Fréchet distances to the real motion; lip_level: how far mouths are too open or
        too closed on the whole, in real deviations; in space also `metrics.lips.lip_metrics`. `distance` adds the
        logarithms of the distances, twice what the scores miss to 1, and lip_level.
        """
        made = generated(generator, self.pieces, seed=seed)                             # (B, T, D * L)
        found = synchrony(self.syncers, [piece.real._replace(flat=motion) for piece, motion in zip(self.pieces, made)])
        result = {}
        for level, (offset, confidence) in enumerate(zip(*found), start=1):
            gain = max(self.real.confidence[level - 1] - self.still.confidence[level - 1], LEAST_GAIN)
            result[f"off{level}"] = offset
            result[f"score{level}"] = (confidence - self.still.confidence[level - 1]) / gain
        distances = motion_distances([plane(motion) for motion in made], [plane(piece.real.flat) for piece in self.pieces],
                                     frames=PIECE_FRAMES, seed=seed)
        result |= distances._asdict()
        result["lip_level"] = self._lip_level(made)
        if generator.settings.dims == 3:
            result |= lip_metrics(*([lip_shapes(frontal(points_of(flat))) for flat in motions]
                                    for motions in (made, [piece.real.flat for piece in self.pieces])))
        missing = sum(max(0.0, 1 - value) for name, value in result.items() if name.startswith("score"))
        logs = sum(float(torch.tensor(value).clamp(min=1e-6).log()) for value in distances)
        return result | {"distance": logs + 2 * missing + result["lip_level"]}

    def _lip_level(self, made: Tensor) -> float:
        """How far mouths are too open or too closed on the whole, in standard deviations of real lips."""
        ours, real = (torch.stack([shape_features(flat.unflatten(1, (LANDMARKS, -1))[None])[0, :, 0] for flat in motions])
                      for motions in (made, [piece.real.flat for piece in self.pieces]))             # (B, T)
        return float((ours.mean(1) - real.mean(1)).abs().mean() / real.std(1).mean())
