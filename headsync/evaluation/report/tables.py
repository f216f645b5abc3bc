"""What the tables of a report hold: figures of methods beside the anchors, sets beside their floors, every clip."""

from typing import NamedTuple

from headsync.evaluation.anchors import ANCHORS, REAL, STILL
from headsync.evaluation.catalogue import FIGURES, badness, groups
from headsync.evaluation.clip_sets import FLOOR
from headsync.evaluation.evaluate import Evaluation
from headsync.evaluation.motion_sets import SetFigure
from headsync.evaluation.summary import calibration, scores, summaries
from headsync.evaluation.worst import ranking_figure, title
from syncers import Summary

CLIP_COLUMNS = ("ssim", "ssim_mouth", "psnr_db", "csim", "lmd", "lmd_mouth_frontal", "rotation_error_deg", "av_off_200_valid",
                "av_conf_200_valid", "av_conf_800_valid", "jitter_px", "face_rate")
MOST_CLIP_ROWS = 400


class FigureRow(NamedTuple):
    """A figure of several methods and anchors."""

    name: str
    found: dict[str, Summary | None]
    best: str | None                    # the method that is best by it


class SetRow(NamedTuple):
    """A distance of sets, a column each."""

    name: str
    meaning: str
    found: list[SetFigure | None]


def figure_tables(evaluation: Evaluation) -> list[tuple[str, list[str], list[FigureRow]]]:
    """Name, columns (methods and anchors) and rows of each group of figures."""
    columns = [*evaluation.methods, *(one for one in ANCHORS if any(row.method == one for row in evaluation.rows))]
    of = {method: summaries(evaluation, method) for method in columns}
    tables = []
    for group, names in groups({name for found in of.values() for name in found}).items():
        used = [method for method in columns if any(name in of[method] for name in names)]
        means = {name: {one: of[one][name].mean for one in evaluation.methods if name in of[one]} for name in names}
        tables.append((group, used, [
            FigureRow(name, {one: of[one].get(name) for one in used}, _best(name, means[name], of.get(REAL, {}).get(name)))
            for name in names]))
    return tables


def score_table(evaluation: Evaluation) -> tuple[list[str], list[list[str]]] | None:
    """Normalised synchrony, head and rows: 0 for the still face, 1 for the real one. None where there is none."""
    of = {method: scores(evaluation, method) for method in (*evaluation.methods, *ANCHORS)}
    names = [name for name in of[REAL] if name.endswith("_valid")]
    rows = [[method, *(f"{found[name]:.2f}" if name in found else "–" for name in names)]
            for method, found in of.items() if found]
    return (["", *(f"{name.split('_')[1]} ms" for name in names)], rows) if names else None


def set_table(evaluation: Evaluation) -> tuple[list[str], list[SetRow]]:
    """Figures of sets, columns and rows; of Fréchet distances the one between two halves of the real clips as their floor."""
    sets = evaluation.sets
    columns = [name for name in (*evaluation.methods, REAL, STILL, FLOOR) if sets.get(name)]
    names = dict.fromkeys(name for column in columns for name in sets[column])
    return columns, [SetRow(name.replace("_", " "), next(sets[one][name].meaning for one in columns if name in sets[one]),
                            [sets[one].get(name) for one in columns]) for name in names]


def shift_rows(evaluation: Evaluation) -> list[list[str]]:
    """Whether planted shifts are found, a row a level."""
    return [[f"{window} ms", str(one["clips"]), f"{one['median_frames']:+.1f}", f"{one['within_a_step']:.0%}"]
            for window, one in calibration(evaluation).get("shift_found", {}).items()]


def clip_table(evaluation: Evaluation, method: str) -> tuple[list[str], list[list[str]]] | None:
    """Every clip of a method, head and rows, the worst first; None without a figure to rank by."""
    rows, rank_by = [row for row in evaluation.rows if row.method == method], evaluation.settings["rank_by"]
    known = {name for row in rows for name in row.figures}
    ranked = rank_by if rank_by in known else ranking_figure(known)
    if ranked is None:
        return None
    real = {row.clip: row.figures for row in evaluation.rows if row.method == REAL}

    def bad(row) -> float:
        value = row.figures.get(ranked)
        found = None if value is None else badness(ranked, value, real.get(row.clip, {}).get(ranked))
        return float("inf") if found is None else found     # what could not be measured is worst of all

    names = [ranked, *(name for name in CLIP_COLUMNS if name in known and name != ranked)]
    return ["clip", "frames", *map(title, names)], [[row.clip, str(row.frames), *(
        f"{row.figures[name]:.{FIGURES[name].digits}f}" if name in row.figures else "–" for name in names)]
        for row in sorted(rows, key=bad, reverse=True)[:MOST_CLIP_ROWS]]


def _best(name: str, means: dict[str, float], real: Summary | None) -> str | None:
    """The method that is best by a figure; None with one method only, where no way is better, and for ties."""
    ranked = {method: badness(name, mean, None if real is None else real.mean) for method, mean in means.items()}
    if len(ranked) < 2 or None in ranked.values():
        return None
    first, second = sorted(ranked.values())[:2]
    return min(ranked, key=ranked.get) if first < second else None
