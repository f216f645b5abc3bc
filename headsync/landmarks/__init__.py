"""A face as points over time: sequences, geometry, detection, layouts, smoothing, drawing."""

from headsync.landmarks.augment import Augmentation, AugmentationRanges, apply_augmentation, draw_augmentation, flip
from headsync.landmarks.canonical import canonical_face
from headsync.landmarks.crop import crop_picture, fixed_crop, to_canvas
from headsync.landmarks.draw import contact_sheet, draw_landmarks, overlay_frames, plain_frames
from headsync.landmarks.geometry import (
    HeadPose,
    Similarity,
    frontal,
    frontal_fit,
    frontal_mean,
    frontalise,
    head_pose,
    pose_points,
    rigid_fit,
    rotation_matrix,
    rotation_vector,
    similarity_fit,
)
from headsync.landmarks.layouts import CONTOURS, GROUPS, IBUG68, MEDIAPIPE_TO_IBUG68, MIRROR, RIGID17, RIGID27, layout_size
from headsync.landmarks.lips import LipShapes, lip_opening, lip_shapes
from headsync.landmarks.pyramid import LEVELS, PYRAMID_FACTOR, PYRAMID_TAPS, halve_rate, time_pyramid
from headsync.landmarks.quality import LipAudio, lip_audio_agreement
from headsync.landmarks.rasters import dot_raster, landmark_image, upper_face
from headsync.landmarks.sequence import SCHEMA, LandmarkSequence, points_from_flat, producer_json
from headsync.landmarks.smoothing import smooth
from headsync.landmarks.stream import OpenSequence, SequenceHeader, SequenceWriter, read_header

__all__ = [
    "Augmentation", "AugmentationRanges", "apply_augmentation", "draw_augmentation", "flip", "canonical_face",
    "crop_picture", "fixed_crop", "to_canvas", "contact_sheet", "draw_landmarks", "overlay_frames", "plain_frames",
    "HeadPose", "Similarity", "frontal", "frontal_fit", "frontal_mean", "frontalise", "head_pose", "pose_points",
    "rigid_fit", "rotation_matrix", "rotation_vector", "similarity_fit", "CONTOURS", "GROUPS", "IBUG68",
    "MEDIAPIPE_TO_IBUG68", "MIRROR", "RIGID17", "RIGID27", "layout_size", "LEVELS", "PYRAMID_FACTOR", "PYRAMID_TAPS",
    "halve_rate", "time_pyramid", "LipAudio", "lip_audio_agreement", "LipShapes", "lip_opening", "lip_shapes", "dot_raster",
    "landmark_image", "upper_face", "SCHEMA", "LandmarkSequence", "points_from_flat", "producer_json", "smooth",
    "OpenSequence", "SequenceHeader", "SequenceWriter", "read_header",
]
