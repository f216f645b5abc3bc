"""Data flows one way: which package may import which, as the design's second section sets it."""

import ast
import configparser
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOP = ("headsync", "landmark_stage", "render_stage", "syncers")
ROOMS = {                                   # each may import itself and these, and whatever they hold
    "headsync.configs": (),
    "headsync.media": (),
    "headsync.experiment": ("headsync.media", "headsync.configs"),
    "headsync.landmarks": ("headsync.media",),
    "headsync.corpus": ("headsync.media", "headsync.landmarks"),
    "headsync.metrics": ("headsync.media", "headsync.landmarks"),
    "syncers": ("headsync.media", "headsync.experiment", "headsync.landmarks", "headsync.corpus", "headsync.metrics"),
    "landmark_stage": ("headsync.media", "headsync.experiment", "headsync.landmarks", "headsync.corpus", "headsync.metrics",
                       "syncers"),
    "render_stage": ("headsync.media", "headsync.experiment", "headsync.landmarks", "headsync.corpus", "headsync.metrics"),
    "headsync.evaluation": ("headsync.media", "headsync.experiment", "headsync.landmarks", "headsync.corpus",
                            "headsync.metrics", "syncers"),
    "headsync.live": ("headsync.media", "headsync.experiment", "headsync.landmarks", "headsync.corpus", "headsync.metrics",
                      "syncers", "landmark_stage", "render_stage"),
    "headsync.commands": ("headsync", "syncers", "landmark_stage", "render_stage"),
    "headsync": ("headsync", "syncers", "landmark_stage", "render_stage"),  # the public verbs, loaded lazily
}
DIR = "def __dir__() -> list[str]:\n    return __all__"  # dir() of a stage shows what is public, no modules of its own
STUBS = {path.stem for path in ROOT.glob("*.py")}
NOT_INSTALLED = {*STUBS, "tests", "benchmarks", "notebooks"}


def packages() -> list[str]:
    """Every package of the tree by its dotted name; configs/ is installed as headsync.configs."""
    files = [path for name in (*TOP, "configs") for path in (ROOT / name).rglob("__init__.py")]
    found = [".".join(path.parent.relative_to(ROOT).parts) for path in files]
    return sorted(name.replace("configs", "headsync.configs") for name in found)


def room_of(name: str) -> str | None:
    """The room that a dotted name lies in; None for what is not ours."""
    if name.split(".")[0] in NOT_INSTALLED:
        return name.split(".")[0]
    inside = [room for room in ROOMS if name == room or name.startswith(room + ".")]
    return max(inside, key=len) if inside else None


def imported_names(source: str) -> Iterator[str]:
    """Dotted names that the source imports, by statement or by importlib with a literal name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            yield from (str(name.value) for name in node.args[:1] if isinstance(name, ast.Constant))


def wrong_imports(room: str, source: str) -> list[str]:
    """Rooms that a file of this room imports from and may not, sorted."""
    allowed = {room, *ROOMS[room]}
    found = {room_of(name) for name in imported_names(source)} - {None}
    return sorted(one for one in found if not any(one == may or one.startswith(may + ".") for may in allowed))


def module_graph(files: dict[str, str]) -> dict[str, set[str]]:
    """Which modules each module of {dotted name: source} imports, within functions too; a package's list is a module."""
    graph: dict[str, set[str]] = {}
    for module, source in files.items():
        names = [name if name in files else name.rpartition(".")[0] for name in imported_names(source)]
        graph[module] = {name for name in names if name in files} - {module}
    return graph


def foreign_statements(source: str) -> list[str]:
    """Lines of an __init__.py that are neither its docstring, nor an explicit import, nor __all__, nor `DIR`."""
    body = ast.parse(source).body
    body = body[1:] if body and ast.get_docstring(ast.parse(source)) is not None else body
    return [
        f"line {node.lineno}: {ast.unparse(node).splitlines()[0]}"
        for node in body
        if not (isinstance(node, ast.Import | ast.ImportFrom) and all(alias.name != "*" for alias in node.names))
        and not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
        and ast.unparse(node) != DIR
    ]


