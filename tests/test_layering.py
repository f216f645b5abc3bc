"""Data flows one way: which package may import which, as the design's second section sets it."""

import ast
import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "media": set(),
    "experiment": set(),
    "landmarks": {"media"},
    "syncers": {"media", "landmarks", "experiment"},
    "landmark_stage": {"media", "landmarks", "experiment", "syncers"},
    "render_stage": {"media", "landmarks", "experiment"},
    "evaluation": {"media", "landmarks", "syncers"},
    "installation": {"media", "landmarks", "experiment", "syncers", "landmark_stage", "render_stage", "configs"},
    "configs": set(),
}
SCRIPTS = {path.stem for path in ROOT.glob("*.py")}
OURS = {*MAY_IMPORT, *SCRIPTS, "tests", "benchmarks", "notebooks"}
PACKAGES = {path.parent.name for path in ROOT.glob("*/*.py")} - {"tests", "benchmarks", "notebooks"}


def imported_names(source: str) -> Iterator[str]:
    """Top-level names that the source imports, by statement or by importlib with a literal name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            yield from (str(name.value).split(".")[0] for name in node.args[:1] if isinstance(name, ast.Constant))


def wrong_imports(package: str, source: str) -> list[str]:
    """Names of ours that a file of this package imports and may not, sorted."""
    return sorted((set(imported_names(source)) & OURS) - MAY_IMPORT[package] - {package})


def foreign_statements(source: str) -> list[str]:
    """Lines of an __init__.py that are neither its docstring, nor an explicit import, nor __all__."""
    body = ast.parse(source).body
    body = body[1:] if body and ast.get_docstring(ast.parse(source)) is not None else body
    return [
        f"line {node.lineno}: {ast.unparse(node).splitlines()[0]}"
        for node in body
        if not (isinstance(node, ast.Import | ast.ImportFrom) and all(alias.name != "*" for alias in node.names))
        and not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
    ]


def setup_list(section: str, option: str) -> set[str]:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    return set(settings[section][option].split())


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_imports_follow_the_data(package):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in wrong_imports(package, path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


def test_every_package_has_its_place():
    assert PACKAGES <= set(MAY_IMPORT), f"name {PACKAGES - set(MAY_IMPORT)} in MAY_IMPORT, and in setup.cfg"
    bare = [name for name in MAY_IMPORT if (ROOT / name).is_dir() and not (ROOT / name / "__init__.py").exists()]
    assert not bare, f"{bare} have no __init__.py: setup.cfg would not install them"


def test_the_order_has_no_cycle():
    placed = set()
    while ready := {name for name, allowed in MAY_IMPORT.items() if name not in placed and allowed <= placed}:
        placed |= ready
    assert placed == set(MAY_IMPORT)


def test_setup_installs_every_package_and_script():
    included = setup_list("options.packages.find", "include")
    assert included == {name + end for name in MAY_IMPORT for end in ("", ".*")}
    assert setup_list("options", "py_modules") == SCRIPTS


def test_packages_list_their_public_names_and_nothing_else():
    wrong = [
        f"{path.relative_to(ROOT)} {line}"
        for package in sorted(MAY_IMPORT)
        for path in sorted((ROOT / package).rglob("__init__.py"))
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
    assert wrong_imports("landmarks", planted) == ["syncers"]
    assert wrong_imports("landmark_stage", planted) == []


def test_packages_may_not_import_scripts_or_tests():
    assert wrong_imports("media", "import setup_opencv\nfrom tests import conftest") == ["setup_opencv", "tests"]


def test_own_relative_and_foreign_imports_are_nobodys_business():
    assert wrong_imports("media", "from media.clock import FPS\nfrom .landmarks import x\nimport numpy as np") == []


@pytest.mark.parametrize("planted", ["from media.clock import *", "FPS = 25", "def f():\n    pass", "import a\na.b()"])
def test_code_in_a_package_list_is_found(planted):
    assert len(foreign_statements(f'"""Doc."""\n\n{planted}\n')) == 1


def test_a_package_list_passes():
    assert foreign_statements('"""Doc."""\n\nfrom media.clock import FPS\n\n__all__ = ["FPS"]\n') == []
    assert foreign_statements("") == []
