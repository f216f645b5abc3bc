"""Mutations of the code, one at a time in a copy of the tree: which tests notice, and which of them none does.

    python benchmarks/mutations.py                      # all that have no result yet, kept in mutations.jsonl
    python benchmarks/mutations.py --only "warm-up"     # those whose name holds this, anew
    python benchmarks/mutations.py --table              # no run: the results as a table

benchmarks/mutations.yaml lists them: a file, the text before and after, which stands there exactly once, and the tests that
should fail. A mutation is killed when one fails, survives when all pass, is invalid when they cannot be collected, and stale
when its text is not found. All tests are run once on the unchanged copy first: they must pass there.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
LIST, RESULTS = ROOT / "benchmarks" / "mutations.yaml", Path("mutations.jsonl")
IMPORTED = ("headsync", "headsync.configs", "syncers", "landmark_stage", "render_stage")
LIMIT_S = 600           # of the tests of one mutation
PYTEST = ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header"]
KILLED, SURVIVED, INVALID, STALE, LATE = "killed", "survived", "invalid", "stale", "no end"
OUTCOMES = {0: SURVIVED, 1: KILLED}     # by pytest's exit code


class Mutation(NamedTuple):
    """A small change that makes the program wrong."""

    name: str           # what it does
    file: str
    before: str         # text that stands in the file exactly once
    after: str
    tests: list[str]    # files, or tests in them, one of which should fail
    equivalent: str = ""    # why no test can notice it, where that is so


class Result(NamedTuple):
    """What came of one."""

    name: str
    file: str
    outcome: str
    seconds: float
    noticed: str        # by which test


def read_mutations(path: Path = LIST) -> list[Mutation]:
    """The mutations of a list."""
    return [Mutation(**one) for one in yaml.safe_load(path.read_text(encoding="utf-8"))]


def mutated(text: str, mutation: Mutation) -> str | None:
    """The file's text with the mutation; None when what it changes does not stand there exactly once."""
    return text.replace(mutation.before, mutation.after) if text.count(mutation.before) == 1 else None


def copy_tree(root: Path, into: Path) -> None:
    """Copy the files that git tracks, as they are in the working tree; presets where an installed headsync has them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (root / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, into / name)
    shutil.copytree(into / "configs", into / "headsync" / "configs")


def environment(tree: Path) -> dict[str, str]:
    """One thread, the tree's own packages before installed ones, no compiled files: they know a change by its second."""
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}


def tested(tree: Path, tests: Sequence[str]) -> tuple[int | None, str]:
    """pytest's exit code in the tree (None: it did not end in time), and the first test that failed."""
    try:
        done = subprocess.run([sys.executable, *PYTEST, *tests], cwd=tree, env=environment(tree), text=True, timeout=LIMIT_S,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except subprocess.TimeoutExpired:
        return None, ""
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    if done.returncode not in OUTCOMES or (done.returncode and not failed):
        print(done.stdout[-3000:], file=sys.stderr)
    return done.returncode, failed[0].split(" ")[1] if failed else ""


def tried(tree: Path, mutation: Mutation) -> Result:
    """The mutation's result; the tree is afterwards as before."""
    path, began = tree / mutation.file, time.monotonic()
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    wrong = mutated(text, mutation)
    if wrong is None:
        return Result(mutation.name, mutation.file, STALE, 0.0, "")
    path.write_text(wrong, encoding="utf-8")
    try:
        code, noticed = tested(tree, mutation.tests)
    finally:
        path.write_text(text, encoding="utf-8")
    outcome = LATE if code is None else OUTCOMES.get(code, INVALID)
    return Result(mutation.name, mutation.file, outcome, round(time.monotonic() - began, 1), noticed)


def check_tree(tree: Path, mutations: Iterable[Mutation]) -> None:
    """ValueError unless the tree's own packages are those that are tested, and all tests pass on them."""
    code = f"import {', '.join(IMPORTED)}; print(*({', '.join(f'{name}.__file__' for name in IMPORTED)},), sep='\\n')"
    found = subprocess.run([sys.executable, "-c", code], cwd=tree, env=environment(tree), text=True, capture_output=True,
                           check=True).stdout.splitlines()
    elsewhere = [place for place in found if not Path(place).resolve().is_relative_to(tree.resolve())]
    if elsewhere:
        raise ValueError(f"the tests would import {elsewhere[0]}, not the copy")
    outcome, failed = tested(tree, list(dict.fromkeys(test for one in mutations for test in one.tests)))
    if outcome != 0:
        raise ValueError(f"without any mutation {failed or 'the tests'} did not pass; mend that first")


def read_results(path: Path) -> dict[str, Result]:
    """Results by name, the last of each."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return {one.name: one for one in (Result(**json.loads(line)) for line in lines)}


def run(mutations: Sequence[Mutation], results: Path, *, root: Path = ROOT, checked: bool = True) -> dict[str, Result]:
    """The results of all mutations, those that have none yet run in a copy of the tree and added to the file."""
    known = read_results(results)
    missing = [one for one in mutations if one.name not in known]
    if missing:
        with TemporaryDirectory(prefix="mutations-") as folder, open(results, "a", encoding="utf-8") as file:
            tree = Path(folder) / "tree"
            copy_tree(root, tree)
            if checked:
                check_tree(tree, missing)
            for number, one in enumerate(missing, 1):
                known[one.name] = tried(tree, one)
                file.write(json.dumps(known[one.name]._asdict(), ensure_ascii=False) + "\n")
                file.flush()
                print(f"{number}/{len(missing)} {known[one.name].outcome}: {one.name} ({known[one.name].seconds:g} s)",
                      flush=True)
    return {one.name: known[one.name] for one in mutations if one.name in known}


def table(mutations: Iterable[Mutation], results: dict[str, Result]) -> str:
    """The results in Markdown."""
    lines = ["| mutation | file | result | noticed by |", "|---|---|---|---|"]
    for one in mutations:
        found = results.get(one.name)
        noticed = found.noticed.removeprefix("tests/").split("[")[0] if found else ""
        outcome = found.outcome if found else "not run"
        outcome = "equivalent" if outcome == SURVIVED and one.equivalent else outcome
        lines.append(f"| {one.name} | `{one.file}` | {outcome} | {f'`{noticed}`' if noticed else one.equivalent} |")
    return "\n".join(lines)


def main() -> int:
    """Run what is asked for; the exit code is 1 when a mutation is stale or invalid."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--only", default="", help="a part of names: these are run anew")
    parser.add_argument("--table", action="store_true", help="run nothing, print the results in Markdown")
    parser.add_argument("--unchecked", action="store_true", help="do not run the tests on the unchanged copy first")
    options = parser.parse_args()
    mutations = [one for one in read_mutations() if options.only in one.name]
    if options.table:
        print(table(mutations, read_results(options.results)))
        return 0
    if options.only:
        names = {one.name for one in mutations}
        kept = [one for name, one in read_results(options.results).items() if name not in names]
        options.results.write_text("".join(json.dumps(one._asdict(), ensure_ascii=False) + "\n" for one in kept),
                                   encoding="utf-8")
    found = run(mutations, options.results, checked=not options.unchecked)
    counts = {outcome: sum(one.outcome == outcome for one in found.values())
              for outcome in (KILLED, SURVIVED, INVALID, STALE, LATE)}
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count))
    return int(bool(counts[STALE] or counts[INVALID]))


if __name__ == "__main__":
    sys.exit(main())
