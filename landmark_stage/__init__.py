"""Stage one: sound and a first face to head and lip motion, as a landmark sequence."""

from landmark_stage.adversary import Adversary, AdversarySettings
from landmark_stage.audio_pyramid import LOOK_AHEAD_FRAMES
from landmark_stage.explain import Explanation, explain_motion
from landmark_stage.generate import (
    MODELS,
    MotionControl,
    generate_landmarks,
    load_generator,
    start_face,
    stream_landmarks,
    write_landmarks,
)
from landmark_stage.generator import Generator, GeneratorSettings
from landmark_stage.preview import write_preview
from landmark_stage.train import GeneratorTraining, TrainReport, TrainSettings, train_landmarks

__all__ = ["LOOK_AHEAD_FRAMES", "MODELS", "Adversary", "AdversarySettings", "Explanation", "Generator", "GeneratorSettings",
           "GeneratorTraining", "MotionControl", "TrainReport", "TrainSettings", "explain_motion", "generate_landmarks",
           "load_generator", "start_face", "stream_landmarks", "train_landmarks", "write_landmarks", "write_preview"]
