"""One face under four heads, as one picture: what README shows of `--head-motion`.

    .venv/bin/python benchmarks/heads_picture.py --out docs/heads.png

The example's sentence, said by the canonical face; rows: the generator's own head, a learned one, one copied from another
motion (the generator's with another seed), a still one. Columns are 0.4 seconds apart. Only shipped files are used.
"""

import argparse
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from landmark_stage import MotionControl, generate_landmarks, load_generator, start_face, stream_heads
from landmarks import CONTOURS, anchored, compose_motion, head_track, looped, still_head

SPEECH = Path(__file__).parents[1] / "examples" / "speech.flac"
STEP, COLUMNS = 10, 12
BOX = ((36, 220), (238, 54))        # of the canvas that is shown


def main() -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    matplotlib.use("Agg")
    start, generator = start_face(), load_generator("long")
    spoken = generate_landmarks(SPEECH, start, generator=generator).points
    other = generate_landmarks(SPEECH, start, generator=generator, control=MotionControl(seed=5)).points
    heads = {"landmarks": None, "learned": stream_heads(SPEECH, start.points[0], seed=1),
             "VIDEO_OR_NPZ": looped(anchored(head_track(other, taps=5))), "still": still_head(start.points[0])}
    figure, axes = plt.subplots(len(heads), COLUMNS, figsize=(COLUMNS * 0.85, len(heads) * 0.95), dpi=110)
    for row, (name, head) in enumerate(heads.items()):
        made = np.concatenate(list(compose_motion([spoken], spoken[0], head=head, frames=len(spoken))))
        for column, axis in enumerate(axes[row]):
            face = made[min(STEP * column, len(made) - 1)]
            for indices, closed in CONTOURS:
                line = face[[*indices, indices[0]] if closed else list(indices)]
                axis.plot(line[:, 0], line[:, 1], color=f"C{row}", linewidth=0.9)
            axis.set(xlim=BOX[0], ylim=BOX[1], aspect="equal", xticks=[], yticks=[])
            axis.set_frame_on(False)
        axes[row, 0].set_ylabel(name, fontsize=8)
    figure.tight_layout(pad=0.3)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out)


if __name__ == "__main__":
    main()
