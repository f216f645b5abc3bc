"""The pictures of a report, as SVG text that stands inside the page: distributions, distance over lag, head motion.

Shapes: S lags, T frames.
"""

import io
import re
from collections.abc import Sequence

import numpy as np

from headsync.evaluation.anchors import MISMATCHED, REAL, SHIFTED, STILL
from headsync.evaluation.catalogue import FIGURES, LEVELS
from headsync.evaluation.evaluate import Evaluation
from headsync.evaluation.worst import title
from headsync.media import FPS
from headsync.media.caches import keep_fonts_somewhere
from syncers.sync import WINDOW_MS

COLOURS = ("#2a6fdb", "#d9622b", "#3a9d5d", "#8a4fbf", "#c23b6e", "#0f8b8d", "#8c6d1f", "#5b6b7b")     # of methods, in order
ANCHOR_LOOK = {REAL: ("#111111", "-"), STILL: ("#888888", "--"), MISMATCHED: ("#888888", ":"), SHIFTED: ("#bbbbbb", "-.")}
DISTRIBUTED = ("av_conf_200_valid", "av_off_200_valid", "lmd", "lmd_mouth_frontal", "ssim", "ssim_mouth", "psnr_db", "csim",
               "jitter_px", "turn_deg", "lip_opening_std", "blinks_per_minute")
MOST_SHOWN_HEADS = 3
AXES = ("nod", "turn", "tilt")


def look(evaluation: Evaluation, method: str) -> tuple[str, str]:
    """Colour and line style of a method or an anchor."""
    if method in ANCHOR_LOOK:
        return ANCHOR_LOOK[method]
    return COLOURS[evaluation.methods.index(method) % len(COLOURS)], "-"


def distributions(evaluation: Evaluation) -> str:
    """Every clip as a dot, mean and quartiles, one panel a figure; empty where no method has any of them."""
    known = {name for row in evaluation.rows if row.method in evaluation.methods for name in row.figures}
    names = [name for name in DISTRIBUTED if name in known]
    shown = [method for method in (*evaluation.methods, REAL, STILL) if any(row.method == method for row in evaluation.rows)]
    if not names:
        return ""
    columns = 3
    figure, axes = _axes(len(names), columns, width=3.6, height=0.55 + 0.3 * len(shown))
    random = np.random.default_rng(0)
    for axis, name in zip(axes, names):
        for place, method in enumerate(shown):
            values = np.array([row.figures[name] for row in evaluation.rows if row.method == method and name in row.figures])
            if not len(values):
                continue
            colour = look(evaluation, method)[0]
            axis.scatter(values, place + random.uniform(-0.22, 0.22, len(values)), s=9, color=colour, alpha=0.45, linewidths=0)
            low, high = np.percentile(values, (25, 75))
            axis.plot([low, high], [place, place], color=colour, linewidth=3, alpha=0.6, solid_capstyle="butt")
            axis.plot([values.mean()] * 2, [place - 0.3, place + 0.3], color=colour, linewidth=1.6)
        axis.set_yticks(range(len(shown)), shown)
        axis.set_ylim(len(shown) - 0.5, -0.5)
        better = {"higher": "more is better", "lower": "less is better"}.get(FIGURES[name].better, "")
        axis.set_title(title(name) + (f"  ({better})" if better else ""), loc="left", fontsize=9)
    return _svg(figure)


def lag_plots(evaluation: Evaluation) -> str:
    """Mean embedding distance over lag, one panel a level, methods and anchors; empty without sound."""
    curves = [evaluation.curves.lag_curve(REAL, level) for level in range(LEVELS)]
    levels = [level for level, curve in enumerate(curves) if curve is not None and len(curve.lags) > 1]
    if not levels:
        return ""
    figure, axes = _axes(len(levels), min(4, len(levels)), width=2.9, height=2.5)
    for axis, level in zip(axes, levels):
        for method in (STILL, MISMATCHED, SHIFTED, REAL, *evaluation.methods):
            curve = evaluation.curves.lag_curve(method, level)
            if curve is not None:
                colour, style = look(evaluation, method)
                axis.plot(curve.lags, curve.distances, color=colour, linestyle=style, linewidth=1.5, label=method)
        axis.axvline(0, color="#dddddd", linewidth=1, zorder=0)
        axis.set(xlabel="sound late by, frames")
        axis.set_title(f"{WINDOW_MS << level} ms", loc="left", fontsize=9)
    axes[0].set_ylabel("distance from the median")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)), frameon=False)
    return _svg(figure)


def head_plots(evaluation: Evaluation, clips: Sequence[str]) -> str:
    """Nod, turn and tilt over time against each clip's first frame: the real head in black; empty without such clips."""
    clips = [clip for clip in clips if (REAL, clip) in evaluation.curves.heads][:MOST_SHOWN_HEADS]
    if not clips:
        return ""
    figure, axes = _axes(3 * len(clips), 3, width=3.9, height=1.7)
    for row, clip in enumerate(clips):
        for column, name in enumerate(AXES):
            axis = axes[3 * row + column]
            for method in (REAL, *evaluation.methods):
                head = evaluation.curves.heads.get((method, clip))
                if head is not None:
                    colour, style = look(evaluation, method)
                    seconds = np.arange(len(head)) / FPS
                    axis.plot(seconds, head[:, column], color=colour, linestyle=style, linewidth=1.3, label=method)
            axis.set_title(f"{clip}: {name}, degrees", loc="left", fontsize=9)
            axis.set_xlabel("s" if row == len(clips) - 1 else "")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)), frameon=False)
    return _svg(figure)


def _axes(count: int, columns: int, *, width: float, height: float):
    """A figure without a screen, and its panels in reading order."""
    keep_fonts_somewhere()
    from matplotlib.figure import Figure

    columns = min(count, columns)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows + 0.35), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[count:]:
        axis.set_axis_off()
    for axis in axes:
        axis.tick_params(labelsize=8, length=2)
        axis.xaxis.label.set_fontsize(8)
        axis.yaxis.label.set_fontsize(8)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes[:count]


def _svg(figure) -> str:
    """The figure as an <svg> element: letters stay letters, no time stamp, equal input gives equal text."""
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "headsync", "font.family": "sans-serif"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    return re.sub(r'\s(width|height)="[\d.]+pt"', "", svg[svg.index("<svg") :], count=2)
