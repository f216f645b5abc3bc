"""What is to be evaluated: every generated clip with its reference and its sound, found in files, folders, manifests, corpora.

A folder's files belong together by their names without endings: x.mp4, x.npz and x.wav are one clip, `x`.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from headsync.corpus import open_corpus
from headsync.corpus.corpus import MANIFEST, SPLITS, Clip

VIDEOS = {".mp4", ".mkv", ".mov", ".avi", ".webm", ".mpg", ".mpeg", ".m4v", ".ts"}
SOUNDS = {".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aac"}
SEQUENCE = ".npz"
PAIR_COLUMNS = ("generated", "reference")


class Material(NamedTuple):
    """The files of one clip."""

    video: Path | None = None
    sequence: Path | None = None    # landmarks/1
    audio: Path | None = None       # None: the video's own sound, where it has any
    identity: str = ""              # person, where that is known
    late_frames: int = 0            # by which the sound is known to be late
    silent: bool = False            # known to have no sound

    @property
    def shown(self) -> Path:
        """What a message names."""
        return self.video or self.sequence or self.audio


class Item(NamedTuple):
    """One clip of one method."""

    method: str
    clip: str
    generated: Material
    reference: Material

    @property
    def identity(self) -> str:
        """Person, or the clip where that is not known."""
        return self.reference.identity or self.generated.identity or self.clip


class Problem(NamedTuple):
    """Something that could not be evaluated, or not as it should be."""

    method: str
    clip: str
    reason: str


class ItemList(NamedTuple):
    """What there is to evaluate."""

    items: tuple[Item, ...]         # by clip, then by method
    problems: tuple[Problem, ...]   # missing partners
    notes: tuple[str, ...] = ()     # clips left out for a reason that is no fault


def named_methods(pairs: Sequence[str], generated: Path | None = None) -> dict[str, Path]:
    """Methods' places from NAME=PLACE texts, and one called `generated`. ValueError for other texts, and for nothing."""
    parts = [one.partition("=")[::2] for one in pairs]
    if not all(name and place for name, place in parts) or not (parts or generated):
        raise ValueError(f"give --generated G, or --method NAME=G for each method, got {list(pairs)}")
    found = {**({} if generated is None else {"generated": generated}), **{name: Path(place) for name, place in parts}}
    if len(found) < len(parts) + (generated is not None):
        raise ValueError(f"every method needs a name of its own, got {[name for name, _ in parts]}")
    return found


def find_items(methods: Mapping[str, Path], reference: Path | None, *, audio: Path | None = None,
               split: str | None = None) -> ItemList:
    """All clips of all methods (name: file, folder or manifest) with their references (file, folder or corpus).

    A manifest is a CSV with columns `generated` and `reference` (and, as wanted, `clip`, `identity`, `audio`), relative to
    its own folder; it needs no `reference` here. `audio` is a sound for all, or a folder of sounds by clip. With a
    `split`, every clip of it in the reference corpus is asked for (for silent ones nothing need have been made); else only
    those that a method has. ValueError, one line, when there is nothing at all.
    """
    sounds = {} if audio is None else _by_name(audio)
    items, problems, silent = [], [], {}
    for method, place in methods.items():
        pairs = _manifest_pairs(place) if place.suffix == ".csv" else _pairs(place, reference, split)
        for clip, ours, theirs in pairs:
            if ours is None and theirs is not None and theirs.silent:
                silent.setdefault(method, []).append(clip)      # nothing can be made from the sound of a silent clip
                continue
            if ours is None or theirs is None:
                problems.append(Problem(method, clip, f"no {'generated' if ours is None else 'reference'} clip of this name"))
                continue
            sound = sounds.get(clip, next(iter(sounds.values())) if audio and audio.is_file() else None)
            items.append(Item(method, clip, ours._replace(audio=sound.audio or sound.video) if sound else ours, theirs))
    if not items:
        raise ValueError(f"there is nothing to evaluate: no clip of {', '.join(map(str, methods.values()))} has a reference"
                         f"{f' in {reference}' if reference else ''}; names without endings must be the same in both")
    order = {clip: number for number, clip in enumerate(dict.fromkeys(item.clip for item in items))}
    notes = [f"{method}: nothing made for {len(names)} clips known to be silent ({', '.join(names)})"
             for method, names in silent.items()]
    return ItemList(tuple(sorted(items, key=lambda item: order[item.clip])), tuple(problems), tuple(notes))