def setup_list(section: str, option: str) -> set[str]:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    return set(settings[section][option].split())


@pytest.mark.parametrize("package", [name for name in packages()])
def test_imports_follow_the_data(package):
    folder = ROOT / package.replace("headsync.configs", "configs").replace(".", "/")
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted(folder.glob("*.py"))
        for name in wrong_imports(room_of(package), path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_order_has_no_cycle():
    rooms = {room: set(may) - {room} for room, may in ROOMS.items() if room not in ("headsync", "headsync.commands")}
    placed = set()
    while ready := {name for name, allowed in rooms.items() if name not in placed and allowed <= placed}:
        placed |= ready
    assert placed == set(rooms)


def test_no_module_imports_itself_by_way_of_others():
    files = {}
    for path in [path for name in TOP for path in (ROOT / name).rglob("*.py")]:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        files[name] = path.read_text(encoding="utf-8")
    graph = module_graph(files)
    assert len(graph) > 150 and sum(map(len, graph.values())) > 500
    graphlib.TopologicalSorter(graph).prepare()         # CycleError names the circle


def test_a_planted_circle_is_found():
    files = {"a": "import b.c", "b": "", "b.c": "def late():\n    from d import x", "d": "from a import y"}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(module_graph(files)).prepare()
    graphlib.TopologicalSorter(module_graph({**files, "d": "import b"})).prepare()


def test_what_speaks_renders_and_measures_imports_no_training():
    code = ("import sys, landmark_stage, render_stage, syncers, headsync.verbs\n"
            "print([name for name in sys.modules if name.split('.')[0] in ('landmark_stage', 'render_stage', 'syncers') and "
            "name.split('.')[-1] in ('train', 'training', 'task', 'data', 'discriminator', 'objective', 'validate', "
            "'correction')])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_setup_installs_every_package():
    assert setup_list("options", "packages") == set(packages()), "name every package in setup.cfg"
    assert {path.parent.name for path in ROOT.glob("*/*.py")} == {*TOP, *NOT_INSTALLED, "configs"} - STUBS


def test_packages_list_their_public_names_and_nothing_else():
    wrong = [
        f"{path.relative_to(ROOT)} {line}"
        for package in sorted(TOP)
        for path in sorted((ROOT / package).rglob("__init__.py"))
        if path != ROOT / "headsync/__init__.py"        # the lazy list of public verbs: tests/test_front_door.py
        for line in foreign_statements(path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "planted",
    [
        "import syncers",
        "import numpy, syncers.model as model",
        "from syncers.offset import sync_offset",
        "def late():\n    from syncers import sync_offset",
        "import importlib\nimportlib.import_module('syncers.model')",
        "__import__('syncers')",
    ],
)
def test_a_planted_import_is_found(planted):
    assert wrong_imports("headsync.landmarks", planted) == ["syncers"]
    assert wrong_imports("landmark_stage", planted) == []


def test_packages_may_not_import_scripts_or_tests():
    assert wrong_imports("headsync.media", "import render\nfrom tests import conftest") == ["render", "tests"]


def test_own_relative_and_foreign_imports_are_nobodys_business():
    source = "from headsync.media.clock import FPS\nfrom .landmarks import x\nimport numpy as np"
    assert wrong_imports("headsync.media", source) == []


@pytest.mark.parametrize("planted", ["from headsync.media.clock import *", "FPS = 25", "def f():\n    pass", "import a\na.b()"])
def test_code_in_a_package_list_is_found(planted):
    assert len(foreign_statements(f'"""Doc."""\n\n{planted}\n')) == 1


def test_a_package_list_passes():
    assert foreign_statements('"""Doc."""\n\nfrom headsync.media.clock import FPS\n\n__all__ = ["FPS"]\n') == []
    assert foreign_statements("__all__ = []\n\n\ndef __dir__() -> list[str]:\n    return __all__\n") == []
    assert foreign_statements("") == []
