"""Whose mouth is to be drawn where: one person's face followed through all shots of a video, at its own frame rate.

Shapes: T frames of the video, t of a stretch, L = 68 landmarks, V = 468 mesh vertices, K references, H W pixels as shown.
Everything is in pixels of the picture as shown. Memory: 1 kB of landmarks and 1 kB of patches a frame, no pictures.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headsync import media
from headsync.landmarks import smooth
from headsync.landmarks.detection.detectors import Detector, Face, landmark_boxes
from headsync.landmarks.detection.shots import SCAN_SIDE_PX, Scan, Shot, find_cuts, find_shots, scan_video
from headsync.landmarks.detection.tracking import Track, face_runs, fill_gaps, follow_shots
from headsync.media.planes import PlanarFrames
from headsync.media.stored import StoredForm, stamp, stored_form, stored_frames
from render_stage.alignment import Crop
from render_stage.dubbing.occlusion import lower_patch, occluded
from render_stage.dubbing.people import Portrait, other_people

PIECE_S = 30                # long shots are followed in pieces, each with its own region
LOST_S = 0.09               # a face that is lost for so long is where its neighbours say
LEAST_S = 0.2               # a shorter stretch is passed through
RAMP_S = 0.12               # into a stretch that does not begin with a shot, and out of it
CENTRE_S, POINTS_S = 0.4, 0.12      # widths of the windows that smooth the crop's place, and the landmarks
LIFT = 0.04                 # of the crop's side: its centre lies so far above the face's
FACE_TO_CROP = 2.0          # the crop's side over the face's size (brow to chin): a median over the shot, so it never breathes
MESHES = 60                 # of a piece, as candidates for references
NO_FACE, OTHER, COVERED, BRIEF = "no face", "another person", "mouth covered", "too short"


@dataclass(frozen=True, eq=False)
class Stretch:
    """Frames `start` to `stop` - 1 of a video in which the mouth is drawn anew."""

    start: int
    stop: int
    shot: int               # number of the shot
    points: np.ndarray      # (t, L, 3) float32
    crops: np.ndarray       # (t, 4) float64: of one side, following the head
    strength: np.ndarray    # (t,) float32 from 0 to 1: how much is shown


class Candidate(NamedTuple):
    """A frame that could be a reference."""

    frame: int
    points: np.ndarray      # (L, 3)
    mesh: np.ndarray | None  # (V, 3)


class Passed(NamedTuple):
    """Frames that go through as they are."""

    start: int
    stop: int
    reason: str


@dataclass(frozen=True, eq=False)
class Survey:
    """All that is known of a video before the first frame is drawn."""

    form: StoredForm
    stamps: list[int]                   # of all frames, in ticks
    stretches: list[Stretch]
    passed: list[Passed]
    candidates: dict[int, list[Candidate]]      # of each shot
    faces: int                          # most that were seen at once

    @property
    def usual(self) -> int:
        """Ticks that a frame lasts."""
        return max(1, round(1 / self.form.rate / self.form.time_base))

    def seconds(self, frame: int) -> float:
        """When a frame is shown, after the first."""
        return float((self.stamps[frame] - self.stamps[0]) * self.form.time_base)


def shown_frames(form: StoredForm, *, most_side: int | None = None, stamps: list[int] | None = None) -> Iterator[np.ndarray]:
    """Pictures (H, W, 3) uint8 as shown, each frame once, reduced to `most_side`; their time stamps go into `stamps`."""
    planar, usual = PlanarFrames(), max(1, round(1 / form.rate / form.time_base))
    for frame in stored_frames(form.path):
        if stamps is not None:
            stamps.append(stamp(frame, usual, stamps[-1] if stamps else None))
        yield form.shown(planar.rgb(frame, most_side=most_side))


def survey_video(path: str | Path, detector: Detector, *, face: str = "largest") -> Survey:
    """Two passes over a video. ValueError, one line, for a file without pictures or without a face."""
    form, stamps = stored_form(path), []
    scan = _scan(form, detector, stamps)
    fps = float(form.rate)
    pieces = find_shots(scan, face=face, most_frames=max(1, round(PIECE_S * fps)))
    if not pieces:
        raise ValueError(f"no face found in {path} ({scan.frames} frames of {form.shown_size[1]}x{form.shown_size[0]}); "
                         "use a video whose face is at least 40 pixels high")
    edges = [0, *find_cuts(scan.changes), scan.frames]
    look = _Look(fps)
    shots: dict[int, list[Track]] = {}
    with media.stage(f"landmarks of {Path(path).name}", total=scan.frames, unit="frame") as step:
        for track in follow_shots(shown_frames(form), pieces, detector, look=look):
            number = int(np.searchsorted(edges, track.shot.start, side="right")) - 1
            shots.setdefault(number, []).append(track._replace(mesh=None))
            look.keep(number, track)
            step(len(track.visible))
    people = {number: look.portraits[number] for number in shots if look.portraits.get(number)}
    others = other_people(people, weights={number: sum(len(one.visible) for one in shots[number]) for number in shots},
                          first=face not in ("largest", "centre"))
    stretches, passed = [], []
    for number in range(len(edges) - 1):
        start, stop = edges[number], edges[number + 1]
        made = [] if number in others or number not in shots else _stretches(number, shots[number], look, fps, (start, stop))
        stretches += made
        passed += _passed(start, stop, made, OTHER if number in others else None, shots.get(number, []), look)
    return Survey(form, stamps, stretches, passed, look.candidates, max(len(probe.boxes) for probe in scan.probes))


def _scan(form: StoredForm, detector: Detector, stamps: list[int]) -> Scan:
    """Faces and cuts, on reduced frames, in pixels of the whole ones."""
    frames = media.tracked(shown_frames(form, most_side=SCAN_SIDE_PX, stamps=stamps), f"faces and cuts of {form.path.name}",
                           unit="frame")
    scan = scan_video(frames, detector)
    factor = form.shown_size[1] / max(1, scan.size[1])
    return scan._replace(size=form.shown_size, probes=tuple(one._replace(boxes=one.boxes * factor) for one in scan.probes))


class _Look:
    """What is taken down of every frame while it is followed: the lower face's patch, a few portraits, a few meshes."""

    def __init__(self, fps: float):
        self.patches: dict[int, np.ndarray] = {}
        self.portraits: dict[int, list[Portrait]] = {}
        self.candidates: dict[int, list[Candidate]] = {}
        self._recent: list[Portrait] = []
        self._every = max(1, round(fps))

    def __call__(self, number: int, picture: np.ndarray, face: Face | None) -> None:
        if face is None:
            return
        self.patches[number] = lower_patch(picture, face.points)
        if number % self._every == 0 or not self._recent:
            self._recent.append(Portrait.of(picture, face.points))

    def keep(self, shot: int, track: Track) -> None:
        """The piece's portraits, and some of its frames as candidates, belong to a shot."""
        self.portraits.setdefault(shot, []).extend(self._recent[:4])
        self._recent = []
        seen = np.flatnonzero(track.visible)
        if len(seen):
            picked = seen[np.unique(np.linspace(0, len(seen) - 1, min(MESHES, len(seen))).round().astype(int))]
            meshes = [None if track.mesh is None else track.mesh[one].copy() for one in picked]
            self.candidates.setdefault(shot, []).extend(
                Candidate(int(one) + track.shot.start, track.points[one], mesh) for one, mesh in zip(picked, meshes))


