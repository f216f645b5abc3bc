"""The tables of a report as HTML: figures of methods beside the anchors, sets beside their floors, calibration, every clip."""

from collections.abc import Iterable, Sequence
from html import escape

from headsync.evaluation.anchors import ANCHORS, REAL, SHIFT_FRAMES
from headsync.evaluation.catalogue import FIGURES, badness, groups
from headsync.evaluation.evaluate import Evaluation
from headsync.evaluation.summary import calibration, scores, summaries
from headsync.evaluation.worst import ranking_figure, title
from syncers import Summary

ARROWS = {"higher": "↑", "lower": "↓", "real": "→ real", "": ""}
CLIP_COLUMNS = ("ssim", "ssim_mouth", "psnr_db", "csim", "lmd", "lmd_mouth_frontal", "rotation_error_deg", "av_off_200_valid",
                "av_conf_200_valid", "av_conf_800_valid", "jitter_px", "face_rate")
MOST_CLIP_ROWS = 400


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, style: str = "") -> str:
    """A table; cells are HTML already, the first of each row is its name."""
    columns = "".join(f"<th>{cell}</th>" for cell in head)
    lines = ["<tr><th>" + row[0] + "</th>" + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>" for row in rows]
    body = f"<thead><tr>{columns}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="wide"><table class="{style}">{body}</table></div>'


def figure_tables(evaluation: Evaluation) -> str:
    """One table a group: figures down, methods and anchors across; the best method in bold."""
    columns = [*evaluation.methods, *(one for one in ANCHORS if any(row.method == one for row in evaluation.rows))]
    of = {method: summaries(evaluation, method) for method in columns}
    parts = []
    for group, names in groups({name for found in of.values() for name in found}).items():
        used = [method for method in columns if any(name in of[method] for name in names)]
        rows = []
        for name in names:
            best = _best(name, {method: of[method][name].mean for method in evaluation.methods if name in of[method]},
                         of.get(REAL, {}).get(name))
            label = f'<abbr title="{escape(FIGURES[name].meaning)}">{escape(title(name))}</abbr> {ARROWS[FIGURES[name].better]}'
            rows.append([label, *(summary_cell(of[one].get(name), FIGURES[name].digits, bold=one == best) for one in used)])
        heads = [f'<span class="{"anchor" if one in ANCHORS else ""}">{escape(one)}</span>' for one in used]
        parts.append(f"<h3>{escape(group)}</h3>{table(['', *heads], rows)}")
    return "".join(parts)


def summary_cell(found: Summary | None, digits: int, *, bold: bool = False) -> str:
    """Mean, deviation and interval."""
    if found is None:
        return '<span class="none">–</span>'
    mean = f"{found.mean:.{digits}f}"
    mean = f"<b>{mean}</b>" if bold else mean
    return (f'{mean}<small> ± {found.deviation:.{digits}f}</small><br><small class="interval">[{found.low:.{digits}f}, '
            f"{found.high:.{digits}f}] n={found.count}</small>")


def score_table(evaluation: Evaluation) -> str:
    """Normalised synchrony: 0 for the still face, 1 for the real one."""
    of = {method: scores(evaluation, method) for method in (*evaluation.methods, *ANCHORS)}
    names = [name for name in of[REAL] if name.endswith("_valid")]
    rows = [[escape(method), *(f"{found[name]:.2f}" if name in found else "–" for name in names)]
            for method, found in of.items() if found]
    return table(["", *(f"{name.split('_')[1]} ms" for name in names)], rows) if names else ""


def set_table(evaluation: Evaluation) -> str:
    """Fréchet distances of sets, with the distance between two halves of the real clips as their floor."""
    columns = [name for name in (*evaluation.methods, "still face", "floor") if evaluation.sets.get(name)]
    names = list(dict.fromkeys(name for column in columns for name in evaluation.sets[column]))
    rows = []
    for name in names:
        cells = []
        for column in columns:
            one = evaluation.sets[column].get(name)
            digits = 2 if one is None or one.value >= 0.1 else 4
            cells.append("–" if one is None else f'{one.value:.{digits}f}<br><small class="interval">[{one.low:.{digits}f}, '
                                                 f"{one.high:.{digits}f}] n={one.samples}</small>")
        meaning = next(evaluation.sets[column][name].meaning for column in columns if name in evaluation.sets[column])
        rows.append([f'<abbr title="{escape(meaning)}">{escape(name.replace("_", " "))}</abbr>', *cells])
    return table(["", *map(escape, columns)], rows) if rows else ""


def calibration_tables(evaluation: Evaluation) -> str:
    """Whether planted shifts are found, and how the encoder distinguishes people."""
    told, parts = calibration(evaluation), []
    if "shift_found" in told:
        rows = [[f"{window} ms", str(one["clips"]), f"{one['median_frames']:+.1f}", f"{one['within_a_step']:.0%}"]
                for window, one in told["shift_found"].items()]
        parts.append(f"<p>Sound made {SHIFT_FRAMES} frames earlier: by how much each level's answer moved.</p>"
                     + table(["level", "clips", "median, frames", "within one step"], rows, style="narrow"))
    if evaluation.likeness is not None:
        one = evaluation.likeness
        parts.append("<p>Cosines of real faces to the identity encoder: what a CSIM-S is to be held against.</p>" + table(
            ["", "mean cosine", "pairs"], [["one person", f"{one.genuine:.3f}", str(one.genuine_pairs)],
                                           ["two people", f"{one.impostor:.3f}", str(one.impostor_pairs)],
                                           ["ROC area", f"{one.roc_area:.3f}", ""]], style="narrow"))
    return "".join(parts)


def clip_table(evaluation: Evaluation, method: str, rank_by: str) -> str:
    """Every clip of a method, the worst first."""
    rows = [row for row in evaluation.rows if row.method == method]
    known = {name for row in rows for name in row.figures}
    ranked = rank_by if rank_by in known else ranking_figure(known)
    if ranked is None:
        return ""
    real = {row.clip: row.figures for row in evaluation.rows if row.method == REAL}

    def bad(row) -> float:
        value = row.figures.get(ranked)
        found = None if value is None else badness(ranked, value, real.get(row.clip, {}).get(ranked))
        return float("inf") if found is None else found     # what could not be measured is worst of all

    names = [ranked, *(name for name in CLIP_COLUMNS if name in known and name != ranked)]
    lines = [[escape(row.clip), str(row.frames), *(
        f"{row.figures[name]:.{FIGURES[name].digits}f}" if name in row.figures else "–" for name in names)]
        for row in sorted(rows, key=bad, reverse=True)[:MOST_CLIP_ROWS]]
    return table(["clip", "frames", *(escape(title(name)) for name in names)], lines)


def legend(evaluation: Evaluation) -> str:
    """What every figure means."""
    names = {name for row in evaluation.rows for name in row.figures}
    lines = [f"<dt>{escape(title(name))} {ARROWS[FIGURES[name].better]}</dt><dd>{escape(FIGURES[name].group)}: "
             f"{escape(FIGURES[name].meaning)} <code>{name}</code></dd>" for name in FIGURES if name in names]
    return f"<dl>{''.join(lines)}</dl>"


def _best(name: str, means: dict[str, float], real: Summary | None) -> str | None:
    """The method that is best by a figure; None with one method only, where no way is better, and for ties."""
    ranked = {method: badness(name, mean, None if real is None else real.mean) for method, mean in means.items()}
    if len(ranked) < 2 or None in ranked.values():
        return None
    first, second = sorted(ranked.values())[:2]
    return min(ranked, key=ranked.get) if first < second else None
