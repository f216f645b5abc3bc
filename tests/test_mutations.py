"""The list of mutations keeps step with the code, and the script that tries them tells killed from survived."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import mutations
from benchmarks.mutations import Mutation, Result, mutated, read_mutations, read_results, run, table

ROOT = Path(__file__).parents[1]
LISTED = read_mutations()
PACKAGES = ("headsync/media", "headsync/experiment", "headsync/landmarks", "headsync/corpus", "headsync/metrics",
            "headsync/evaluation", "headsync/commands", "syncers", "landmark_stage", "landmark_stage/ms_sync",
            "landmark_stage/articulation", "landmark_stage/expression", "landmark_stage/head_motion", "render_stage",
            "render_stage/geometry", "render_stage/nn", "render_stage/identity", "render_stage/rhythmic_head")


@pytest.mark.parametrize("one", LISTED, ids=lambda one: one.name)
def test_what_a_mutation_changes_stands_there_once(one):
    wrong = mutated((ROOT / one.file).read_text(encoding="utf-8"), one)
    assert wrong is not None, f"{one.before!r} does not stand exactly once in {one.file}; mend benchmarks/mutations.yaml"
    right = ast.dump(ast.parse((ROOT / one.file).read_text(encoding="utf-8")))
    assert ast.dump(ast.parse(wrong)) != right, "it changes no code"
    for test in one.tests:
        file, _, name = test.partition("::")
        assert (ROOT / file).is_file() and f"def {name}(" in (ROOT / file).read_text(encoding="utf-8") + "def ("


def test_mutations_have_names_of_their_own_and_lie_in_every_package():
    assert len({one.name for one in LISTED}) == len(LISTED) >= 60
    assert {str(Path(one.file).parent.as_posix()) for one in LISTED} >= set(PACKAGES)


@pytest.fixture
def tree(tmp_path):
    """A tree with one function and a test of it."""
    folder = tmp_path / "tree"
    (folder / "tests").mkdir(parents=True)
    (folder / "sums.py").write_text("def total(one, other):\n    return one + other + 0\n")
    test = "from sums import total\n\n\ndef test_total():\n    assert total(2, 3) == 5\n"
    (folder / "tests" / "test_sums.py").write_text(test)
    return folder


def test_killed_survived_invalid_and_stale_are_distinguished_and_kept(tree, tmp_path, monkeypatch):
    tests, results = ["tests/test_sums.py"], tmp_path / "results.jsonl"
    listed = [Mutation("minus", "sums.py", "one + other", "one - other", tests),
              Mutation("nothing", "sums.py", "+ 0", "- 0", tests, "zero has no sign"),
              Mutation("no code", "sums.py", "return", "retürn one", tests),
              Mutation("gone", "sums.py", "one * other", "one / other", tests),
              Mutation("twice", "sums.py", "other", "one", tests), Mutation("no file", "sum.py", "a", "b", tests)]
    monkeypatch.setattr(mutations, "copy_tree", lambda root, into: shutil.copytree(root, into))
    found = run(listed, results, root=tree, checked=False)
    assert [found[one.name].outcome for one in listed] == ["killed", "survived", "invalid", "stale", "stale", "stale"]
    assert found["minus"].noticed == "tests/test_sums.py::test_total" and found["nothing"].noticed == ""
    assert "one + other + 0" in (tree / "sums.py").read_text()
    monkeypatch.setattr(mutations, "tried", None)       # nothing is tried again
    assert run(listed, results, root=tree) == found == read_results(results)
    lines = table([*listed, Mutation("new", "sums.py", "one", "1", tests)], found).splitlines()
    assert lines[2] == "| minus | `sums.py` | killed | `test_sums.py::test_total` |"
    assert lines[3] == "| nothing | `sums.py` | equivalent | zero has no sign |"
    assert lines[-1] == "| new | `sums.py` | not run |  |"


def test_tests_that_fail_without_a_mutation_are_an_error(tree, monkeypatch):
    monkeypatch.setattr(mutations, "IMPORTED", ("sums",))
    mutations.check_tree(tree, [Mutation("minus", "sums.py", "+", "-", ["tests/test_sums.py"])])
    monkeypatch.setattr(mutations, "IMPORTED", ("sums", "json"))
    with pytest.raises(ValueError, match="would import .*json.*, not the copy"):
        mutations.check_tree(tree, [])
    monkeypatch.setattr(mutations, "IMPORTED", ("sums",))
    (tree / "sums.py").write_text("def total(one, other):\n    return 7\n")
    with pytest.raises(ValueError, match=r"without any mutation tests/test_sums.py::test_total did not pass"):
        mutations.check_tree(tree, [Mutation("minus", "sums.py", "+", "-", ["tests/test_sums.py"])])


def test_tests_without_end_are_no_kill(tree, monkeypatch):
    monkeypatch.setattr(mutations, "LIMIT_S", 0.01)
    found = mutations.tried(tree, Mutation("minus", "sums.py", "one +", "one -", ["tests/test_sums.py"]))
    assert found == Result("minus", "sums.py", "no end", found.seconds, "")


def test_the_script_prints_its_table(tmp_path):
    told = subprocess.run([sys.executable, ROOT / "benchmarks" / "mutations.py", "--table", "--results", tmp_path / "none"],
                          capture_output=True, text=True, encoding="utf-8", check=True)
    assert len(told.stdout.splitlines()) == 2 + len(LISTED) and "not run" in told.stdout
