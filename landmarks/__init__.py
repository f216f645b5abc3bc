"""A face as points over time: sequences, geometry, detection, drawing, and the corpus that training reads."""

from landmarks.augment import IDENTITY, Augmentation, AugmentationRanges, apply_augmentation, draw_augmentation, flip
from landmarks.blinks import lid_closures, natural_blinks
from landmarks.canonical import build_canonical, canonical_face
from landmarks.clips import PreprocessSettings
from landmarks.cluster import cluster_workers
from landmarks.compose import anchored, compose_motion, head_track, looped, reposed, still_head
from landmarks.corpus import Clip, Corpus, Rejection, SyncRow, open_corpus, record_sync, split_of
from landmarks.crop import crop_picture, fixed_crop, to_canvas
from landmarks.detectors import DETECTORS, Detector, Face, make_detector
from landmarks.draw import contact_sheet, draw_landmarks, overlay_frames, plain_frames
from landmarks.extract import CANVAS_PX, Extraction, canvas_frames, extract
from landmarks.geometry import (
    HeadPose,
    Similarity,
    frontal_mean,
    frontalise,
    head_pose,
    pose_points,
    rigid_fit,
    rotation_matrix,
    rotation_vector,
    similarity_fit,
)
from landmarks.layouts import CONTOURS, GROUPS, IBUG68, MEDIAPIPE_TO_IBUG68, MIRROR, RIGID17, RIGID27, layout_size
from landmarks.motion import (
    MotionStatistics,
    face_shape_error,
    motion_statistics,
    scale_motion,
)
from landmarks.motion_distance import MotionDistances, distance_interval, motion_distances
from landmarks.person import PersonFinder
from landmarks.preprocess import BuildReport, build_corpus, minutes
from landmarks.pyramid import LEVELS, PYRAMID_FACTOR, PYRAMID_TAPS, halve_rate, time_pyramid
from landmarks.quality import LipAudio, lip_audio_agreement, lip_opening
from landmarks.rasters import dot_raster, landmark_image, upper_face
from landmarks.sequence import SCHEMA, LandmarkSequence, points_from_flat, producer_json
from landmarks.smoothing import smooth
from landmarks.sources import Source, find_sources
from landmarks.stream import SequenceHeader, SequenceWriter, read_blocks, read_header

__all__ = [
    "SCHEMA", "SequenceHeader", "SequenceWriter", "read_blocks", "read_header",
    "MotionDistances", "MotionStatistics", "distance_interval", "face_shape_error", "motion_distances", "motion_statistics",
    "anchored", "compose_motion", "head_track", "lid_closures", "looped", "natural_blinks", "reposed", "still_head",
    "scale_motion", "LandmarkSequence", "points_from_flat", "producer_json",
    "CONTOURS", "GROUPS", "IBUG68", "MEDIAPIPE_TO_IBUG68", "MIRROR", "RIGID17", "RIGID27", "layout_size",
    "HeadPose", "Similarity", "frontal_mean", "frontalise", "head_pose", "pose_points", "rigid_fit", "rotation_matrix",
    "rotation_vector", "similarity_fit", "build_canonical", "canonical_face",
    "LEVELS", "PYRAMID_FACTOR", "PYRAMID_TAPS", "halve_rate", "smooth", "time_pyramid",
    "IDENTITY", "Augmentation", "AugmentationRanges", "apply_augmentation", "draw_augmentation", "flip",
    "CANVAS_PX", "DETECTORS", "Detector", "Extraction", "Face", "canvas_frames", "crop_picture", "extract",
    "fixed_crop", "make_detector", "to_canvas",
    "contact_sheet", "draw_landmarks", "dot_raster", "landmark_image", "overlay_frames", "plain_frames", "upper_face",
    "PersonFinder",
    "cluster_workers",
    "BuildReport", "Clip", "Corpus", "LipAudio", "PreprocessSettings", "Rejection", "Source", "build_corpus",
    "find_sources", "lip_audio_agreement", "lip_opening", "minutes", "open_corpus", "record_sync", "split_of", "SyncRow",
]