def _pairs(place: Path, reference: Path | None, split: str | None) -> Iterator[tuple[str, Material | None, Material | None]]:
    if reference is None:
        raise ValueError(f"{place} needs a reference; give --reference, or a manifest (.csv) that names each one's")
    ours, theirs = _by_name(place, split), _by_name(reference, split)
    if place.is_file() and reference.is_file():
        yield place.stem, *ours.values(), *theirs.values()
        return
    for clip in ours if split is None else {**theirs, **ours}:
        yield clip, ours.get(clip), theirs.get(clip)


def _by_name(place: Path, split: str | None = None) -> dict[str, Material]:
    """The clips of a file, a folder or a corpus. ValueError when it is not there, or holds none."""
    if place.is_file():
        return {place.stem: _material([place])}
    if not place.is_dir():
        raise ValueError(f"{place} is not there; give a video, a landmark sequence, a folder or a manifest (.csv)")
    if _is_corpus(place):
        return _corpus_clips(place, split)
    of_name: dict[str, list[Path]] = {}
    for path in sorted(place.rglob("*")):
        if path.is_file() and path.suffix.lower() in VIDEOS | SOUNDS | {SEQUENCE}:
            of_name.setdefault(path.relative_to(place).with_suffix("").as_posix(), []).append(path)
    if not of_name:
        raise ValueError(f"{place} holds no video, no landmark sequence and no sound; give the folder that does")
    return {name: _material(paths) for name, paths in of_name.items()}


def _material(paths: list[Path]) -> Material:
    def first(kinds: set[str]) -> Path | None:
        return next((path for path in paths if path.suffix.lower() in kinds), None)

    video, sequence = first(VIDEOS), first({SEQUENCE})
    if video is None and sequence is None and first(SOUNDS) is None:
        raise ValueError(f"{paths[0]} is no video, no landmark sequence ({SEQUENCE}) and no sound; give one of these")
    return Material(video, sequence, first(SOUNDS))


def _is_corpus(place: Path) -> bool:
    path = place / MANIFEST
    if not path.is_file():
        return False
    with path.open(encoding="utf-8") as file:
        return file.readline().strip() == ",".join(Clip._fields)


def _corpus_clips(place: Path, split: str | None) -> dict[str, Material]:
    if split is not None and split not in SPLITS:
        raise ValueError(f"there is no split {split!r}; choose one of {', '.join(SPLITS)}")
    corpus = open_corpus(place)
    chosen = corpus.select(split)
    if not chosen:
        raise ValueError(f"{place} has no clips{f' in split {split}' if split else ''}")
    return {clip.clip: Material(
        video=corpus.video_path(clip) if corpus.video_path(clip).is_file() else None,
        sequence=place / "landmarks" / f"{clip.clip}.npz", audio=corpus.audio_path(clip) if clip.has_audio else None,
        identity=clip.identity, late_frames=clip.av_offset, silent=not clip.has_audio) for clip in chosen}


def _manifest_pairs(path: Path) -> Iterator[tuple[str, Material | None, Material | None]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file, restval=""))
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path} is no manifest: {' '.join(str(error).split())[:300]}") from error
    missing = [name for name in PAIR_COLUMNS if not lines or name not in lines[0]]
    if missing:
        raise ValueError(f"{path} has no {' and no '.join(missing)} column or no rows; give one row per clip")
    for line in lines:
        ours, theirs = (path.parent / line[name] for name in PAIR_COLUMNS)
        result = {"identity": line.get("identity") or ""}
        if line.get("audio"):
            result["audio"] = path.parent / line["audio"]
        pair = [_material([place])._replace(**result) if place.is_file() else None for place in (ours, theirs)]
        yield line.get("clip") or ours.stem, *pair
