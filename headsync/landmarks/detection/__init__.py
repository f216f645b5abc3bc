"""Faces found in pictures and videos: detectors, tracking, shots, extraction of landmark sequences."""

from headsync.landmarks.detection.choice import make_detector
from headsync.landmarks.detection.detectors import DETECTORS, Detector, Face
from headsync.landmarks.detection.extract import CANVAS_PX, Extraction, canvas_frames, extract
from headsync.landmarks.detection.person import PersonFinder

__all__ = [
    "DETECTORS", "Detector", "Face", "make_detector", "CANVAS_PX", "Extraction", "canvas_frames", "extract", "PersonFinder",
]
