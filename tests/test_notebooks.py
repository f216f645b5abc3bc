"""Notebooks: every cell runs at tiny size without a warning, they call public names only, and their outputs are small.

Cells run in another process and without Jupyter: no kernel, no port, no screen, nothing to install.
"""

import ast
import base64
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_layering import TOP

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
PRECISION = "HEADSYNC_PRECISION"
PICTURE_BYTES, NOTEBOOK_BYTES = 60_000, 600_000


def run(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess:
    """The runner in a folder of its own, where temporary files stay too; the user's data and runs are not seen."""
    kept = {name: value for name, value in os.environ.items() if name == PRECISION or not name.startswith("HEADSYNC_")}
    environment = kept | {"HEADSYNC_TINY": "1", "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-m", "notebooks.run", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def code_cells(path: Path) -> list[dict]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def write_notebook(path: Path, *sources: str) -> Path:
    cells = [{"cell_type": "code", "id": f"cell-{number}", "metadata": {}, "outputs": [], "execution_count": None,
              "source": source.splitlines(keepends=True)} for number, source in enumerate(sources)]
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}), encoding="utf-8")
    return path


def private_names(source: str) -> list[str]:
    """What a cell takes from our packages that their __init__.py does not list."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom | ast.Import)]
    taken = []
    for node in nodes:
        if isinstance(node, ast.Import):
            taken += [alias.name for alias in node.names if "." in alias.name and alias.name.split(".")[0] in TOP]
        elif node.module.split(".")[0] in TOP:
            public = getattr(importlib.import_module(node.module), "__all__", [])
            taken += [f"{node.module}.{alias.name}" for alias in node.names if alias.name not in public]
    return taken


@EACH
def test_every_cell_runs(path, tmp_path):
    before = path.read_bytes()
    done = run(path, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == before


def test_every_cell_of_the_renderers_runs_in_16_bits(tmp_path, monkeypatch):
    """As on processors with units for bf16, of which NumPy knows nothing."""
    monkeypatch.setenv(PRECISION, "bf16")
    path, = (one for one in NOTEBOOKS if one.stem.startswith("03"))
    done = run(path, folder=tmp_path)
    assert done.returncode == 0, done.stderr


@EACH
def test_only_public_names_are_called(path):
    assert not private_names("\n".join("".join(cell["source"]) for cell in code_cells(path)))


@EACH
def test_what_is_stored_is_whole_and_small(path):
    outputs = [output for cell in code_cells(path) for output in cell["outputs"]]
    kinds = {output["output_type"] for output in outputs}
    pictures = [base64.b64decode(output["data"]["image/png"]) for output in outputs if "data" in output]
    assert "display_data" in kinds and "error" not in kinds, f"{path.name} holds no pictures, or an error; store it again"
    assert max(map(len, pictures)) < PICTURE_BYTES and path.stat().st_size < NOTEBOOK_BYTES
    assert all(cell["execution_count"] for cell in code_cells(path))


@pytest.mark.parametrize("planted", ["1 / 0", "import warnings\nwarnings.warn('old', DeprecationWarning)", "not Python"])
def test_a_planted_failure_is_found(planted, tmp_path):
    done = run(write_notebook(tmp_path / "bad.ipynb", "x = 1", planted), folder=tmp_path)
    assert done.returncode != 0 and "bad.ipynb, cell 2" in done.stderr


def test_a_planted_private_name_is_found():
    for planted in ("from syncers.data import read_samples", "from syncers import read_samples", "import syncers.data"):
        assert len(private_names(planted)) == 1
    assert not private_names("import os.path\nimport headsync\nfrom syncers import SyncSample\nfrom tests.talking import x")


def test_outputs_are_stored_where_they_were_made(tmp_path):
    drawing = "import matplotlib.pyplot as plt\nplt.plot([1, 2, x])\nprint('a\\nb')"
    path = write_notebook(tmp_path / "good.ipynb", "x = 7", drawing, "print(len(plt.get_fignums()))")
    done = run("--store", path, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second, third = (cell["outputs"] for cell in code_cells(path))
    assert first == [] and second[0]["text"] == ["a\n", "b\n"] and third[0]["text"] == ["0\n"]
    assert base64.b64decode(second[1]["data"]["image/png"]).startswith(b"\x89PNG")
