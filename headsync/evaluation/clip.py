"""All figures of one clip: synchrony, landmarks against the reference, motion of its own, pictures.

Shapes: T frames, L = 68 landmarks, R = 4T feature rows, S lags. A figure that a clip is too short or too bare for is left out.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from headsync.evaluation.catalogue import MODES
from headsync.evaluation.sides import Side
from headsync.experiment.precision import in_float32
from headsync.landmarks import crop_picture, frontal, head_pose, lip_opening, lip_shapes
from headsync.landmarks.detection.extract import CANVAS_PX
from headsync.landmarks.motion import motion_statistics
from headsync.media import in_step
from headsync.metrics.behaviour import count_blinks, jitter_px, lips_in_silence, silent_frames
from headsync.metrics.blur import BLOCK_PX, cpbd
from headsync.metrics.flicker import FlickerComparison
from headsync.metrics.image import psnr_db, squared_error
from headsync.metrics.landmark_error import (
    JAW,
    MOUTH,
    aligned_mouth_distance,
    frontal_distance,
    landmark_distance,
    opening_difference,
    pose_distance,
    rotation_error_deg,
    turned_mouth_distance,
)
from headsync.metrics.lips import clip_agreement, closed_share, crossed_share
from headsync.metrics.regions import hull_mask, mean_inside, ssim_map
from syncers import SyncerPyramid, SyncSample, aligned
from syncers.measure import LEAST_WINDOWS, PROFILES
from syncers.offset import LagProfile
from syncers.sync import LEAST_FRAMES, WINDOW_MS

LEAST_MOTION_FRAMES = 4
MOUTH_RIM = 1 / 43              # of the picture's width: 6 pixels of 256
CROPS_AT_ONCE = 16

Embed = Callable[[np.ndarray, np.ndarray], np.ndarray]     # canvases (N, 256, 256, 3), landmarks (N, L, 3) -> unit (N, E)


class ClipProfiles(NamedTuple):
    """A clip's lag profiles, one per level that fits, by mode."""

    of_mode: dict[str, list[LagProfile]]

    def figures(self) -> dict[str, float]:
        """|AV-Off| in steps and AV-Conf of every level and mode."""
        figures = {}
        for mode, profiles in self.of_mode.items():
            for level, profile in enumerate(profiles):
                figures[f"av_off_{WINDOW_MS << level}_{mode}"] = float(abs(profile.offset))
                figures[f"av_conf_{WINDOW_MS << level}_{mode}"] = profile.confidence
        return figures


@torch.no_grad()
@in_float32
def clip_profiles(points: np.ndarray, rows: np.ndarray, pyramid: SyncerPyramid, *, late_frames: int = 0) -> ClipProfiles:
    """Lag profiles of landmarks (T, L, 3) and rows (R, F) whose sound is known to be so late; none for under 7 frames.

    Rows are of the kind that the pyramid takes as input.
    """
    flat = torch.from_numpy((points / CANVAS_PX).astype(np.float32).reshape(len(points), -1))
    sample = aligned(SyncSample(flat, torch.from_numpy(np.array(rows[: pyramid.rows_per_frame * len(points)]))), late_frames)
    if len(sample.flat) < LEAST_FRAMES:
        return ClipProfiles({mode: [] for mode in MODES})
    device = next(pyramid.parameters()).device
    levels = pyramid.eval().embeddings(sample.flat[None].to(device), sample.rows[None].to(device))
    fitting = [level for level in levels if level.motion.shape[1] >= LEAST_WINDOWS]
    pairs = [(level.motion[0].cpu(), level.audio[0].cpu()) for level in fitting]
    return ClipProfiles({mode: [PROFILES[mode](*pair) for pair in pairs] for mode in MODES})


def motion_figures(side: Side, rows: np.ndarray | None) -> dict[str, float]:
    """How head, lips and lids move; with sound, what the lips do in silence. Nothing for under four frames."""
    points = side.points
    if len(points) < LEAST_MOTION_FRAMES:
        return {}
    moved = motion_statistics(points)
    nod, turn, tilt = (float(angle) for angle in moved.rotation_deg)
    opening = lip_opening(points)
    figures = {"nod_deg": nod, "turn_deg": turn, "tilt_deg": tilt, "shift_px": float(np.hypot(*moved.translation_px[:2])),
            "lip_opening_std": moved.lip_opening, "lips_closed": closed_share(opening), "lips_crossed": crossed_share(opening),
            "jitter_px": jitter_px(points),
            "blinks_per_minute": count_blinks(points).per_minute, "face_rate": float(side.visible.mean())}
    lips = None if rows is None else lips_in_silence(points, silent_frames(rows[: 4 * len(points)]))
    if lips is not None:
        figures |= {"silent_open_share": lips.open_share, "silent_restlessness": lips.restlessness}
    return figures


def lip_figures(generated: Side, reference: Side, *, late_frames: int = 0) -> dict[str, float]:
    """How lips agree over the frames in which both show a face, where the generated ones are so late; NaN for what there is
    none of."""
    seen, follows = in_step(len(reference.points), len(generated.points), late_frames)
    both = generated.visible[follows] & reference.visible[seen]
    if both.sum() < LEAST_MOTION_FRAMES:
        return {}
    pair = generated.points[follows][both], reference.points[seen][both]
    return clip_agreement(*map(lip_shapes, map(frontal, pair)))._asdict()


