"""Files for the tests of head motion: a sound, poses to copy, and small untrained weights of every kind of model.

Shapes: T frames, L = 68 landmarks.
"""

from pathlib import Path

import cv2
import numpy as np
import torch

from headsync.experiment import config_dict, save_weights
from headsync.landmarks import LandmarkSequence, canonical_face, rotation_matrix
from headsync.media import write_flac
from landmark_stage import Generator, GeneratorSettings
from landmark_stage.expression.network import Expression, ExpressionSettings
from landmark_stage.head_motion.network import HeadMotion, HeadMotionSettings
from landmark_stage.ms_sync.audio_pyramid import AudioPyramidSettings

FRAMES, AUDIO_FRAMES = 61, 57      # of a pose and of the sound


def turning(frames: int = FRAMES, *, hidden: tuple[int, ...] = ()) -> LandmarkSequence:
    """A head that turns to and fro; faces are not seen in the `hidden` frames."""
    swing = 0.2 * np.sin(np.arange(frames) / 9)
    face = canonical_face() - canonical_face().mean(0)
    points = (face @ np.swapaxes(rotation_matrix(swing[:, None] * [0.3, 1, 0]), 1, 2) + [128, 128, 0]).astype(np.float32)
    visible = np.ones(frames, bool)
    visible[list(hidden)] = False
    return LandmarkSequence(points=points, visible=visible, fps=25.0, size=(256, 256), crop=(0.0, 0.0, 256.0, 256.0))


def write_head_files(folder: Path) -> Path:
    """The folder, with everything in it; the heads that are learned from those weights move, and by little."""
    random = np.random.default_rng(1)
    write_flac(folder / "a.flac", (0.1 * random.standard_normal(640 * AUDIO_FRAMES)).astype(np.float32))
    turning().save(folder / "pose.npz")
    turning(hidden=(5, 6, 11)).save(folder / "gaps.npz")
    turning(40).save(folder / "short.npz")
    turning(11).replace(fps=30.0).save(folder / "fast.npz")
    (folder / "foreign.npz").write_bytes(b"PK")
    cv2.imwrite(str(folder / "grey.png"), np.full((97, 97, 3), 127, np.uint8))
    torch.manual_seed(1)
    generator = Generator(GeneratorSettings(noise=3, head_noise=0.0, directions=0, head_spring=0.05, face_spring=0.2, widen=1,
                                            coordinate=11, audio=AudioPyramidSettings((5, 7, 7), 7), hidden=13,
                                            trunk=(17, 11), expansion=1))
    head = HeadMotion(HeadMotionSettings(rows_per_frame=1, planes=(2, 2), pooled=7, sound_hidden=5, features=5, motion_hidden=5,
                                         reference=7, tones=True, hints=True))
    with torch.no_grad():
        head.typical[:72].normal_(std=0.1)
        head.typical[36:72] -= 3    # small tones
        head.motion_scale.copy_(torch.tensor([0.05, 0.1, 0.05, 10, 4, 0.02]))
    for name, model in (("generator", generator), ("head_motion", head),
                        ("expression", Expression(ExpressionSettings(channels=(5,), hidden=7, shapes=3)))):
        save_weights(folder / f"{name}.safetensors", model.state_dict(), config={name: config_dict(model.settings)})
    return folder