def _stretches(number: int, tracks: list[Track], look: _Look, fps: float, shot: tuple[int, int]) -> list[Stretch]:
    """The stretches of one shot, whose pieces are joined, and whose candidates are cleared of covered mouths."""
    whole = _joined(tracks)
    first = whole.shot.start
    frames = np.flatnonzero(whole.visible)
    hidden = frames[occluded(np.stack([look.patches[first + one] for one in frames]))] if len(frames) else frames
    visible = whole.visible.copy()
    visible[hidden] = False
    covered = set((hidden + first).tolist())
    look.candidates[number] = [one for one in look.candidates.get(number, []) if one.frame not in covered]
    side = FACE_TO_CROP * float(np.median(_sizes(whole.points[frames]))) if len(frames) else 0.0
    made = []
    for start, stop in face_runs(whole._replace(visible=visible), lost_frames=round(LOST_S * fps)):
        if stop - start < max(1, round(LEAST_S * fps)) and stop - start < whole.shot.stop - first:
            continue
        points = smooth(fill_gaps(whole.points[start:stop], visible[start:stop]), _taps(POINTS_S, fps), window="hanning")
        strength = _ramps(stop - start, max(1, round(RAMP_S * fps)), first + start > shot[0], first + stop < shot[1])
        made.append(Stretch(first + start, first + stop, number, points, _crops(points, side, fps), strength))
    return made


