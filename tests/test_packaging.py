"""What is built is whole: the source distribution makes the wheel, and the wheel works in an empty folder without the tree.

Built and installed without a network, by the setuptools that is here; the whole thing in empty environments, with
everything that headsync needs, is benchmarks/wheel.sh.
"""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from tests.test_layering import TOP
from tests.test_program import leaves
from tests.test_repository import repository_files

ROOT = Path(__file__).parents[1]
DATA = {".yaml", ".safetensors", ".npy", ".npz", ".jpg", ".html", ".task", ".tflite"}
MOST_BYTES = 80e6

BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
TRY = """
import contextlib, io, json, sys
from importlib import metadata
told = {"commands": {}}
[point] = metadata.distribution("headsync").entry_points
for command in sys.argv[1:]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            code = point.load()([*command.split()[1:], "--help"])
        except SystemExit as stop:
            code = stop.code
    told["commands"][command] = [code, out.getvalue()]
from headsync.commands.doctor import parts
told["findings"] = [[one.name, one.state, one.detail] for one in [parts.data(), *parts.weights()]]
told["files"] = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
print(json.dumps(told))
"""


def output(*command: str | Path, folder: Path, **variables: str) -> str:
    """What a program says; its own words when it fails."""
    words = [str(one) for one in command]
    done = subprocess.run(words, cwd=folder, env=os.environ | variables, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """The source distribution of the tree, and the wheel made from nothing but it."""
    folder = tmp_path_factory.mktemp("build")
    tree = folder / "tree"
    for path in repository_files():
        copy = tree / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    sdist = folder / output(sys.executable, "-c", BUILD, "build_sdist", folder, folder=tree).split()[-1]
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    [source] = (folder / "unpacked").iterdir()
    return sdist, folder / output(sys.executable, "-c", BUILD, "build_wheel", folder, folder=source).split()[-1]


def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_every_package_script_and_table_and_nothing_else(built):
    tree = {path.relative_to(ROOT).as_posix() for path in repository_files()}
    packaged = {name for name in tree if PurePosixPath(name).parts[0] in TOP and "/" in name}
    packaged |= {f"headsync/{name}" for name in tree if name.startswith("configs/")}
    wanted = {name for name in packaged
              if PurePosixPath(name).suffix in DATA | {".py", ".typed"} or "/weights/" in name or "/models/" in name}
    assert contents(built[1]) == wanted
    assert {PurePosixPath(name).suffix for name in wanted} == DATA | {".py", ".typed", ".md", ""}
    assert built[1].stat().st_size < MOST_BYTES


def test_the_source_distribution_holds_the_whole_repository(built):
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    missing = {path.relative_to(ROOT).as_posix() for path in repository_files()} - names
    assert not missing, "name them in MANIFEST.in"
    assert not [name for name in names if name.startswith(("runs/", "out/", ".venv/")) or "__pycache__" in name]


def test_every_command_works_away_from_the_tree(built, tmp_path):
    place, empty = tmp_path / "installed", tmp_path / "empty"
    empty.mkdir()
    quiet = ["--quiet", "--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check"]
    output(sys.executable, "-m", "pip", "install", *quiet, "--target", place, built[1], folder=empty)
    told = json.loads(output(sys.executable, "-c", TRY, *leaves(), folder=empty, PYTHONPATH=str(place)))
    assert set(told["commands"]) == set(leaves()) and (place / "bin" / "headsync").exists()
    for name, (code, said) in told["commands"].items():
        assert code == 0 and f"usage: {name} " in said, f"{name}: {code} {said[:200]}"
    assert not [finding for finding in told["findings"] if finding[1] != "ok"]
    ours = {name: file for name, file in told["files"].items() if name.split(".")[0] in TOP and file}
    assert len(ours) > 50 and not [file for file in ours.values() if not file.startswith(str(place))]
    assert not list(empty.iterdir())


def package_name(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement).group().lower().replace("_", "-")


def test_everything_that_is_asked_for_is_pinned():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {package_name(line) for line in lines if line and not line.startswith("#")}
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = [settings["options"]["install_requires"], *settings["options.extras_require"].values()]
    asked = {package_name(line) for one in lines for line in one.strip().splitlines()}
    assert len(asked) > 15 and asked <= pinned, asked - pinned
