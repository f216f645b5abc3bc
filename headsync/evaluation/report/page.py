"""The files of an evaluation: metrics.json for programs, report.html for people, in one page that needs nothing else."""

import base64
from html import escape
from pathlib import Path
from typing import NamedTuple

from headsync.evaluation.evaluate import Evaluation
from headsync.evaluation.items import Problem
from headsync.evaluation.report.plots import distributions, head_plots, lag_plots
from headsync.evaluation.report.tables import (
    calibration_tables,
    clip_table,
    figure_tables,
    legend,
    score_table,
    set_table,
    table,
)
from headsync.evaluation.summary import as_json, environment
from headsync.evaluation.worst import title
from headsync.media import write_whole

METRICS, PAGE = "metrics.json", "report.html"
STYLE = """
:root { color-scheme: light; }
body { font: 14px/1.45 system-ui, sans-serif; color: #1c1e21; max-width: 1180px; margin: 0 auto; padding: 24px; }
h1 { font-size: 24px; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 36px 0 8px; border-bottom: 1px solid #ddd; padding-bottom: 4px; }
h3 { font-size: 14px; margin: 20px 0 6px; }
p { max-width: 76ch; }
small { font-size: 12px; color: #666; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 4px 10px; border-bottom: 1px solid #eee; vertical-align: top; white-space: nowrap; }
thead th { border-bottom: 1px solid #bbb; }
tbody th { text-align: left; font-weight: 500; }
table.settings td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
.anchor { color: #777; font-weight: 500; }
.none { color: #bbb; }
.interval { color: #888; }
abbr { text-decoration: none; border-bottom: 1px dotted #aaa; cursor: help; }
figure { margin: 12px 0; }
figure svg { width: 100%; height: auto; }
figcaption { font-size: 12px; color: #666; }
img { max-width: 100%; display: block; }
.problems li { color: #8a1c1c; }
dt { font-weight: 600; margin-top: 6px; }
dd { margin: 0; color: #444; }
code { font-size: 12px; color: #777; }
summary { cursor: pointer; margin: 8px 0; }
"""
FIGURES_TOLD = """Mean ± standard deviation over clips, 95 % bootstrap interval of the mean, number of clips. Arrows say which
way is better; the best of several methods is bold. Grey columns are anchors: the same clips' own motion and pictures (real),
their first frame held (still face), their motion with another person's sound, and with their sound shifted by 5 frames."""
SCORES_TOLD = """AV-Conf, mode valid: 0 is the still face, 1 the real one, over the clips that have both. Above 1 means fitting
the syncers' idea of synchrony, not being more real than real."""
SETS_TOLD = """Squared Fréchet distances with bootstrap intervals. The floor is the distance between two halves of the real
clips, people apart, of fewer samples (its bracket: the extremes of the splits). Few samples make every estimate too large;
intervals allow for it, so some lie below their estimate. None of these is an FID, t-FID or FVD."""
LAGS_TOLD = """Mean distance of motion and sound embeddings from each clip's median on, mode valid, over the lags that half of
the clips have: synchrony is a deep valley at 0."""
SHEET_TOLD = "Rows: real, generated, twice their difference; of landmark sequences: real, generated."


class ReportFiles(NamedTuple):
    """What was written."""

    metrics: Path
    page: Path


def write_report(folder: str | Path, evaluation: Evaluation) -> ReportFiles:
    """Write metrics.json and report.html into a folder, which is made if need be; each is whole or not there."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = ReportFiles(folder / METRICS, folder / PAGE)
    write_whole(files.metrics, as_json(evaluation).encode())
    write_whole(files.page, report_page(evaluation).encode())
    return files


def report_page(evaluation: Evaluation) -> str:
    """The page: an HTML text without a single reference to another file."""
    methods = escape(", ".join(evaluation.methods))
    worst = [one.clip for method in evaluation.methods for one in evaluation.worst.of(method)]
    heads = head_plots(evaluation, list(dict.fromkeys([*worst, *(row.clip for row in evaluation.rows)])))
    sections = {
        "Figures": _told(FIGURES_TOLD, figure_tables(evaluation)),
        "Synchrony between still and real": _told(SCORES_TOLD, score_table(evaluation)),
        "Sets of clips": _told(SETS_TOLD, set_table(evaluation)),
        "Calibration": calibration_tables(evaluation),
        "Distributions": _figure(distributions(evaluation), "Every dot is a clip; bar: quartiles; line: mean."),
        "Distance over lag": _figure(lag_plots(evaluation), LAGS_TOLD),
        "Head motion": _figure(heads, "Rotation against each clip's first frame; black: the real head."),
        "Worst clips": "".join(_worst(evaluation, method) for method in evaluation.methods),
        "Every clip": "".join(_clips(evaluation, method) for method in evaluation.methods),
        "Problems and notes": _problems(evaluation.problems, evaluation.notes),
        "Settings": _settings(evaluation),
        "What the figures mean": legend(evaluation)}
    body = "".join(f"<section><h2>{name}</h2>{text}</section>" for name, text in sections.items() if text)
    clips = len({row.clip for row in evaluation.rows})
    cost = f"{clips} clips, {len(evaluation.problems)} problems, {evaluation.cost}"
    return (f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>headsync evaluation: {methods}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
            f"<h1>Evaluation of {methods}</h1><small>{cost}</small>{body}</body></html>\n")


def _told(text: str, content: str) -> str:
    return f"<p>{text}</p>{content}" if content else ""


def _clips(evaluation: Evaluation, method: str) -> str:
    rows = clip_table(evaluation, method, str(evaluation.settings["rank_by"]))
    return f"<details><summary>{escape(method)}, the worst first</summary>{rows}</details>" if rows else ""


def _figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>" if svg else ""


def _worst(evaluation: Evaluation, method: str) -> str:
    parts = []
    for one in evaluation.worst.of(method):
        source = f"data:image/jpeg;base64,{base64.b64encode(one.jpeg).decode()}"
        caption = escape(f"{one.clip}: {title(one.figure)} {one.value:.3f}. {SHEET_TOLD}")
        parts.append(f'<figure><img alt="{escape(one.clip)}" src="{source}"><figcaption>{caption}</figcaption></figure>')
    return f"<h3>{escape(method)}</h3>{''.join(parts)}" if parts else ""


def _problems(problems: list[Problem], notes: list[str]) -> str:
    lines = [f"<li>{escape(': '.join(part for part in (one.method, one.clip, one.reason) if part))}</li>" for one in problems]
    told = f'<ul class="problems">{"".join(lines)}</ul>' if lines else "<p>No problems.</p>"
    return told + (f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>" if notes else "")


def _settings(evaluation: Evaluation) -> str:
    told = {**{name: value for name, value in evaluation.settings.items() if name != "methods"}, **environment()}
    places = {f"method {name}": place for name, place in evaluation.settings["methods"].items()}
    rows = [[escape(str(name)), escape(str(value))] for name, value in {**places, **told}.items()]
    return table(["", ""], rows, style="settings")
