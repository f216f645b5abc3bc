"""The shipped photo moved in the same ways by several renderers, as one picture: to look at an ablation.

    .venv/bin/python benchmarks/ablation_sheet.py --model full=RUNS/full/renderer.safetensors ... --out docs/ablations.jpg

Rows: renderers, in the order given. Columns: the photo's own landmarks; shifted; turned to both sides; the mouth open. Only
shipped pictures are used, so that the result may be published; `render_figures.py --sheets` shows people of a corpus.
"""

import argparse
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from headsync.landmarks import rotation_matrix
from render_stage import Drive, load_renderer, read_references

PORTRAIT = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
PIXELS = 128                    # of a face in the picture
SHIFT_PX, TURN_DEGREES, OPENING_PX = (26.0, -9.0, 0.0), 20.0, 12.0


def moves(face: np.ndarray) -> dict[str, np.ndarray]:
    """Landmarks (68, 3) of each column."""
    middle = face.mean(0)
    turned = [(face - middle) @ rotation_matrix(np.radians([0.0, degrees, 0.0])).T + middle
              for degrees in (TURN_DEGREES, -TURN_DEGREES)]
    opened = face.copy()
    opened[[*range(55, 60), *range(65, 68), *range(6, 11)], 1] += OPENING_PX
    return {"as it is": face, "shifted": face + SHIFT_PX, "turned": turned[0], "turned back": turned[1], "mouth open": opened}


def main() -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", nargs="+", default=["small=small"], metavar="NAME=FILE")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    matplotlib.use("Agg")
    references = read_references(PORTRAIT).on_canvas()
    shown = moves(references[0].points.astype(np.float64))
    named = [one.split("=", 1) for one in options.model]
    size = len(shown) * PIXELS / 100 + 0.25, len(named) * PIXELS / 100 + 0.2
    figure, axes = plt.subplots(len(named), 1, figsize=size, dpi=100, squeeze=False)
    for axis, (name, source) in zip(axes[:, 0], named):
        renderer = load_renderer(source)
        frames = renderer.frames(renderer.prepare(references), Drive(np.stack([*shown.values()])))
        axis.imshow(np.concatenate(list(frames), axis=1))
        axis.set(xticks=[], yticks=[])
        axis.set_frame_on(False)
        axis.set_ylabel(name.replace("_", " "), fontsize=7)
    axes[-1, 0].set(xticks=256 * np.arange(len(shown)) + 128, xticklabels=list(shown))
    axes[-1, 0].tick_params(length=0, labelsize=7)
    figure.subplots_adjust(0.035, 0.2 / size[1], 1, 1, hspace=0.02)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out, pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main()
