"""Pictures of synchrony: similarity over time, distance over lag."""

import io
from pathlib import Path

import numpy as np

from headsync.media import write_whole
from headsync.media.caches import keep_fonts_somewhere
from syncers.measure import SyncSample, level_profiles
from syncers.model import SyncerPyramid
from syncers.sync import WINDOW_MS, similarity_matrix
from syncers.verdict import MILLISECONDS, spoken

MOST_WINDOWS = 400      # of the similarity matrix: longer clips show their first 16 s


def plot_sync(path: str | Path, sample: SyncSample, pyramid: SyncerPyramid, *, title: str = "") -> None:
    """Write a picture of a clip: similarity of motion and sound over time per level, and distance over lag under it."""
    keep_fonts_somewhere()
    from matplotlib.figure import Figure

    short = sample.cut(0, MOST_WINDOWS)
    profiles = level_profiles(pyramid, sample)
    figure = Figure(figsize=(3.2 * len(profiles), 6), layout="constrained")
    axes = figure.subplots(2, len(profiles), squeeze=False)
    for number, profile in enumerate(profiles):
        level = number + 1
        step_s = 0.04 * 2**number
        try:
            matrix = similarity_matrix(pyramid, short, level=level).numpy()
            axes[0, number].imshow(matrix, origin="lower", cmap="magma", vmin=-1, vmax=1,
                                   extent=[0, matrix.shape[1] * step_s, 0, matrix.shape[0] * step_s])
        except ValueError:
            axes[0, number].set_axis_off()
        axes[0, number].set(title=f"{WINDOW_MS << number} ms", xlabel="sound, s", ylabel="motion, s")
        lags = profile.lags.numpy() * 2**number
        found_ms = MILLISECONDS * profile.fine_offset * 2**number
        axes[1, number].plot(lags, profile.distances.numpy())
        axes[1, number].axvline(profile.offset * 2**number, color="tab:red")
        axes[1, number].set(title=f"{spoken(found_ms)}, confidence {profile.confidence:.2f}",
                            xlabel="lag, frames", ylabel="distance")
        axes[1, number].title.set_fontsize(9)
        axes[1, number].set_xticks(np.linspace(lags[0], lags[-1], 5).round().astype(int))
    figure.suptitle(title)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=90)
    write_whole(path, drawn.getvalue())
