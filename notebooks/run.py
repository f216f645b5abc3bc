"""Runs notebooks' code cells without Jupyter; with --store their printed lines and pictures are kept in the files.

python -m notebooks.run [--store] NOTEBOOK...      Cells that print or draw with matplotlib; no magic commands.
"""

import argparse
import base64
import contextlib
import io
import json
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from PIL import Image

from headsync.media import write_whole

COLOURS = 256       # of a stored picture: less than half the bytes, and no difference to be seen


def run_cells(notebook: dict, name: str) -> None:
    """Run the code cells one after another, as one program, and put what they print and draw into their outputs."""
    names = {"__name__": "__main__"}
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] == "code":
            printed = io.StringIO()
            program = compile("".join(cell["source"]), f"{name}, cell {number}", "exec")
            with contextlib.redirect_stdout(printed):
                exec(program, names)
            cell["execution_count"] = number
            cell["outputs"] = [*printed_lines(printed.getvalue()), *pictures()]


def printed_lines(text: str) -> list[dict]:
    """What a cell printed, as an output; none when it printed nothing."""
    return [{"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}] if text else []


def pictures() -> list[dict]:
    """The figures that a cell left open, as outputs; they are closed."""
    outputs = []
    for number in plt.get_fignums():
        drawn, stored = io.BytesIO(), io.BytesIO()
        plt.figure(number).savefig(drawn, format="png")
        Image.open(drawn).convert("RGB").quantize(COLOURS).save(stored, "png", optimize=True)
        outputs.append({"output_type": "display_data", "metadata": {},
                        "data": {"image/png": base64.b64encode(stored.getvalue()).decode(), "text/plain": ["<Figure>"]}})
    plt.close("all")
    return outputs


def main() -> None:
    """Run each notebook; the first cell that fails ends it with its traceback."""
    parser = argparse.ArgumentParser(prog="notebooks.run", description=__doc__)
    parser.add_argument("notebooks", nargs="+", metavar="NOTEBOOK")
    parser.add_argument("--store", action="store_true", help="write the outputs into the notebooks")
    options = parser.parse_args()
    matplotlib.use("Agg")
    for path in map(Path, options.notebooks):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        with plt.rc_context():
            run_cells(notebook, path.name)
        if options.store:
            write_whole(path, (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode())


if __name__ == "__main__":
    main()
