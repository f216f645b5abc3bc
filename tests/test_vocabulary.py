"""The field's words: private ones that the tree once had do not come back, in code, presets, documents and notebooks."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
READ = (".py", ".yaml", ".md", ".ipynb", ".html", ".cfg", ".toml", "Makefile")
# A private word, and the field's word to write in its place. Identifiers count, too: words end at _ and at a capital letter.
WORDS = {
    r"judg": "discriminator, validation metric, evaluate",
    r"foreign[ _]?(sound|audio|speech|voice)s?": "mismatched audio",
    r"sway(s|ed|ing)?": "noise-driven head motion, head noise",
    r"trembl": "landmark jitter, flicker",
    r"calm(s|ed|er|ing)?": "shrinkage of the mean prediction, smaller motion",
    r"mean[ _]paths?": "mean prediction",
    r"lazy (lip|mouth|face|head)s?|(lip|mouth|face|head)s? (is|are|was|were) lazy": "under-articulated",
    r"hears?|heard": "takes as input, audio features",
    r"deaf": "without audio",
    r"as talk|named ?talk|talk offsets|read talks": "sync sample",
    r"by heart": "overfitted",
    r"lets? go of": "releases",
    r"(tells?|told) (\w+ )?apart": "distinguishes",
    r"learnt": "learned",
    r"liveliness": "gain",
    r"(is|are) worth": "figures, ablation, validation metric",
}
# Files in which an old word has to stand
ALLOWED = {
    "CHANGELOG.md": "tables of old names",
    "headsync/experiment/renamed.py": "old keys, each with its new one",
    "tests/test_config.py": "old keys that are refused",
    "tests/test_vocabulary.py": "this list",
}
PATTERNS = {word: re.compile(rf"(?<![a-z])({word})", re.IGNORECASE) if word in ("judg", "trembl")
            else re.compile(rf"(?<![a-z])({word})(?![a-z])", re.IGNORECASE) for word in WORDS}


def words_of(text: str) -> str:
    """Text with identifiers taken apart: `as_talk` and `NamedTalk` become words with blanks between."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).replace("_", " ")


def private_words(text: str) -> list[str]:
    """Lines with a private word, and what to write."""
    return [f"line {number}: {found[0]!r}; write {WORDS[word]}" for number, line in enumerate(text.splitlines(), 1)
            for word, pattern in PATTERNS.items() if (found := pattern.search(words_of(line)))]


def readable(path: Path) -> str:
    """A file's text; of a notebook its sources and its outputs without pictures."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    parts = []
    for cell in json.loads(text)["cells"]:
        parts.append("".join(cell["source"]))
        parts += ["".join(one.get("text", one.get("data", {}).get("text/plain", ""))) for one in cell.get("outputs", ())]
    return "\n".join(parts)


def files() -> list[Path]:
    """The repository's own texts."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0")
            if name.endswith(READ) and name not in ALLOWED and (ROOT / name).is_file()]


def test_private_words_stay_out():
    texts = files()
    assert len(texts) > 300
    found = {str(path.relative_to(ROOT)): lines for path in texts if (lines := private_words(readable(path)))}
    assert not found, "\n".join(f"{name}: {line}" for name, lines in found.items() for line in lines)


def test_names_of_files_are_the_fields_too():
    found = {str(path.relative_to(ROOT)): lines for path in files() if (lines := private_words(path.stem))}
    assert not found, found


def test_what_is_allowed_is_still_needed():
    for name in set(ALLOWED) - {"tests/test_vocabulary.py"}:
        assert private_words((ROOT / name).read_text(encoding="utf-8")), f"{name} needs no exception any more"


@pytest.mark.parametrize("planted", [
    "class Judge:", "def test_it_is_judged():", "judge_hidden: 3", "# beside foreign sound", "FOREIGN_SOUND = 3",
    "generator.sway: 0.6", "state.swayed", "the detector's tremble", "TREMBLE_TAPS = 3", "calmed heads", "def calm(model):",
    "the mean path of a seed", "mean_path", "lips were lazy", "what the network hears", "heard = rows", "deaf_reference: 0.3",
    "as_talk(a, b)", "NamedTalk(x)", "learns people by heart", "the lock lets go of it", "it tells people apart",
    "people are told apart", "a learnt temperature", "LIVELINESS = 1.3", "what a part is worth"])
def test_planted_words_are_found(planted):
    assert len(private_words(f"fine = 1\n{planted}\n")) == 1


@pytest.mark.parametrize("plain", [
    "headsync talk --audio a.wav", "always", "the headsync.talk verb", "a foreign file", "lazily", "shear", "clear",
    "adjudicate", "worth a look", "sample", "a path", "heart rate"])
def test_plain_words_are_not(plain):
    assert private_words(plain) == []
