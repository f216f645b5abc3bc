"""Installed beside other people's packages: four names in site-packages, nothing shadowed, editable installs as pip makes them.

The neighbours are stand-ins for Hugging Face's `evaluate` and for the names that headsync 0.1 took.
"""

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from tests.test_packaging import BUILD, output
from tests.test_repository import repository_files

ROOT = Path(__file__).parents[1]
TOP = {"headsync", "landmark_stage", "render_stage", "syncers"}
NEIGHBOURS = ("evaluate", "media", "render", "sync", "configs", "landmarks", "experiment", "talk")
USE = """
import json, site, sys
sys.path.insert(1, sys.argv[1])
site.addsitedir(sys.argv[1])
import headsync, evaluate, media
from headsync import configs
from headsync.media import read_audio
start = headsync.start_face()
settings = headsync.load_settings("syncers", "tiny")
verbs = [name for name in dir(headsync) if getattr(headsync, name) is not None]
neighbours = {name: __import__(name).__file__ for name in sys.argv[2:]}
ours = {name: module.__file__ for name, module in sys.modules.items()
        if name.partition(".")[0] in ("headsync", "landmark_stage", "render_stage", "syncers") and module.__file__}
print(json.dumps([verbs, neighbours, ours, len(start), settings.run.steps, configs.__file__]))
"""

FIND = """
import json, site, sys
from importlib.util import find_spec
sys.path.insert(1, sys.argv[1])
site.addsitedir(sys.argv[1])
names = ["headsync", "headsync.configs", "headsync.media.clock", "landmark_stage", "render_stage", "syncers"]
print(json.dumps({name: find_spec(name).origin for name in names}))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A copy of the repository, weights linked: what is built lies beside it."""
    tree = tmp_path_factory.mktemp("tree") / "headsync"
    for path in repository_files():
        copy = tree / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return tree


def installed(kind: str, tree: Path, folder: Path) -> Path:
    """A folder of packages, as pip fills it, with the neighbours in it."""
    wheel = folder / output(sys.executable, "-c", BUILD, f"build_{kind}", folder, folder=tree).split()[-1]
    place = folder / "site"
    output(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile",
           "--disable-pip-version-check", "--target", place, wheel, folder=folder)
    for name in NEIGHBOURS:
        (place / name).mkdir()
        (place / name / "__init__.py").write_text("")
    return place


def used(place: Path, folder: Path, program: str) -> list | dict:
    """What a program says that lives in a folder with a `media` of its own."""
    caller = folder / "caller"
    (caller / "media").mkdir(parents=True)
    (caller / "media/__init__.py").write_text("OWN = True")
    # without this environment's own site hooks, which may lead to the tree that the tests run in
    libraries = os.pathsep.join(one for one in sys.path if Path(one).name in ("site-packages", "dist-packages"))
    return json.loads(output(sys.executable, "-S", "-c", program, place, *NEIGHBOURS, folder=caller, PYTHONPATH=libraries))


def test_the_wheel_lives_beside_its_neighbours(tree, tmp_path):
    place = installed("wheel", tree, tmp_path)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        [listed] = [name for name in names if name.endswith("top_level.txt")]
        assert set(archive.read(listed).decode().split()) == TOP
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == TOP
    assert {f"{package}/py.typed" for package in TOP} <= set(names)
    verbs, neighbours, ours, frames, steps, configs = used(place, tmp_path, USE)
    assert "talk" in verbs and frames == 1 and steps > 0
    assert neighbours.pop("media") == str(tmp_path / "caller/media/__init__.py")       # the caller's own wins, as always
    assert neighbours == {name: str(place / name / "__init__.py") for name in NEIGHBOURS if name != "media"}
    assert len(ours) > 100 and all(Path(file).is_relative_to(place) for file in ours.values())
    assert Path(configs) == place / "headsync/configs/__init__.py"


def test_an_editable_install_is_the_tree(tree, tmp_path):
    place = installed("editable", tree, tmp_path)
    assert not [one for one in place.iterdir() if one.name in TOP]
    places = used(place, tmp_path, FIND)
    assert places == {"headsync": str(tree / "headsync/__init__.py"), "headsync.configs": str(tree / "configs/__init__.py"),
                      "headsync.media.clock": str(tree / "headsync/media/clock.py"),
                      **{name: str(tree / name / "__init__.py") for name in TOP}}
