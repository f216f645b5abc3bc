"""Every citation of the method's pages names a section that exists, and every page is one that can be read."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
METHOD = ROOT / "docs" / "method"
FOLDERS = ("headsync", "syncers", "landmark_stage", "render_stage", "configs", "benchmarks", "docs")
MOST_LINES = 250


def anchors(page: Path) -> set[str]:
    """The sections of a page as GitHub names them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def citations(text: str, own: str = "") -> list[tuple[str, str]]:
    """(page, section) of every citation: method/PAGE.md#SECTION, further sections of it as `, #SECTION` or `and #SECTION`."""
    found = []
    for page, first, more in re.findall(r"method/(\w+)\.md#([\w-]+)((?:(?:,| and)\s+#[\w-]+)*)", text):
        found += [(page, section) for section in (first, *re.findall(r"#([\w-]+)", more))]
    if own:
        found += [(page or own, section) for page, section in re.findall(r"\]\((?:(\w+)\.md)?#([\w-]+)\)", text)]
    return found


def missing(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(page, section) for page, section in found
            if not (METHOD / f"{page}.md").is_file() or section not in anchors(METHOD / f"{page}.md")]


def files() -> list[Path]:
    return [path for name in FOLDERS for path in sorted((ROOT / name).rglob("*")) if path.suffix in (".py", ".md", ".yaml")]


def test_every_citation_names_a_section_that_exists():
    found = {path.relative_to(ROOT): citations(path.read_text(encoding="utf-8")) for path in files()}
    assert sum(map(len, found.values())) > 50 and sum(map(bool, found.values())) > 35
    assert not {path: missing(cited) for path, cited in found.items() if missing(cited)}


def test_nothing_cites_a_sheet_that_is_not_here():
    old = re.compile(r"\bfacts,? (?:\d\.\d|section \d|decisions? \d)|\bdecisions? \d+\b|user-asks")
    assert not {str(path): old.findall(path.read_text(encoding="utf-8")) for path in files()
                if old.search(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("page", [ROOT / "docs" / "method.md", *sorted(METHOD.glob("*.md"))], ids=lambda page: page.stem)
def test_pages_are_short_and_their_links_hold(page):
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES and len(anchors(page)) == len(re.findall(r"^#+ ", text, re.MULTILINE))
    if page.parent == METHOD:
        assert not missing(citations(text, page.stem))
        assert f"method/{page.name}" in (ROOT / "docs" / "method.md").read_text(encoding="utf-8")


def test_a_planted_citation_is_found():
    assert missing(citations("Source: method/ms_sync.md#generator, method/ms_sync.md#no-such")) == [("ms_sync", "no-such")]
    assert missing(citations("method/measures.md#synchrony, #pictures and #nowhere")) == [("measures", "nowhere")]
    assert citations("method/absent.md#a") == [("absent", "a")] == missing(citations("method/absent.md#a"))