def _joined(tracks: list[Track]) -> Track:
    """Pieces of one shot as one track; frames between pieces, if any, show no face."""
    start, stop = tracks[0].shot.start, tracks[-1].shot.start + len(tracks[-1].visible)
    points, visible = np.full((stop - start, 68, 3), np.nan, np.float32), np.zeros(stop - start, bool)
    for track in tracks:
        here = slice(track.shot.start - start, track.shot.start - start + len(track.visible))
        points[here], visible[here] = track.points, track.visible
    shot = Shot(start, stop, tracks[0].shot.boxes, tracks[0].shot.region, tracks[0].shot.rival)
    return Track(shot, points, None, visible)


def _sizes(points: np.ndarray) -> np.ndarray:
    boxes = landmark_boxes(points)
    return np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])  # (t,)


def _taps(width_s: float, fps: float) -> int:
    return 2 * round(width_s * fps / 2) + 1


def _crops(points: np.ndarray, side: float, fps: float) -> np.ndarray:
    """Crops (t, 4) of one side, unless a face comes so near that it would not fit; their centres follow the head smoothly.

    A head's hair needs more room than its chin.
    """
    boxes, side = landmark_boxes(points), max(side, 1.3 * float(_sizes(points).max()))
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 - (0, LIFT * side)                           # (t, 2)
    centre = smooth(centre.astype(np.float64), _taps(CENTRE_S, fps), window="hanning")
    return np.concatenate([centre - side / 2, centre + side / 2], axis=1)                   # (t, 4)


def _ramps(frames: int, ramp: int, comes: bool, goes: bool) -> np.ndarray:
    """Strengths (t,): a stretch that begins or ends within a shot fades in or out, so that nothing pops."""
    place = np.arange(frames)
    strength = np.ones(frames)
    if comes:
        strength = np.minimum(strength, (place + 1) / (ramp + 1))
    if goes:
        strength = np.minimum(strength, (frames - place) / (ramp + 1))
    return strength.astype(np.float32)


def _passed(start: int, stop: int, made: list[Stretch], whole: str | None, tracks: list[Track], look: _Look) -> list[Passed]:
    """What lies between the stretches of a shot, each run of frames with its reason."""
    kept = np.zeros(stop - start, bool)
    for one in made:
        kept[one.start - start : one.stop - start] = True
    seen = {track.shot.start + int(one) for track in tracks for one in np.flatnonzero(track.visible)}
    reasons = [None if kept[place] else whole or (NO_FACE if start + place not in seen else COVERED)
               for place in range(stop - start)]
    found, begin = [], 0
    for place in range(1, len(reasons) + 1):
        if place == len(reasons) or reasons[place] != reasons[begin]:
            if reasons[begin] is not None:
                found.append(Passed(start + begin, start + place, reasons[begin]))
            begin = place
    return found


def crop_at(stretch: Stretch, frame: int) -> Crop:
    """The crop of one frame of the video."""
    return tuple(float(edge) for edge in stretch.crops[frame - stretch.start])
