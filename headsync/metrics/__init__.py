"""Arrays in, numbers out: image, identity, landmark, motion and Frechet metrics; no files, no plots."""

from headsync.metrics.behaviour import (
    Blinks,
    SilentLips,
    count_blinks,
    eye_aspect_ratio,
    jitter_px,
    lips_in_silence,
    silent_frames,
)
from headsync.metrics.blur import Sharpness, cpbd
from headsync.metrics.flicker import Flicker, flicker
from headsync.metrics.frechet import (
    FrechetScore,
    Gaussian,
    compare_features,
    feature_distance,
    fit_gaussian,
    frechet_distance,
    shrinkage,
)
from headsync.metrics.image import psnr_db, squared_error, ssim
from headsync.metrics.landmark_error import (
    Distance,
    aligned_mouth_distance,
    frontal_distance,
    landmark_distance,
    on_canvas,
    opening_difference,
    pose_distance,
    rotation_error_deg,
    turned_mouth_distance,
)
from headsync.metrics.motion_distance import MotionDistances, distance_interval, motion_distances
from headsync.metrics.regions import hull_mask, mean_inside, ssim_map

__all__ = [
    "MotionDistances", "distance_interval", "motion_distances", "Blinks", "SilentLips", "count_blinks", "eye_aspect_ratio",
    "jitter_px", "lips_in_silence", "silent_frames", "Sharpness", "cpbd", "Flicker",
    "flicker", "FrechetScore", "Gaussian", "compare_features", "feature_distance", "fit_gaussian", "frechet_distance",
    "shrinkage", "psnr_db", "squared_error", "ssim", "Distance",
    "aligned_mouth_distance", "frontal_distance", "landmark_distance", "on_canvas",
    "opening_difference", "pose_distance", "rotation_error_deg", "turned_mouth_distance", "hull_mask", "mean_inside",
    "ssim_map",
]
