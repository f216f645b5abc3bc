"""Generated clips evaluated against real ones in one pass: every figure per clip, sets of clips, anchors, and what went wrong.

Shapes: T frames, L = 68 landmarks. Clips are read one after the other; what is kept of each is small and of fixed size.
"""

import itertools
import math
import re
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from headsync.evaluation.anchors import REAL, STILL, Anchors, FaceCollection, Likeness, Shift
from headsync.evaluation.catalogue import FIGURES
from headsync.evaluation.clip import Embed, clip_profiles, landmark_figures, lip_figures, motion_figures, picture_figures
from headsync.evaluation.clip_sets import ClipSets
from headsync.evaluation.curves import Curves
from headsync.evaluation.items import Item, ItemList, Problem, find_items
from headsync.evaluation.motion_sets import SetFigure
from headsync.evaluation.published_figures import PublishedEvaluator, PublishedNetworks
from headsync.evaluation.sides import Reference, Side, clip_sound, open_generated, open_reference
from headsync.evaluation.worst import WorstClips
from headsync.landmarks.detection import Detector, make_detector
from headsync.media import shown_progress, tracked
from syncers import SyncerPyramid, load_syncers

LENGTH_SLACK = 1            # frames by which two clips may differ without a word


@dataclass(frozen=True)
class EvaluationSettings:
    """What can be chosen; every report carries it."""

    every: int = 5              # of the frames, this one is compared as a picture; flicker looks at all
    follows: str = "sound"      # what the generated motion was made from: `sound`, or the `reference`'s own motion
    rank_by: str = ""           # figure by which clips are ranked; empty: the first that there is of SSIM, LMD, AV-Conf
    worst: int = 3              # clips of each method shown with pictures
    seed: int = 7

    def __post_init__(self):
        if self.every < 1 or self.worst < 0:
            raise ValueError(f"every must be 1 or more and worst 0 or more, got {self.every} and {self.worst}")
        if self.follows not in ("sound", "reference"):
            raise ValueError(f"follows must be 'sound' or 'reference', got {self.follows!r}")
        if self.rank_by and self.rank_by not in FIGURES:
            raise ValueError(f"there is no figure {self.rank_by!r} to rank by; choose one of {', '.join(FIGURES)}")


class Row(NamedTuple):
    """One clip of one method, or of an anchor."""

    method: str
    clip: str
    identity: str
    frames: int
    figures: dict[str, float]


class Evaluation(NamedTuple):
    """All that was found; `summary.as_json` and `report.write_report` make files of it."""

    methods: tuple[str, ...]
    rows: list[Row]                                 # of methods and anchors, clip by clip
    sets: dict[str, dict[str, SetFigure]]           # by method (and `real`, `still face`, `floor`)
    likeness: Likeness | None
    shifts: list[Shift]
    curves: Curves
    worst: WorstClips
    problems: list[Problem]
    notes: list[str]
    settings: dict[str, object]
    wall_s: float
    processor_s: float      # of all threads: other work beside it lengthens the wall time alone
    peak_mb: float

    @property
    def cost(self) -> str:
        """What it took, for people."""
        return f"{self.wall_s:.0f} s ({self.processor_s:.0f} s of processor time), peak memory {self.peak_mb:.0f} MB"


def evaluate_videos(methods: Mapping[str, Path], reference: Path | None, *, audio: Path | None = None,
                    split: str | None = None, settings: EvaluationSettings | None = None, pyramid: SyncerPyramid | None = None,
                    embed: Embed | None = None, published: PublishedNetworks | None = None, device: str | torch.device = "auto",
                    detector: str | Detector = "mediapipe", progress: bool = False) -> Evaluation:
    """Every figure of the methods' clips (name: file, folder, manifest) against their references.

    Inputs are found by `find_items`. `pyramid` evaluates synchrony (the shipped metric family on `device` by default), `embed`
    likeness (none: no CSIM-S), `published` what their authors' figures are called (none: none of them). A clip that cannot
    be evaluated becomes a problem and never stops the others. ValueError when there is nothing to evaluate at all.
    """
    settings, began = settings or EvaluationSettings(), (time.monotonic(), time.process_time())
    found = find_items(methods, reference, audio=audio, split=split)
    held = make_detector(detector) if isinstance(detector, str) else detector
    evaluator = _Evaluator(found, settings, _Tools(pyramid or load_syncers(device=device), embed, published, held))
    try:
        clips = [list(group) for _, group in itertools.groupby(found.items, key=lambda item: item.clip)]
        with shown_progress(progress):
            for group in tracked(clips, "evaluating", unit="clip"):
                evaluator.clip(group)
    finally:
        if held is not detector:
            held.close()
    settings_used = {"methods": {name: str(place) for name, place in methods.items()}, "reference": _said(reference),
            "audio": _said(audio), "split": split, "detector": held.name, "csim_s": embed is not None,
            "published": published.provenance() if published else {}, **asdict(settings)}
    took = time.monotonic() - began[0], time.process_time() - began[1]
    return evaluator.evaluation(tuple(methods), settings_used, *took, peak_memory_mb())


