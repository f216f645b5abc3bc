"""What a result is worth: pictures, landmarks, behaviour, sets of features, and the figures of published networks."""

from evaluation.behaviour import Blinks, SilentLips, count_blinks, eye_aspect_ratio, jitter_px, lips_in_silence, silent_frames
from evaluation.blur import Sharpness, VideoSharpness, cpbd, video_cpbd
from evaluation.catalogue import FIGURES, Figure
from evaluation.evaluate import Evaluation, EvaluationSettings, evaluate_videos
from evaluation.flicker import Flicker, flicker
from evaluation.frechet import (
    FrechetScore,
    Gaussian,
    compare_features,
    feature_distance,
    fit_gaussian,
    frechet_distance,
    shrinkage,
)
from evaluation.image import ImageComparison, ImageScores, compare_videos, psnr_db, squared_error, ssim
from evaluation.items import find_items, named_methods
from evaluation.landmark_error import (
    Distance,
    LandmarkErrors,
    aligned_mouth_distance,
    frontal_distance,
    landmark_distance,
    landmark_errors,
    on_canvas,
    opening_difference,
    pose_distance,
    rotation_error_deg,
    turned_mouth_distance,
)
from evaluation.published import (
    PublishedFigure,
    SyncFigures,
    csim,
    fid,
    fvd,
    i3d_features,
    inception_features,
    lpips,
    sync_figures,
    temporal_fid,
)
from evaluation.published_figures import PublishedNetworks, load_published
from evaluation.published_files import PublishedNetwork, load_arcface, load_i3d, load_inception, load_lpips, load_syncnet
from evaluation.published_inputs import arcface_crop, syncnet_boxes, syncnet_crop
from evaluation.redetect import Detected, detect_again
from evaluation.regions import hull_mask, mean_inside, ssim_map
from evaluation.report import ReportFiles, write_report
from evaluation.summary import as_json, means, scores, summaries

__all__ = [
    "ImageComparison", "ImageScores", "compare_videos", "psnr_db", "squared_error", "ssim",
    "Sharpness", "VideoSharpness", "cpbd", "video_cpbd",
    "Distance", "LandmarkErrors", "aligned_mouth_distance", "frontal_distance", "landmark_distance", "landmark_errors",
    "on_canvas", "opening_difference", "pose_distance", "rotation_error_deg", "turned_mouth_distance",
    "Blinks", "SilentLips", "count_blinks", "eye_aspect_ratio", "jitter_px", "lips_in_silence", "silent_frames",
    "FrechetScore", "Gaussian", "compare_features", "feature_distance", "fit_gaussian", "frechet_distance", "shrinkage",
    "PublishedFigure", "PublishedNetwork", "SyncFigures", "load_arcface", "load_i3d", "load_inception", "load_lpips",
    "load_syncnet", "arcface_crop", "syncnet_boxes", "syncnet_crop", "csim", "fid", "fvd", "i3d_features",
    "inception_features", "lpips", "sync_figures", "temporal_fid",
    "FIGURES", "Figure", "Evaluation", "EvaluationSettings", "evaluate_videos", "Flicker", "flicker", "find_items",
    "named_methods", "PublishedNetworks", "load_published", "Detected", "detect_again", "hull_mask", "mean_inside", "ssim_map",
    "ReportFiles", "write_report", "as_json", "means", "scores", "summaries",
]
