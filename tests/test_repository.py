"""What the repository may hold: short files and functions, no place of one machine, no registry, no pickle."""

import ast
import json
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {path.parent.name for path in ROOT.glob("*/*.py")} - {"tests", "benchmarks", "notebooks"}
TEXT = {".py", ".md", ".cfg", ".toml", ".yaml", ".yml", ".txt", ".sh", ".ipynb", ".csv", ".json", ""}
FILE_LINES, SCRIPT_LINES, FUNCTION_LINES, ORCHESTRATION_LINES = 250, 60, 40, 120

MACHINE_PATH = re.compile(
    r"(?<![\w.~$})*/-])(?:/(?:work|root|home|Users|mnt|opt|tmp|scratch|workspace)/|[A-Z]:\\{1,2}\w)[^\s'\"`)]*"
)
REGISTRY = re.compile(
    r"pypi\.org|pythonhosted\.org|download\.pytorch\.org|npmjs\.(?:org|com)|anaconda\.(?:org|com)|conda-forge\.org"
    r"|(?:deb|snapshot|security|ftp)\.debian\.org|(?:archive|ports)\.ubuntu\.com|pkg\.dev\b|crates\.io|proxy\.golang\.org"
)
UNSAFE_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
SAFE_KEYWORD = {"np": ("allow_pickle", False), "numpy": ("allow_pickle", False), "torch": ("weights_only", True)}


def repository_files() -> list[Path]:
    """Files that are or may become part of the repository: all but what .gitignore names, and git's own."""
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()] + [".git"]
    files, folders = [], [ROOT]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if not any(fnmatch(path.name, pattern) for pattern in ignored):
                (folders if path.is_dir() else files).append(path)
    return files


def texts(*patterns: str) -> dict[str, str]:
    """Content by relative path of the text files that match any of the patterns."""
    names = {path.relative_to(ROOT).as_posix(): path for path in repository_files() if path.suffix in TEXT}
    chosen = {name: path for name, path in names.items() if any(fnmatch(name, pattern) for pattern in patterns)}
    return {name: path.read_text(encoding="utf-8") for name, path in chosen.items()}


def long_functions(name: str, source: str) -> list[str]:
    """Functions over their limit. train.py and render.py may hold one that tells a whole job."""
    lengths = {
        f"{name}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    over = sorted((label for label in lengths if lengths[label] > FUNCTION_LINES), key=lengths.get)
    if over and Path(name).name in ("train.py", "video.py") and lengths[over[-1]] <= ORCHESTRATION_LINES:
        over.pop()
    return [f"{label} has {lengths[label]} lines" for label in over]


def unsafe_loads(source: str) -> list[str]:
    """Calls that may unpickle: pickle and its kin, NumPy and torch loading without their safe keyword."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    renamed = [
        f"line {node.lineno}: import {alias.name} by its own module's name"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in UNSAFE_MODULES | {"numpy", "torch"}
        for alias in node.names
        if alias.name in ("load", "loads", "Unpickler")
    ]
    return renamed + [f"line {node.lineno}: {ast.unparse(node)}" for node in calls if is_unsafe(node)]


def is_unsafe(call: ast.Call) -> bool:
    module, _, function = ast.unparse(call.func).rpartition(".")
    if function == "read_array" or (module in SAFE_KEYWORD and function == "load"):
        keyword, safe = SAFE_KEYWORD.get(module, SAFE_KEYWORD["numpy"])
        given = [item.value for item in call.keywords if item.arg == keyword]
        return not (given and isinstance(given[0], ast.Constant) and given[0].value is safe)
    return function in ("read_pickle", "Unpickler") or (
        module in UNSAFE_MODULES and function in ("load", "loads", "open")
    ) or (module == "yaml" and "load" in function and not function.startswith("safe_")) or (
        module in ("torch.hub", "torch.jit", "torch.package") and function == "load"
    )


def runs_text(source: str) -> list[str]:
    """Calls that run a text as a program: of Python, or of a shell."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in calls
        if ast.unparse(node.func) in ("eval", "exec", "os.system", "os.popen", "subprocess.getoutput")
        or any(item.arg == "shell" and not (isinstance(item.value, ast.Constant) and item.value.value is False)
               for item in node.keywords)
    ]


def found(pattern: re.Pattern, files: dict[str, str]) -> list[str]:
    return [
        f"{name}:{number} {match}"
        for name, text in files.items()
        for number, line in enumerate(text.splitlines(), 1)
        for match in pattern.findall(line)
    ]


def package_sources() -> dict[str, str]:
    return texts(*(f"{package}/*.py" for package in PACKAGES))


def script_sources() -> dict[str, str]:
    return {name: text for name, text in texts("*.py").items() if "/" not in name}


def test_the_checks_see_the_repository():
    names = set(texts("*"))
    assert {"setup.cfg", "Makefile", ".ci/run", "tests/test_repository.py"} <= names
    assert not any(name.startswith((".git/", ".venv/")) for name in names)


def test_files_are_short():
    limits = dict.fromkeys(package_sources(), FILE_LINES) | dict.fromkeys(script_sources(), SCRIPT_LINES)
    lengths = {name: len(text.splitlines()) for name, text in (package_sources() | script_sources()).items()}
    wrong = [f"{name} has {lengths[name]} lines of {limit}" for name, limit in limits.items() if lengths[name] > limit]
    assert not wrong, "\n".join(wrong)


def test_functions_are_short():
    sources = package_sources() | script_sources()
    wrong = [line for name, source in sources.items() for line in long_functions(name, source)]
    assert not wrong, "\n".join(wrong)


