"""Which motion is asked for: the head's source, its size, lips, blinks; one set of options for every command that moves a face.

Shapes: T frames, t frames of a block, L = 68 landmarks.
"""

import argparse
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from headsync import media
from headsync.landmarks import IBUG68, LandmarkSequence
from headsync.landmarks.detection import extract
from headsync.landmarks.motion import (
    anchored,
    check_scales,
    compose_motion,
    head_track,
    lid_closures,
    looped,
    natural_blinks,
    still_head,
    stream_inside,
)
from headsync.landmarks.motion.blinks import NATURAL_PER_MINUTE
from headsync.landmarks.motion.compose import JITTER_TAPS
from landmark_stage.head_motion.generate import load_head_motion, stream_heads
from landmark_stage.head_motion.network import HeadMotion
from landmark_stage.head_motion.statistics import LEAST_FRAMES
from landmark_stage.reference import HeadReference

_log = logging.getLogger(__name__)

HEADS = ("landmarks", "learned", "still")
BLINKS = ("off", "natural", "video")
_SECOND_SEED = 1 << 32          # blinks and heads do not share random numbers with the face


class PoseSource(NamedTuple):
    """A clip that heads and lids are copied from."""

    name: str
    points: np.ndarray          # (T, 68, 3), frames without a face interpolated
    missing: np.ndarray         # (M,) numbers of those frames


@dataclass(frozen=True, eq=False)
class MotionChoice:
    """What `motion_from` read. `applied` makes it so.

    >>> import headsync
    >>> still = headsync.MotionChoice(head="still", blink="natural")
    >>> headsync.talk("speech.wav", "photo.jpg", "still.mp4", motion=still).frames
    10
    """

    head: str = "landmarks"                     # landmarks, learned, still, or copied
    head_scale: float = 1.0
    lip_scale: float = 1.0
    lip_closure: float = 0.0
    blink: str = "off"                          # off, natural, or video
    blinks_per_minute: float = NATURAL_PER_MINUTE
    seed: int = 0
    pose: PoseSource | None = None              # of copied heads, and of lids from a video
    reference: HeadReference | None = None      # of learned heads and of the expression learner
    learner: HeadMotion | None = None           # of learned heads; the shipped one when None

    def __post_init__(self):
        media.check_fields(self)
        for name, value, known in (("head", self.head, (*HEADS, "copied")), ("blink", self.blink, BLINKS)):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
        if self.pose is None and (self.head == "copied" or self.blink == "video"):
            raise ValueError(f"head={self.head!r} with blink={self.blink!r} copies a clip; give it as pose=open_pose(FILE)")
        check_scales(head_scale=self.head_scale, lip_scale=self.lip_scale, lip_closure=self.lip_closure)

    @property
    def plain(self) -> bool:
        """Whether faces keep their own heads, lids and closed lips; scales may still change them."""
        return self.head == "landmarks" and self.blink == "off" and not self.lip_closure

    @property
    def unchanged(self) -> bool:
        """Whether nothing is asked for: motions stay as they are, bit for bit."""
        return self.plain and self.head_scale == 1 and self.lip_scale == 1

    def applied(self, blocks: Iterable[np.ndarray], start: np.ndarray, *, audio: str | Path | np.ndarray | media.Sound | None,
                frames: int | None, size: tuple[int, int]) -> Iterator[np.ndarray]:
        """Blocks (t, 68, 3) of a motion that begins with `start` (68, 3), changed as was asked for; see `compose_motion`.

        `audio` is what the face says: learned heads follow it. `frames` is their number, where it is known. Unless `plain`, no
        landmark leaves the canvas of `size` (height, width): `stream_inside`.
        """
        heads = {"landmarks": lambda: None, "still": lambda: still_head(start), "copied": lambda: looped(
            anchored(head_track(self.pose.points, taps=JITTER_TAPS))), "learned": lambda: self._learned(start, audio)}
        lids = {"off": lambda: None, "video": lambda: looped(lid_closures(self.pose.points)), "natural": lambda: natural_blinks(
            torch.Generator().manual_seed(self.seed ^ _SECOND_SEED), per_minute=self.blinks_per_minute)}
        made = compose_motion(blocks, start, head=heads[self.head](), lids=lids[self.blink](), head_scale=self.head_scale,
                              lip_scale=self.lip_scale, lip_closure=self.lip_closure, frames=frames)
        return made if self.plain else stream_inside(made, start, size)

    def _learned(self, start: np.ndarray, audio: str | Path | np.ndarray | media.Sound | None) -> Iterator[np.ndarray]:
        if audio is None:
            raise ValueError("--head-motion learned follows the sound; give --audio, or choose still or a video")
        return _held(stream_heads(audio, start, model=self.learner, reference=self.reference, seed=self.seed))

    def provenance(self) -> dict[str, str | float]:
        """What a producer field says of it."""
        name = self.pose.name if self.head == "copied" else self.head
        blink = f"{self.blinks_per_minute:g} a minute" if self.blink == "natural" else self.blink
        return {"head_motion": name, "head_scale": self.head_scale, "lip_scale": self.lip_scale,
                "lip_closure": self.lip_closure, "blink": blink}


