"""What metrics.json and metrics.csv hold: every figure with count, mean, deviation and interval, the anchors, all settings.

Numbers that do not exist (no such clip, no such file) are absent, never 0 or null.
"""

import csv
import io
import json
import platform
from importlib import metadata

import numpy as np

from headsync.evaluation.anchors import ANCHORS, REAL, SHIFT_FRAMES, STILL
from headsync.evaluation.catalogue import FIGURES, LEVELS, MODES
from headsync.evaluation.evaluate import Evaluation
from syncers import Summary, summarise
from syncers.sync import WINDOW_MS

SCHEMA = "headsync-evaluation/1"
CSV_COLUMNS = ("method", "figure", "count", "value", "deviation", "low", "high")
PACKAGES = ("headsync", "torch", "numpy", "scipy", "mediapipe", "scikit-image", "av")


def summaries(evaluation: Evaluation, method: str) -> dict[str, Summary]:
    """A method's (or an anchor's) figures over its clips."""
    values: dict[str, list[float]] = {}
    for row in evaluation.rows:
        if row.method == method:
            for name, value in row.figures.items():
                values.setdefault(name, []).append(value)
    return {name: summarise(values[name]) for name in FIGURES if name in values}


def means(evaluation: Evaluation, method: str) -> dict[str, float]:
    """Only the means, with the sets' values and the scores: what a log of runs holds."""
    sets = {name: one.value for name, one in evaluation.sets.get(method, {}).items()}
    return {**{name: one.mean for name, one in summaries(evaluation, method).items()}, **scores(evaluation, method), **sets}


def scores(evaluation: Evaluation, method: str) -> dict[str, float]:
    """AV-Conf between the still face (0) and the real one (1), per level and mode, over the clips that all three have."""
    result = {}
    by_clip = {(row.method, row.clip): row.figures for row in evaluation.rows}
    clips = list(dict.fromkeys(row.clip for row in evaluation.rows if row.method == method))
    for mode in MODES:
        for level in range(LEVELS):
            name = f"av_conf_{WINDOW_MS << level}_{mode}"
            known = [[by_clip.get((one, clip), {}).get(name) for one in (method, STILL, REAL)] for clip in clips]
            known = np.array([line for line in known if None not in line], np.float64).reshape(-1, 3)
            ours, still, real = known.mean(0) if len(known) else (0, 0, 0)
            if real > still:
                result[name.replace("av_conf", "score")] = float((ours - still) / (real - still))
    return result


def calibration(evaluation: Evaluation) -> dict[str, object]:
    """What says whether the measures themselves can be believed."""
    result: dict[str, object] = {}
    moved = {}
    for level in range(LEVELS):
        found = [shift for shift in evaluation.shifts if shift.window_ms == WINDOW_MS << level]
        if found:
            near = [abs(shift.frames - SHIFT_FRAMES) <= shift.step_frames for shift in found]
            moved[str(WINDOW_MS << level)] = {
                "clips": len(found), "median_frames": float(np.median([shift.frames for shift in found])),
                "within_a_step": float(np.mean(near))}
    if moved:
        result["sound_shifted_by_frames"] = SHIFT_FRAMES
        result["shift_found"] = moved
    if evaluation.likeness is not None:
        result["likeness"] = evaluation.likeness._asdict()
    if evaluation.sets.get("floor"):
        result["frechet_floors"] = _sets(evaluation, "floor")
    return result


def as_json(evaluation: Evaluation) -> str:
    """The text of metrics.json."""
    def of(method: str) -> dict[str, object]:
        figures = {name: one._asdict() for name, one in summaries(evaluation, method).items()}
        return {"clips": sum(row.method == method for row in evaluation.rows), "figures": figures,
                "scores": scores(evaluation, method), "sets": _sets(evaluation, method)}

    names = {name for row in evaluation.rows for name in row.figures}
    result = {
        "schema": SCHEMA, "settings": evaluation.settings, "environment": environment(),
        "cost": {"wall_s": round(evaluation.wall_s, 2), "processor_s": round(evaluation.processor_s, 2),
                 "peak_mb": round(evaluation.peak_mb, 1)},
        "methods": {name: of(name) for name in evaluation.methods},
        "anchors": {name: of(name) for name in ANCHORS if any(row.method == name for row in evaluation.rows)},
        "calibration": calibration(evaluation),
        "interval": "95 %, bootstrap over clips, 1000 draws, seed 7; deviations over N - 1; sets: see each meaning",
        "figures": {name: figure._asdict() for name, figure in FIGURES.items() if name in names},
        "clips": [row._asdict() for row in evaluation.rows],
        "problems": [problem._asdict() for problem in evaluation.problems], "notes": evaluation.notes,
    }
    return json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(evaluation: Evaluation) -> str:
    """The text of metrics.csv: a line per method or anchor and figure, sets of clips included."""
    lines = [[method, name, one.count, one.mean, one.deviation, one.low, one.high]
             for method in (*evaluation.methods, *ANCHORS) for name, one in summaries(evaluation, method).items()]
    lines += [[method, name, one.samples, one.value, "", one.low, one.high]
              for method, found in evaluation.sets.items() for name, one in found.items()]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([CSV_COLUMNS, *lines])
    return text.getvalue()


def environment() -> dict[str, str]:
    """Versions that figures may depend on."""
    result = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            result[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return result


def _sets(evaluation: Evaluation, name: str) -> dict[str, dict]:
    return {figure: one._asdict() for figure, one in evaluation.sets.get(name, {}).items()}