def _finite(figures: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def _said(place: Path | None) -> str | None:
    return None if place is None else str(place)


def peak_memory_mb() -> float:
    """This process's largest resident memory so far."""
    status = Path("/proc/self/status")
    if status.is_file() and (found := re.search(r"VmHWM:\s+(\d+)", status.read_text())):
        return int(found[1]) / 1024
    per_mb = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_mb     # an inherited peak counts here


class _Tools(NamedTuple):
    """Networks that measure."""

    pyramid: SyncerPyramid
    embed: Embed | None
    published: PublishedNetworks | None
    detector: Detector


class _Evaluator:
    """Sums up clip by clip."""

    def __init__(self, found: ItemList, settings: EvaluationSettings, tools: _Tools):
        self.settings, self.pyramid, self.embed, self.detector = settings, tools.pyramid, tools.embed, tools.detector
        self.published = None if tools.published is None else PublishedEvaluator(tools.published)
        self.rows: list[Row] = []
        refused = () if tools.published is None else tools.published.refused
        self.problems, self.notes = [*found.problems, *(Problem("", "", one) for one in refused)], list(found.notes)
        self.anchors, self.faces = Anchors(tools.pyramid), FaceCollection()
        self.sets = ClipSets(settings.seed, tools.embed)
        self.curves, self.worst = Curves(), WorstClips(settings.worst, settings.rank_by)

    def clip(self, group: list[Item]) -> None:
        """Evaluate every method's version of one clip, and its anchors."""
        first = group[0]
        reference = self._tried(group, lambda: open_reference(
            first.reference, self.detector, from_video=any(item.generated.video is not None for item in group),
            features=self.pyramid.features))
        if reference is None:
            return
        if reference.sound is None:
            if first.reference.silent:
                self.notes.append(f"{first.clip}: known to be silent; no synchrony")
            else:
                self.problems.append(Problem("", first.clip, "the reference has no sound; no synchrony"))
        pictures = any(item.generated.video is not None for item in group)
        self._tried([first._replace(method="")], lambda: self._evaluate_anchors(first, reference, pictures=pictures))
        for item in group:
            self._tried([item], lambda item=item: self._evaluate_item(item, reference))

    def _tried(self, items: list[Item], work: Callable):
        try:
            return work()
        except (ValueError, OSError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            self.problems += [Problem(item.method, item.clip, reason) for item in items]
            return None

    def _evaluate_anchors(self, item: Item, reference: Reference, *, pictures: bool) -> None:
        identity, side = item.identity, reference.side
        settings_used = self.anchors.rows(reference, identity=identity, late_frames=item.reference.late_frames)
        for row in settings_used:
            figures = dict(row.figures)
            if pictures and side.frames is not None and row.anchor in (REAL, STILL):
                shown, embedded = self._tried([item], lambda row=row: self._pictures(
                    side if row.anchor == REAL else side.held(), reference)) or ({}, None)
                figures |= shown
                if row.anchor == REAL and embedded is not None:
                    self.faces.add(embedded.real, identity=identity, clip=item.clip)
            self.rows.append(Row(row.anchor, item.clip, identity, len(side.points), _finite(figures)))
            self.curves.add(row.anchor, row.profiles)
        self.curves.add_head(REAL, item.clip, side.points)
        self.sets.add_lips(REAL, side, side)
        self.sets.add(STILL, side.held(), side, identity)

    def _evaluate_item(self, item: Item, reference: Reference) -> None:
        side = open_generated(item, reference, self.detector)
        frames = min(len(side.points), len(reference.side.points))
        if abs(len(side.points) - len(reference.side.points)) > LENGTH_SLACK:
            self.problems.append(Problem(item.method, item.clip, f"{len(side.points)} frames, its reference "
                                         f"{len(reference.side.points)}: only the first {frames} are compared"))
        ours, theirs = side.cut(frames), reference.side.cut(frames)
        place = item.generated if item.generated.audio or reference.sound is None else item.reference
        sound = reference.sound if place is item.reference else clip_sound(place, frames=frames, features=self.pyramid.features)
        sound = None if sound is None else sound.cut(frames)
        late = item.reference.late_frames if self.settings.follows == "reference" else 0
        profiles = None if sound is None else clip_profiles(ours.points, sound.features, self.pyramid, late_frames=late)
        moved = motion_figures(ours, None if sound is None else sound.energies)
        lips = lip_figures(ours, theirs, late_frames=item.reference.late_frames - late)
        figures = {**(profiles.figures() if profiles else {}), **moved, **landmark_figures(ours, theirs), **lips}
        if ours.frames is not None and theirs.frames is not None:
            shown, embedded = self._pictures(ours, reference._replace(side=theirs))
            figures |= shown
            if embedded is not None:
                self.sets.add_frames(item.method, embedded)
            if self.published is not None:
                figures |= self.published.clip(item.method, ours, theirs, crop=reference.crop, every=self.settings.every,
                                               sound=None if sound is None else place)
        figures = _finite(figures)
        self.rows.append(Row(item.method, item.clip, item.identity, frames, figures))
        self.curves.add(item.method, profiles)
        self.curves.add_head(item.method, item.clip, ours.points)
        self.sets.add(item.method, ours, theirs, item.identity)
        self.worst.consider(item.method, item.clip, figures, ours, theirs, crop=reference.crop)

    def _pictures(self, ours: Side, reference: Reference):
        return picture_figures(ours, reference.side, crop=reference.crop, every=self.settings.every, embed=self.embed)

    def evaluation(self, methods: tuple[str, ...], settings: dict, *cost: float) -> Evaluation:
        """Everything, with the figures of sets."""
        sets = self.sets.figures(floor_of=STILL)
        for name in methods if self.published is not None else ():
            sets[name] = {**sets.get(name, {}), **self.published.sets(name)}
        return Evaluation(methods, self.rows, sets, self.faces.likeness(), self.anchors.shifts, self.curves, self.worst,
                          self.problems, self.notes, settings, *cost)
