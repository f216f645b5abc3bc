"""A face whose lips follow live sound, 240 ms behind it; its head rests as in its first frame, for others to move.

Shapes: n samples of a block, t frames, N samples in all.
"""

from pathlib import Path

import numpy as np
import torch

from headsync import media
from headsync.landmarks import LandmarkSequence
from headsync.landmarks.motion import check_scales
from landmark_stage.articulation.generate import LIPS, LIVE, LipsOnMotion, lip_stream, load_articulation
from landmark_stage.articulation.network import Articulation


class LiveFace:
    """Samples in, frames out: frame t as soon as `look_ahead_frames` frames of sound from its own on are there.

    What comes out does not depend on how the samples are cut, and memory does not grow. `live_face` makes one.
    """

    def __init__(self, start: LandmarkSequence, level: media.Level, lips: Articulation, lip_scale: float):
        check_scales(lip_scale=lip_scale)
        self.look_ahead_frames = lips.look_ahead_frames
        self._start = start.points[0]
        self._offsets, self._lips = lip_stream(lips, level=level), LipsOnMotion(self._start, lips, lip_scale=lip_scale)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """The frames (t, 68, 3) float32, pixels of the start's canvas, that can be made after samples (n,) of 16 kHz more."""
        return self._placed(self._offsets.push(samples))

    def finish(self) -> np.ndarray:
        """The last frames (t, 68, 3): silence follows the sound. ValueError when there were no samples at all."""
        return self._placed(self._offsets.finish())

    def _placed(self, offsets: torch.Tensor) -> np.ndarray:
        return self._lips.placed(np.broadcast_to(self._start, (len(offsets), *self._start.shape)), offsets.numpy())


@media.checked
def live_face(start: LandmarkSequence, *, level: media.Level, lips: Articulation | str | Path = LIVE, lip_scale: float = 1.0,
              device: str | torch.device = "auto") -> LiveFace:
    """A `LiveFace` that begins with `start`, for sound of the given level (`media.measure_level` of a sample of the voice).

    `lips` is the learner: `live`, whose look-ahead is 6 frames (240 ms), `articulation`, or a weight file of either. Heads,
    blinks and expressions are others' to move (`headsync.landmarks.motion.compose_motion`). ValueError, one line, for what
    is no weight file of the learner, and for a scale below 0.

    >>> import headsync
    >>> voice = headsync.read_audio("speech.wav")
    >>> face = headsync.live_face(headsync.start_face("photo.jpg"), level=headsync.measure_level(voice))
    >>> face.look_ahead_frames, len(face.push(voice[: 6 * 640])), len(face.push(voice[6 * 640 :])), len(face.finish())
    (6, 1, 6, 3)
    """
    learner = lips if isinstance(lips, Articulation) else load_articulation(LIPS.get(str(lips), lips), device=device)
    return LiveFace(start, level, learner, lip_scale)