def _held(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The blocks (t, ...), and their last item once more: a motion may be a frame longer than its sound."""
    last = np.zeros((0, 6))
    for block in blocks:
        last = block[-1:] if len(block) else last
        yield block
    yield last


def motion_from(options: argparse.Namespace) -> MotionChoice:
    """What `headsync.commands.motion_arguments` asked for, its files read; frames without a face in them are logged
    as a warning.

    ValueError, one line, for anything that cannot be had.
    """
    check_scales(head_scale=options.head_scale, lip_scale=options.lip_scale, lip_closure=options.lip_closure)
    if not -(1 << 63) <= options.seed < 1 << 63:
        raise ValueError(f"--seed must fit 64 bits, got {options.seed}")
    blink, rate = _blink(options.blink)
    generator = getattr(options, "generator", "")
    head = options.head_motion or ("landmarks" if generator == "expression" else "learned")
    copied = head not in HEADS
    if blink == "video" and not copied:
        raise ValueError(f"--blink video copies the lids of the video in --head-motion, which is {head!r}; "
                         "give a video there, or choose natural")
    if options.head_reference and head != "learned":
        raise ValueError("--head-reference is for --head-motion learned; give that too, or leave it out")
    if options.head_motion_model and head != "learned":
        raise ValueError("--head-motion-model is for --head-motion learned; give that too, or leave it out")
    learner = load_head_motion(options.head_motion_model) if options.head_motion_model else None
    pose = open_pose(head) if copied else None
    reference = _reference(options) if head == "learned" or generator == "expression" else None
    return MotionChoice("copied" if copied else head, options.head_scale, options.lip_scale, options.lip_closure, blink, rate,
                        options.seed, pose, reference, learner)


def _blink(asked: str) -> tuple[str, float]:
    if asked in BLINKS:
        return asked, NATURAL_PER_MINUTE
    try:
        rate = float(asked)
    except ValueError:
        raise ValueError(f"--blink takes {', '.join(BLINKS)} or a number of blinks a minute, got {asked!r}") from None
    natural_blinks(torch.Generator(), per_minute=rate)      # refuses what is out of range
    return "natural", rate


def open_pose(source: str | Path, *, option: str = "--head-motion", face: str = "largest") -> PoseSource:
    """The landmarks of a video, a picture or an .npz to copy from; where no face was found they are interpolated, and
    how many frames that were is logged as a warning. ValueError, one line, for what cannot be read or shows no face.
    """
    path, names = Path(source), f"{', '.join(HEADS)} or " if option == "--head-motion" else ""
    if not path.is_file():
        raise ValueError(f"{option} takes {names}a video or .npz, and there is no file {path}")
    sequence = LandmarkSequence.load(path) if path.suffix == ".npz" else extract(path, face=face).sequence
    if sequence.layout != IBUG68 or (sequence.fps != media.FPS and len(sequence) > 1):
        raise ValueError(f"{path}: heads are copied from {IBUG68} landmarks at {media.FPS} frames per second, got "
                         f"{sequence.layout} at {sequence.fps:g}; extract them anew")
    missing = np.flatnonzero(~sequence.visible)
    if len(missing):
        _log.warning("%s: no face in %d of %d frames (the first is %d); interpolated", path, len(missing), len(sequence),
                     missing[0])
    return PoseSource(path.name, sequence.points, missing)


def _reference(options: argparse.Namespace) -> HeadReference | None:
    """The clip whose head motion is learned: --head-reference, else the first of --refs or --start that lasts two seconds.

    None where there is no such clip.
    """
    if options.head_reference:
        reference = _read_reference(options.head_reference, "--head-reference")
        if len(reference.points) < LEAST_FRAMES:
            raise ValueError(f"--head-reference {options.head_reference} has {len(reference.points)} frames; at least "
                             f"{LEAST_FRAMES} (two seconds) are needed")
        return reference
    refs = getattr(options, "refs", None) or []
    given = [refs] if isinstance(refs, str) else [*refs]
    given += [options.start] if getattr(options, "start", None) else []
    return person_in(given, face=getattr(options, "face", "largest"))


def person_in(references: Iterable[str | Path], *, face: str = "largest") -> HeadReference | None:
    """The first clip or sequence among the references of a person that lasts two seconds; None where there is none.

    ValueError, one line, for a file without a face.
    """
    for path in references:
        if Path(path).suffix == ".npz" or not media.is_image(path):
            reference = _read_reference(path, "--refs", face)
            if len(reference.points) >= LEAST_FRAMES:
                return reference
    return None


def _read_reference(path: str | Path, option: str, face: str = "largest") -> HeadReference:
    points = open_pose(path, option=option, face=face).points
    if Path(path).suffix == ".npz":
        return HeadReference(points)
    try:
        return HeadReference(points, media.read_audio(path))
    except ValueError:          # a clip without sound still shows how its head moves
        return HeadReference(points)
