"""What a corpus is enough for: how long clips and how many people each training asks for, and what a corpus lacks of that.

The same check ends preprocessing, as advice, and begins every training, before any work.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from headsync.corpus.corpus import Clip, Corpus
from headsync.media import FPS


class Need(NamedTuple):
    """What a training asks of a corpus. Frames are those left when the sound has been shifted into place."""

    training: str           # NAME of `headsync train NAME`
    train_frames: int       # least length of a clip that is trained on
    val_frames: int         # and of one that the training is validated on
    sound: bool = True      # silent clips are no material
    synced: bool = True     # nor those that are unsure of their synchrony
    aligned: bool = True    # sound and picture are shifted against each other, which costs frames at the ends
    mesh: bool = False      # clips whose detector gave no mesh are no material
    train_people: int = 1
    val_people: int = 1


# By the presets `small`; a training replaces the frames by what its own settings ask for.
NEEDS = {need.training: need for need in (
    Need("syncers", 40, 49),
    Need("landmarks", 42, 80),
    Need("articulation", 12, 12),
    Need("expression", 24, 12),
    Need("head-motion", 96, 128, sound=False, synced=False),
    Need("renderer", 25, 25, sound=False, synced=False, aligned=False, mesh=True),
    Need("encoder", 1, 28, sound=False, synced=False, aligned=False, train_people=2, val_people=2),
)}
ADD_VAL = "one person in ten is kept for val: add people, or name some with `headsync preprocess ... --val PERSON`"


def shortfalls(corpus: Corpus, need: Need, *, train: Sequence[Clip] | None = None,
               val: Sequence[Clip] | None = None) -> list[str]:
    """What the corpus lacks for a training, a phrase each that says what to add; empty when it is enough.

    `train` and `val` are the clips that the training would take; by default those of the two splits.
    """
    chosen = (("train", corpus.select("train") if train is None else train, need.train_frames, need.train_people),
              ("val", corpus.select("val") if val is None else val, need.val_frames, need.val_people))
    found = (_lacking(corpus, need, split, clips, frames, people) for split, clips, frames, people in chosen)
    return [phrase for phrase in found if phrase]


def require(corpus: Corpus, need: Need, *, train: Sequence[Clip] | None = None, val: Sequence[Clip] | None = None) -> None:
    """ValueError, one line, when the corpus is not enough for a training; called before any work."""
    lacking = shortfalls(corpus, need, train=train, val=val)
    if lacking:
        raise ValueError(f"{corpus.folder} is not enough to train {need.training}: {'; '.join(lacking)}")


def _lacking(corpus: Corpus, need: Need, split: str, clips: Sequence[Clip], frames: int, people: int) -> str:
    """What one split lacks, empty when nothing."""
    if not clips:
        return f"nobody is in its {split} split ({ADD_VAL if split == 'val' else 'add people'})"
    usable = [clip for clip in clips if _is_usable(corpus, clip, need)]
    kind = " and ".join(["sound"] * need.sound + ["certain synchrony"] * need.synced + ["a mesh"] * need.mesh)
    if not usable:
        unsure = sum(clip.has_audio and clip.sync == "unsure" for clip in clips) if need.synced else 0
        doubtful = f", {unsure} are unsure of their synchrony" if unsure else ""
        return f"none of the {len(clips)} {split} clips has {kind}{doubtful} (add such clips)"
    fitting = [clip for clip in usable if usable_frames(clip, need) >= frames]
    if not fitting:
        longest = max(usable_frames(clip, need) for clip in usable)
        return (f"no {split} clip{f' with {kind}' if kind else ''} has {frames} frames, the longest has {longest} "
                f"(add clips of {frames / FPS:.1f} s or more)")
    seen = {clip.identity for clip in usable}
    if len(seen) < people:
        more = f"; {ADD_VAL}" if split == "val" else ""
        return f"its {split} split has {len(seen)} of the {people} people that are needed (add people{more})"
    return ""


def _is_usable(corpus: Corpus, clip: Clip, need: Need) -> bool:
    has_sound = (clip.has_audio or not need.sound) and (clip.sync != "unsure" or not need.synced)
    return has_sound and (not need.mesh or (corpus.folder / "mesh" / f"{clip.clip}.npy").is_file())


def usable_frames(clip: Clip, need: Need) -> int:
    """A clip's frames that a training can use."""
    return clip.frames - abs(clip.av_offset) if need.aligned else clip.frames


def how_people_are_distinguished(clips: Sequence[Clip]) -> str:
    """A line for whoever did not sort videos by person, or put all of them into one folder; empty where neither is so."""
    flat = [clip for clip in clips if len(Path(clip.source).parts) == 1 and clip.identity == Path(clip.source).stem]
    videos, people = {clip.source for clip in clips}, {clip.identity for clip in clips}
    if flat and len(videos) > 1:
        return (f"{len({clip.source for clip in flat})} videos lie in the folder itself and count as a person each; people are "
                "distinguished by folders, as in videos/PERSON/x.mp4, or by --manifest")
    if len(people) == 1 and len(videos) > 1:
        return (f"all {len(videos)} videos count as one person, {next(iter(people))!r}; people are distinguished by folders, "
                "as in videos/PERSON/x.mp4, or by --manifest")
    return ""
