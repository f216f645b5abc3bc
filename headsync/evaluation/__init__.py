"""Evaluation of results: pictures, landmarks, behaviour, sets of features, and the figures of published networks."""

from headsync.evaluation.catalogue import FIGURES, Figure
from headsync.evaluation.evaluate import Evaluation, EvaluationSettings, evaluate_videos
from headsync.evaluation.items import find_items, named_methods
from headsync.evaluation.published_figures import PublishedNetworks, load_published
from headsync.evaluation.redetect import Detected, detect_again
from headsync.evaluation.summary import as_json, means, scores, summaries

__all__ = [
    "FIGURES", "Figure", "Evaluation", "EvaluationSettings", "evaluate_videos", "find_items", "named_methods",
    "PublishedNetworks", "load_published", "Detected",
    "detect_again", "as_json", "means", "scores", "summaries",
]