def landmark_figures(generated: Side, reference: Side) -> dict[str, float]:
    """All distances in pixels of the 256 canvas over the frames in which both show a face. ValueError when none does."""
    both = generated.visible & reference.visible
    if not both.any():
        raise ValueError("no frame shows a face in both clips; landmarks cannot be compared")
    pair = generated.points[both], reference.points[both]
    return {
        "lmd": landmark_distance(*pair).px, "lmd_mouth": landmark_distance(*pair, indices=MOUTH).px,
        "lmd_mouth_turned": turned_mouth_distance(*pair).px, "lmd_frontal": frontal_distance(*pair).px,
        "lmd_mouth_frontal": frontal_distance(*pair, indices=MOUTH).px,
        "lmd_mouth_aligned": aligned_mouth_distance(*pair).px, "lmd_jaw": landmark_distance(*pair, indices=JAW).px,
        "lmd_pose": pose_distance(*pair).px, "rotation_error_deg": rotation_error_deg(*map(head_pose, pair)),
        "opening_error": opening_difference(*pair).px}


class Canvases(NamedTuple):
    """Faces for an encoder."""

    generated: np.ndarray   # (N, E)
    real: np.ndarray        # (N, E)


def picture_figures(generated: Side, reference: Side, *, crop: tuple[float, float, float, float], every: int,
                    embed: Embed | None) -> tuple[dict[str, float], Canvases | None]:
    """Every `every`-th frame compared with its partner, flicker of all; and the faces' embeddings, where there is an encoder.

    `crop` is the canvas in the reference's picture. Frames come one by one: memory does not grow with length. ValueError
    when a video ends before its landmarks do.
    """
    sums, count, flickering, faces = np.zeros(5), np.zeros(5, int), FlickerComparison(), _Faces(embed, crop)
    for t, (ours, theirs) in enumerate(_frame_pairs(generated, reference)):
        flickering.add(ours, theirs)
        if t % every:
            continue
        similarity = ssim_map(ours, theirs)
        points = reference.points[t] * ((crop[2] - crop[0]) / CANVAS_PX) + (crop[0], crop[1], 0)
        rim = MOUTH_RIM * (crop[2] - crop[0])
        values = np.array([float(np.nanmean(similarity)), mean_inside(similarity, hull_mask(points, ours.shape[:2])),
                           mean_inside(similarity, hull_mask(points[list(MOUTH)], ours.shape[:2], grow_px=rim)),
                           squared_error(ours, theirs), cpbd(ours).cpbd if min(ours.shape[:2]) >= BLOCK_PX else np.nan])
        known = ~np.isnan(values)
        sums[known] += values[known]
        count += known
        faces.add(ours, theirs, generated.points[t], reference.points[t])
    means = np.divide(sums, count, out=np.full(5, np.nan), where=count > 0)
    figures = dict(zip(("ssim", "ssim_face", "ssim_mouth", "psnr_db", "cpbd"), means.tolist()))
    figures["psnr_db"] = psnr_db(figures["psnr_db"])
    if flickering.frames >= 3:
        found = flickering.result()
        figures |= {"flicker": found.share, "flicker_error": found.error}
    embedded = faces.embedded()
    if embedded is not None:
        figures["csim"] = float((embedded.generated * embedded.real).sum(1).mean())
    return {name: value for name, value in figures.items() if np.isfinite(value)}, embedded


def _frame_pairs(generated: Side, reference: Side) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    ours, theirs = generated.frames(), reference.frames()
    for t in range(len(reference.points)):
        pair = next(ours, None), next(theirs, None)
        if pair[0] is None or pair[1] is None:
            side = "generated" if pair[0] is None else "real"
            raise ValueError(f"the {side} video ends at frame {t} of {len(reference.points)}; write it again")
        yield pair


class _Faces:
    """Canvases of both sides, embedded a few at a time."""

    def __init__(self, embed: Embed | None, crop: tuple[float, float, float, float]):
        self.embed, self.crop = embed, crop
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._done: list[np.ndarray] = []

    def add(self, ours: np.ndarray, theirs: np.ndarray, our_points: np.ndarray, their_points: np.ndarray) -> None:
        """Take in one pair of frames with landmarks (L, 3) on the canvas."""
        if self.embed is None:
            return
        self._waiting += [(crop_picture(ours, self.crop, CANVAS_PX), our_points),
                          (crop_picture(theirs, self.crop, CANVAS_PX), their_points)]
        if len(self._waiting) >= 2 * CROPS_AT_ONCE:
            self._flush()

    def embedded(self) -> Canvases | None:
        """All embeddings; None without an encoder or frames."""
        if self._waiting:
            self._flush()
        if not self._done:
            return None
        found = np.concatenate(self._done)                                          # (2N, E)
        return Canvases(found[0::2], found[1::2])

    def _flush(self) -> None:
        pictures, points = (np.stack(part) for part in zip(*self._waiting))
        self._done.append(self.embed(pictures, points))
        self._waiting = []
