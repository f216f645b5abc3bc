"""What README.md and docs/ tell people to type exists: commands and their options, presets, settings, files, public names."""

import argparse
import ast
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

import render_stage.registry
from headsync.commands.program import program
from headsync.commands.train import KINDS
from headsync.media import read_frames, write_flac
from landmark_stage import start_face
from render_stage import read_references, render_video
from tests.test_layering import TOP
from tests.test_notebooks import private_names
from tests.test_program import leaves

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EACH = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
MOST_BYTES = 2_000_000
MOST_LINES = 250


def blocks(text: str, language: str) -> list[str]:
    return [content for found, content in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S) if found == language]


def commands(text: str) -> list[list[str]]:
    """The words of every line of a shell block that starts one of our commands; lines with [OPTIONAL] parts are forms."""
    lines = [line.split("# ")[0].strip() for block in blocks(text, "") for line in block.replace("\\\n", " ").splitlines()]
    lines = [line.removeprefix(".venv/bin/") for line in lines]
    return [shlex.split(line)[1:] for line in lines if line.startswith("headsync ") and not re.search(r"[\[|]|\.\.\.", line)]


def understood(command: str, arguments: list[str]) -> argparse.Namespace:
    """What `headsync` makes of its arguments; an assertion that names them when it makes nothing of them."""
    try:
        return program().understood([command, *arguments])[1]
    except SystemExit:
        pass
    raise AssertionError(f"headsync does not understand {command} {arguments}")


def wrong_settings(options: argparse.Namespace) -> list[str]:
    """Presets and key=value settings of a training that its configuration does not have."""
    if not hasattr(options, "kind"):
        return []
    folder = ROOT / "configs" / KINDS[options.kind].stage
    base = OmegaConf.load(folder / "base.yaml")
    wrong = [one for one in options.overrides if OmegaConf.select(base, one.split("=")[0], throw_on_missing=False) is None]
    return wrong + [options.config] * (not (folder / f"{options.config}.yaml").exists())


@EACH
def test_commands_are_understood(page):
    for command, *arguments in commands(page.read_text(encoding="utf-8")):
        assert not wrong_settings(understood(command, arguments)), (command, arguments)


def test_every_command_is_in_the_readme():
    told = (ROOT / "README.md").read_text(encoding="utf-8") + (ROOT / "docs/motion.md").read_text(encoding="utf-8")
    assert len(commands(told)) > 15
    assert not [name for name in leaves() if name not in told]


@EACH
def test_python_uses_public_names(page):
    for block in blocks(page.read_text(encoding="utf-8"), "python"):
        assert not private_names(block), block
        taken = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom)]
        assert all(node.module.split(".")[0] in TOP for node in taken)


def test_the_renderer_of_ones_own_renders(tmp_path):
    [block] = [one for one in blocks((ROOT / "README.md").read_text(encoding="utf-8"), "python") if "class MyRenderer" in one]
    names = {}
    exec(block, names)
    report = render_video(start_face().slice(0, 1), ROOT / "examples/astronaut.jpg", tmp_path / "a.mp4",
                          renderer=names["MyRenderer"](), progress=False)
    assert report.frames == 1 and (tmp_path / "a.mp4").stat().st_size > 1000


def test_the_renderer_in_the_docs_renders(tmp_path, monkeypatch):
    page = (ROOT / "docs/renderer.md").read_text(encoding="utf-8")
    [block] = [one for one in blocks(page, "python") if "class Sticker" in one]
    names = {}
    monkeypatch.setattr(render_stage.registry, "RENDERERS", {**render_stage.RENDERERS})     # what the block adds is taken back
    monkeypatch.setattr(render_stage, "RENDERERS", render_stage.registry.RENDERERS)
    exec(block, names)
    body = block[block.index("class Sticker") : block.index("RENDERERS[")]
    assert len([line for line in body.splitlines() if line.strip()]) <= 20
    tone = np.where(np.arange(9 * 640) < 3 * 640, 0, np.sin(np.arange(9 * 640) / 3)).astype(np.float32)
    write_flac(tmp_path / "a.flac", tone)
    start = read_references(ROOT / "examples/astronaut.jpg", progress=False)
    motion = start.start()
    motion = motion.replace(points=motion.points.repeat(9, 0), visible=np.ones(9, bool))
    report = render_video(motion, start, tmp_path / "a.mp4", renderer=names["renderer"], audio=tmp_path / "a.flac",
                          progress=False)
    light = np.array([frame.mean() for frame in read_frames(tmp_path / "a.mp4")])
    assert report.frames == 9 and light[0] + 5 < light[6] and (np.diff(light[:5]) > -0.5).all()


@EACH
def test_links_and_files_are_there(page):
    text = page.read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    named = [name for name in re.findall(r"`((?:docs|tests|benchmarks|notebooks|configs|examples)/[\w./-]*)`", text)]
    missing = [link for link in links if link and not (page.parent / link).exists()]
    missing += [name for name in named if not (ROOT / name).exists()]
    assert not missing


@EACH
def test_pages_are_short_enough_to_read(page):
    assert len(page.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_every_page_of_results_and_every_note_is_in_its_list():
    for index, folder in ((ROOT / "docs/results.md", "results/"), (ROOT / "docs/lab/README.md", "")):
        linked = {link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", index.read_text(encoding="utf-8"))}
        pages = {f"{folder}{page.name}" for page in (index.parent / folder).glob("*.md")} - {"README.md"}
        assert pages and pages <= linked


@EACH
def test_no_section_and_no_table_is_there_twice(page):
    """A page put together by hand: what stands there twice is soon true in one place only."""
    sections, tables = (re.findall(pattern, page.read_text(), re.MULTILINE) for pattern in (r"^## .*$", r"(?:^\|.*\n){3,}"))
    assert [*sections, *tables] == [*dict.fromkeys([*sections, *tables])]


def test_make_targets_exist_and_pictures_are_small():
    text, rules = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "Makefile"))
    targets = set(re.findall(r"^([a-z-]+):", rules, re.M))
    assert set(re.findall(r"\bmake ([a-z-]+)\b(?= |`|$)", text, re.M)) & {"setup", "demo", "test", "lint", "clean"} <= targets
    pictures = [ROOT / one for one in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)]
    assert pictures and sum(one.stat().st_size for one in pictures) < MOST_BYTES


@pytest.mark.parametrize("line", [
    "headsync talk --audio a.wav --refs b.jpg --out c.mp4 --no-such-option", "headsync sing --audio a.wav",
    "headsync render --landmarks a.npz --out c.mp4", "headsync train --data a --out b",
])
def test_a_planted_mistake_is_found(line):
    [(command, *arguments)] = commands(f"```\n{line}   # says so\n```\n")
    with pytest.raises(AssertionError, match=r"does not understand"):
        understood(command, arguments)


def test_a_planted_setting_is_found():
    line = "headsync train renderer --data a --out b --config smal no_such=1 run.steps=3"
    [(command, *arguments)] = commands(f"```\n{line}\n```\n")
    assert wrong_settings(understood(command, arguments)) == ["no_such=1", "smal"]
