"""Which videos a folder holds, who is in them, and which split each person belongs to."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from headsync.corpus.corpus import SPLITS, split_of

VIDEO_SUFFIXES = frozenset(
    ".mp4 .mov .m4v .mkv .webm .avi .mpg .mpeg .mpv .ts .mts .m2ts .wmv .flv .ogv .3gp .vob .mxf".split())


class Source(NamedTuple):
    """One video to be cut into clips."""

    path: Path
    relative: str           # to the folder it was found in: what the manifest calls it
    stem: str               # the first clip's name; unique in the corpus
    identity: str
    split: str


class Person(NamedTuple):
    """What a given manifest knows of a clip."""

    identity: str
    split: str


def find_sources(folders: Sequence[str | Path], *, manifests: Sequence[str | Path] = ()) -> list[Source]:
    """All videos under the folders, sorted by name, each with a unique clip name, an identity and a split.

    Identity and split come from the manifests' row of the same clip name; else the identity is the video's folder
    (people sorted into folders, as in VoxCeleb) or, for a video in the folder itself, its own name, and the split is
    `split_of(identity)`. ValueError for a folder without videos or a manifest without the columns
    `clip` or `clip_id`, `identity`, `split`.
    """
    people = {}
    for manifest in manifests:
        people.update(_read_people(Path(manifest)))
    sources: dict[str, Source] = {}
    for folder in map(Path, folders):
        paths = videos_in(folder)
        if not paths:
            raise ValueError(f"no video in {folder}; files ending in {' '.join(sorted(VIDEO_SUFFIXES))} are looked for")
        for path in paths:
            source = _source(path, folder, people, taken=sources)
            sources[source.stem] = source
    return [sources[stem] for stem in sorted(sources)]


def videos_in(folder: Path) -> list[Path]:
    """The video files anywhere in a folder, sorted. ValueError, one line, when it is none."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; give one that holds videos")
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file())


def _source(path: Path, folder: Path, people: dict[str, Person], *, taken: dict[str, Source]) -> Source:
    relative = path.relative_to(folder)
    stem = "__".join(relative.with_suffix("").parts)
    if stem in taken:   # a.mp4 beside a.mov, or the same name in two folders
        stem = f"{stem}_{relative.suffix[1:].lower()}"
        number = 2
        while stem in taken:
            stem, number = f"{stem.removesuffix(f'_{number - 1}')}_{number}", number + 1
    if relative.stem in people:
        identity, split = people[relative.stem]
    else:
        identity = relative.parts[0] if len(relative.parts) > 1 else relative.stem
        split = split_of(identity)
    return Source(path, str(relative), stem, identity, split)


def _read_people(path: Path) -> dict[str, Person]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, restval="")
            names = set(reader.fieldnames or ())
            key = "clip_id" if "clip_id" in names else "clip"
            if not {key, "identity", "split"} <= names:
                raise ValueError(f"it has columns {sorted(names)} and needs 'clip' or 'clip_id', 'identity', 'split'")
            people = {row[key]: Person(row["identity"], row["split"]) for row in reader}
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path} is no manifest: {' '.join(str(error).split())[:300]}") from error
    wrong = next((name for name, person in people.items() if person.split not in SPLITS), None)
    if wrong is not None:
        raise ValueError(f"{path} puts clip {wrong!r} into split {people[wrong].split!r}; use {', '.join(SPLITS)}")
    splits: dict[str, str] = {}
    for identity, split in people.values():
        if splits.setdefault(identity, split) != split:
            raise ValueError(f"{path} puts identity {identity!r} into {splits[identity]} and {split}; "
                             "splits must not share people")
    return people
