"""New lips in a face that moves by itself: the mouth of a sound, or of a sequence, put into a video's own landmarks.

Shapes: T frames at 25 a second, t frames of a video, L = 68 landmarks, R = 37 landmarks of jaw and mouth.
"""

import numpy as np
import torch

from headsync import media
from headsync.landmarks import LandmarkSequence
from headsync.landmarks.geometry import frontal
from headsync.landmarks.motion.lower_face import LOWER_FACE, with_lower_face
from landmark_stage.articulation.generate import lip_stream
from landmark_stage.articulation.network import Articulation, uncrossed
from landmark_stage.push import pushed

NEUTRAL_FRAMES = 64         # of a shot, or of a sequence, whose neutral mouths are averaged
REST_S = 0.2                # after the last frame the mouth comes to rest
_LOWER = list(LOWER_FACE)


class VideoLips:
    """Offsets (T, R, 3) of jaw and mouth from a neutral one, at 25 a second, for faces of any frame rate."""

    def __init__(self, offsets: np.ndarray, model: Articulation, *, lip_scale: float = 1.0):
        self._model, self._neutrals, self._frames = model, {}, len(offsets)
        rest = np.linspace(1, 0, max(2, round(REST_S * media.FPS)))[:, None, None]
        self._offsets = lip_scale * np.concatenate([offsets, rest * offsets[-1:]]).astype(np.float32)

    def meet(self, shot: int, points: np.ndarray) -> None:
        """The landmarks (t, L, 3) of a shot, from which the person's neutral mouth in it is taken."""
        self._neutrals[shot] = neutral_mouth(points, self._model)

    def on(self, points: np.ndarray, seconds: np.ndarray, shot: int) -> np.ndarray:
        """Landmarks (t, L, 3) float32 with the mouths of moments (t,) in each frame's pose; after the sound they rest."""
        place = np.clip(np.asarray(seconds) * media.FPS, 0, len(self._offsets) - 1)         # (t,)
        low = np.floor(place).astype(int)
        share = (place - low).astype(np.float32)[:, None, None]
        high = np.minimum(low + 1, len(self._offsets) - 1)
        offsets = (1 - share) * self._offsets[low] + share * self._offsets[high]            # (t, R, 3)
        lower = uncrossed(torch.from_numpy(self._neutrals[shot] + offsets)).numpy()
        return with_lower_face(points, lower)


def neutral_mouth(points: np.ndarray, model: Articulation) -> np.ndarray:
    """Jaw and mouth (R, 3) float32 of a person at rest, lips closed, from landmarks (t, L, 3): the mean over some frames."""
    chosen = points[np.unique(np.linspace(0, len(points) - 1, min(NEUTRAL_FRAMES, len(points))).round().astype(int))]
    device = model.basis.device
    found = [model.neutral(torch.from_numpy(face).to(device)).cpu().numpy() for face in frontal(chosen)]
    return np.mean(found, axis=0).astype(np.float32)


def lips_of_sound(sound: media.Sound, model: Articulation, *, lip_scale: float = 1.0) -> VideoLips:
    """The lips that say a sound."""
    with media.stage("lips", total=sound.frames, unit="frame") as step:
        made = []
        for part in pushed(lip_stream(model, level=sound.level), sound.blocks()):
            made.append(part.numpy())
            step(len(part))
    return VideoLips(np.concatenate(made), model, lip_scale=lip_scale)


def lips_of_sequence(sequence: LandmarkSequence, model: Articulation, *, lip_scale: float = 1.0) -> VideoLips:
    """The lips of a sequence, about its own neutral mouth."""
    offsets = frontal(sequence.points)[:, _LOWER] - neutral_mouth(sequence.points, model)
    return VideoLips(offsets, model, lip_scale=lip_scale)
