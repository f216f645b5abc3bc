"""Stage one: sound and a first face to head and lip motion, as a landmark sequence."""

from landmark_stage.articulation.generate import load_articulation, load_lips
from landmark_stage.articulation.live import LiveFace, live_face
from landmark_stage.articulation.network import Articulation, ArticulationSettings
from landmark_stage.control import MotionChoice, motion_from
from landmark_stage.expression.generate import generate_expression, load_expression, stream_expression
from landmark_stage.generate import (
    MODELS,
    MotionControl,
    generate_landmarks,
    load_generator,
    start_face,
    stream_landmarks,
    write_landmarks,
)
from landmark_stage.head_motion.generate import load_head_motion, stream_heads
from landmark_stage.ms_sync.audio_pyramid import LOOK_AHEAD_FRAMES
from landmark_stage.ms_sync.explain import Explanation, explain_motion
from landmark_stage.ms_sync.generator import Generator, GeneratorSettings
from landmark_stage.preview import write_preview
from landmark_stage.reference import HeadReference
from landmark_stage.speak import load_speaker, motion_control, rewrite_motion, write_motion

__all__ = ["LOOK_AHEAD_FRAMES", "MODELS", "Articulation", "ArticulationSettings", "Explanation", "Generator",
           "GeneratorSettings", "HeadReference", "LiveFace", "MotionChoice", "MotionControl", "load_articulation", "load_lips",
           "explain_motion", "generate_expression", "generate_landmarks", "live_face",
           "load_expression", "load_generator", "load_head_motion", "load_speaker", "motion_control", "motion_from",
           "rewrite_motion", "start_face", "stream_expression", "stream_heads", "stream_landmarks",
           "write_landmarks", "write_motion", "write_preview"]


def __dir__() -> list[str]:
    return __all__
