"""One photo under four heads, as one picture: what README shows of `--head-motion`.

    .venv/bin/python benchmarks/heads_picture.py --out docs/heads.jpg

The example's photo says the example's sentence; rows: the generator's own head, a learned one, one copied from another motion
(the generator's with another seed, in a mirror), a still one. Columns are 0.6 seconds apart. Only shipped files are used.
"""

import argparse
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from headsync.landmarks import flip
from headsync.landmarks.motion import anchored, compose_motion, head_track, looped, still_head
from headsync.media import FPS
from landmark_stage import MotionControl, generate_landmarks, load_generator, stream_heads
from render_stage import Drive, load_renderer, read_references

EXAMPLES = Path(__file__).parents[1] / "examples"
STEP, COLUMNS = 15, 9
PIXELS = 96                     # of a face in the picture


def main() -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    matplotlib.use("Agg")
    references, renderer, generator = read_references(EXAMPLES / "astronaut.jpg"), load_renderer(), load_generator("long")
    start = references.start()
    identity = renderer.prepare(references.on_canvas(start.crop))
    spoken = generate_landmarks(EXAMPLES / "speech.flac", start, generator=generator, control=MotionControl(seed=4)).points
    other = generate_landmarks(EXAMPLES / "speech.flac", start, generator=generator, control=MotionControl(seed=5)).points
    other = 256 * flip(other / 256)
    heads = {"landmarks": None, "learned": stream_heads(EXAMPLES / "speech.flac", start.points[0], seed=1),
             "VIDEO_OR_NPZ": looped(anchored(head_track(other, taps=3))), "still": still_head(start.points[0])}
    moments = np.minimum(STEP * np.arange(COLUMNS), len(spoken) - 1)
    size = COLUMNS * PIXELS / 100 + 0.25, len(heads) * PIXELS / 100 + 0.2
    figure, axes = plt.subplots(len(heads), 1, figsize=size, dpi=100)
    for axis, (name, head) in zip(axes, heads.items()):
        made = np.concatenate(list(compose_motion([spoken], spoken[0], head=head, frames=len(spoken))))
        axis.imshow(np.concatenate(list(renderer.frames(identity, Drive(made[moments]))), axis=1))
        axis.set(xticks=[], yticks=[])
        axis.set_frame_on(False)
        axis.set_ylabel(name, fontsize=8)
    axes[-1].set(xticks=256 * np.arange(COLUMNS) + 128, xticklabels=[f"{moment / FPS:.1f} s" for moment in moments])
    axes[-1].tick_params(length=0, labelsize=7)
    figure.subplots_adjust(0.025, 0.045, 1, 1, hspace=0.02)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out, pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
