"""The files of an evaluation: metrics.json and metrics.csv for programs; for people report.html, which needs no other file."""

import base64
from pathlib import Path
from typing import NamedTuple

import jinja2

from headsync.evaluation.anchors import ANCHORS, SHIFT_FRAMES
from headsync.evaluation.catalogue import FIGURES
from headsync.evaluation.evaluate import Evaluation
from headsync.evaluation.report.plots import distributions, head_plots, lag_plots
from headsync.evaluation.report.tables import clip_table, figure_tables, score_table, set_table, shift_rows
from headsync.evaluation.summary import as_csv, as_json, environment
from headsync.evaluation.worst import title
from headsync.media import write_whole

METRICS, TABLE, PAGE = "metrics.json", "metrics.csv", "report.html"
ARROWS = {"higher": "↑", "lower": "↓", "real": "→ real", "": ""}


class ReportFiles(NamedTuple):
    """What was written."""

    metrics: Path
    table: Path
    page: Path


def write_report(folder: str | Path, evaluation: Evaluation) -> ReportFiles:
    """Write metrics.json, metrics.csv and report.html into a folder, which is made if need be; each is whole or not there."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = ReportFiles(folder / METRICS, folder / TABLE, folder / PAGE)
    write_whole(files.metrics, as_json(evaluation).encode())
    write_whole(files.table, as_csv(evaluation).encode())
    write_whole(files.page, report_page(evaluation).encode())
    return files


def report_page(evaluation: Evaluation) -> str:
    """The page: an HTML text without a single reference to another file."""
    pages = jinja2.Environment(loader=jinja2.PackageLoader("headsync.evaluation.report", ""), autoescape=True, trim_blocks=True,
                               lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    pages.filters |= {"fixed": lambda value, digits: f"{value:.{digits}f}",
                      "base64": lambda data: base64.b64encode(data).decode()}
    pages.globals |= {"FIGURES": FIGURES, "ANCHORS": ANCHORS, "ARROWS": ARROWS, "SHIFT_FRAMES": SHIFT_FRAMES, "title": title}
    worst = {method: evaluation.worst.of(method) for method in evaluation.methods}
    ranked = dict.fromkeys([*(one.clip for found in worst.values() for one in found), *(row.clip for row in evaluation.rows)])
    names = {name for row in evaluation.rows for name in row.figures}
    places = {f"method {name}": place for name, place in evaluation.settings["methods"].items()}
    result = {name: value for name, value in evaluation.settings.items() if name != "methods"}
    return pages.get_template("report.html").render(
        evaluation._asdict() | {
            "clips": len({row.clip for row in evaluation.rows}), "cost": evaluation.cost, "figures": figure_tables(evaluation),
            "scores": score_table(evaluation), "sets": set_table(evaluation), "shifts": shift_rows(evaluation),
            "distributions": distributions(evaluation), "lags": lag_plots(evaluation),
            "heads": head_plots(evaluation, list(ranked)), "worst": worst,
            "every": {method: clip_table(evaluation, method) for method in evaluation.methods},
            "settings": places | result | environment(), "known": [name for name in FIGURES if name in names]})