def test_every_file_says_what_it_is_for():
    sources = package_sources() | script_sources()
    wrong = [name for name, source in sources.items() if source.strip() and not ast.get_docstring(ast.parse(source))]
    assert not wrong, "\n".join(wrong)


def test_no_file_is_a_drawer():
    drawers = {"utils.py", "util.py", "helpers.py", "misc.py", "base.py", "common.py"}
    assert not [name for name in package_sources() if Path(name).name in drawers]


def test_no_benchmark_hides_a_package():
    """A script's own folder comes first on its path: benchmarks/media.py would be imported instead of media."""
    ours = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {path.stem for path in ROOT.glob("*.py")}
    assert len(ours) == 8 and not ours & {path.stem for path in (ROOT / "benchmarks").glob("*.py")}


def test_no_file_names_a_place_of_one_machine():
    wrong = found(MACHINE_PATH, texts("*"))
    assert not wrong, "\n".join(wrong)


def test_no_file_names_a_package_registry():
    wrong = found(REGISTRY, texts("*"))
    assert not wrong, "\n".join(wrong)


def notebook_sources() -> dict[str, str]:
    """The code of each notebook."""
    cells = {name: json.loads(text)["cells"] for name, text in texts("*.ipynb").items()}
    return {name: "\n".join("".join(cell["source"]) for cell in found if cell["cell_type"] == "code")
            for name, found in cells.items()}


def test_nothing_is_unpickled():
    sources = texts("*.py") | notebook_sources()
    assert len(notebook_sources()) >= 3
    wrong = [f"{name} {line}" for name, source in sources.items() for line in unsafe_loads(source)]
    assert not wrong, "\n".join(wrong)


def test_no_text_is_run():
    sources = package_sources() | script_sources()
    wrong = [f"{name} {line}" for name, source in sources.items() for line in runs_text(source)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("planted", ["eval(text)", "exec(text)", "os.system(text)", "subprocess.run(text, shell=True)"])
def test_a_planted_text_that_is_run_is_found(planted):
    assert len(runs_text(f"def read(text):\n    {planted}")) == 1
    assert not runs_text("model.eval()\nsubprocess.run([text], shell=False)\nast.literal_eval(text)")


def function_of(lines: int, name: str = "job") -> str:
    return "\n".join([f"def {name}():", *["    pass"] * (lines - 1)]) + "\n"


@pytest.mark.parametrize(("name", "lines", "wrong"), [
    ("headsync/media/audio.py", 40, 0), ("headsync/media/audio.py", 41, 1), ("syncers/train.py", 120, 0),
    ("syncers/train.py", 121, 1),
])
def test_a_planted_long_function_is_found(name, lines, wrong):
    assert len(long_functions(name, function_of(lines))) == wrong
    assert len(long_functions(name, f"class Holder:\n{re.sub('^', '    ', function_of(lines), flags=re.M)}")) == wrong


def test_only_one_function_may_tell_the_whole_job():
    assert len(long_functions("syncers/train.py", function_of(97, "one") + function_of(101, "two"))) == 1


@pytest.mark.parametrize("parts", [("", "home", "me", "x"), ("", "tmp", "x"), ("", "Users", "me", "x"), ("C:", "data")])
def test_a_planted_path_is_found(parts):
    path = ("\\" if parts[0] else "/").join(parts)
    assert found(MACHINE_PATH, {"a.py": f"ROOT = '{path}'"}) == [f"a.py:1 {path}"]
    assert found(MACHINE_PATH, {"a.md": f"first\nput it into {path} now"}) == [f"a.md:2 {path}"]


@pytest.mark.parametrize("text", ["#!/usr/bin/env bash", "runs/tmp/x", "https://a.b/home/x", "$x/root/x", "../work/x"])
def test_other_paths_pass(text):
    assert not found(MACHINE_PATH, {"a.md": text})


@pytest.mark.parametrize("parts", [("pypi", "org"), ("download", "pytorch", "org"), ("deb", "debian", "org")])
def test_a_planted_registry_is_found(parts):
    assert len(found(REGISTRY, {"a.md": f"pip install -i https://{'.'.join(parts)}/simple headsync"})) == 1


@pytest.mark.parametrize("planted", [
    "np.load(path)", "np.load(path, allow_pickle=True)", "numpy.load(path, mmap_mode='r')", "np.load(path, **options)",
    "torch.load(path)", "torch.load(path, weights_only=False)", "torch.load(path, weights_only=safe)",
    "pickle.load(file)", "pickle.loads(data)", "pickle.Unpickler(file)", "joblib.load(path)", "pd.read_pickle(path)",
    "shelve.open(path)", "from pickle import loads", "from torch import load as read",
    "yaml.load(file)", "yaml.load(file, Loader=yaml.SafeLoader)", "yaml.unsafe_load(file)", "yaml.full_load_all(file)",
    "torch.hub.load(path)", "torch.jit.load(path)", "np.lib.format.read_array(file)",
])
def test_a_planted_pickle_is_found(planted):
    assert len(unsafe_loads(f"def read(path, file, data, safe, options):\n    {planted}")) == 1


@pytest.mark.parametrize("source", [
    "np.load(path, allow_pickle=False)", "torch.load(path, map_location='cpu', weights_only=True)", "json.load(file)",
    "LandmarkSequence.load(path)", "pickle.dumps(value)", "from safetensors.torch import load",
    "yaml.safe_load(file)", "yaml.parse(text, Loader=yaml.SafeLoader)", "np.lib.format.read_array(file, allow_pickle=False)",
])
def test_safe_reading_passes(source):
    assert not unsafe_loads(source)
