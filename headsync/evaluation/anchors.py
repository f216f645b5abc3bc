"""The anchors of an evaluation: the real clips, the first face held, with mismatched and with shifted audio; and faces
of one and of two people as the network of CSIM-S sees them.

Shapes: T frames, L = 68 landmarks, R = 4T feature rows, N faces, E embedding features.
"""

from typing import NamedTuple

import numpy as np

from headsync.evaluation.clip import ClipProfiles, clip_profiles, landmark_figures, lip_figures, motion_figures
from headsync.evaluation.sides import Reference, Side
from syncers import SyncerPyramid, separation
from syncers.measure import LEAST_WINDOWS
from syncers.sync import WINDOW_MS

REAL, STILL, MISMATCHED, SHIFTED = "real", "still face", "mismatched audio", "shifted sound"
ANCHORS = (REAL, STILL, MISMATCHED, SHIFTED)
SHIFT_FRAMES = 5        # 200 ms: a step of the first level is 1 frame, of the fourth 8
FACES_PER_CLIP = 4
MOST_FACES = 400        # pairs grow with the square


class AnchorRow(NamedTuple):
    """An anchor's figures of one clip."""

    anchor: str
    figures: dict[str, float]
    profiles: ClipProfiles | None


class Shift(NamedTuple):
    """What one level said of sound shifted by five frames."""

    window_ms: int
    frames: float           # by how much its answer moved
    step_frames: int        # it can only say multiples of this


class Anchors:
    """Measures the real clips as they arrive; keeps one clip's audio as mismatched audio for the next person."""

    def __init__(self, pyramid: SyncerPyramid):
        self._pyramid = pyramid
        self._sounds: list[tuple[str, np.ndarray]] = []     # of the last two people, by person
        self.shifts: list[Shift] = []

    def rows(self, reference: Reference, *, identity: str, late_frames: int) -> list[AnchorRow]:
        """The anchors of one clip: `real` always, the others where there is sound and they are long enough."""
        side, sound = reference.side, reference.sound
        rows, energies = (None, None) if sound is None else (sound.features, sound.energies)
        real = None if rows is None else clip_profiles(side.points, rows, self._pyramid, late_frames=late_frames)
        anchor_rows = [AnchorRow(REAL, {**_synchrony(real), **motion_figures(side, energies), **_against(side, side)}, real)]
        still = side.held()
        held = None if rows is None else clip_profiles(still.points, rows, self._pyramid)
        figures = {**_synchrony(held), **motion_figures(still, energies), **_against(still, side)}
        anchor_rows.append(AnchorRow(STILL, figures, held))
        if rows is None:
            return anchor_rows
        other_audio = next((sound for person, sound in self._sounds if person != identity), None)
        if other_audio is not None:
            frames = min(len(side.points), len(other_audio) // self._pyramid.rows_per_frame)
            found = clip_profiles(side.points[:frames], other_audio, self._pyramid)
            anchor_rows.append(AnchorRow(MISMATCHED, found.figures(), found))
        self._sounds = [(identity, rows), *((person, sound) for person, sound in self._sounds if person != identity)][:2]
        found = clip_profiles(side.points, rows, self._pyramid, late_frames=late_frames + SHIFT_FRAMES)
        anchor_rows.append(AnchorRow(SHIFTED, found.figures(), found))
        pairs = zip(real.of_mode["valid"], found.of_mode["valid"])
        self.shifts += [Shift(WINDOW_MS << level, float((before.offset - after.offset) << level), 1 << level)
                        for level, (before, after) in enumerate(pairs) if len(after.lags) > 2 * LEAST_WINDOWS]
        return anchor_rows


def _synchrony(profiles: ClipProfiles | None) -> dict[str, float]:
    return {} if profiles is None else profiles.figures()


def _against(ours: Side, theirs: Side) -> dict[str, float]:
    seen = (ours.visible & theirs.visible).any()
    return {**landmark_figures(ours, theirs), **lip_figures(ours, theirs)} if seen else {}


class Likeness(NamedTuple):
    """How the network of CSIM-S distinguishes people: what a CSIM is to be held against."""

    genuine: float          # mean cosine of one person's faces, of two clips where there are two, else far apart in one
    impostor: float         # of two people's
    genuine_pairs: int
    impostor_pairs: int
    roc_area: float         # how often a genuine pair is the more alike


class FaceCollection:
    """Embeddings of real faces with their people; four of each clip, at most 400."""

    def __init__(self):
        self._found: list[tuple[str, str, np.ndarray]] = []

    def add(self, embeddings: np.ndarray, *, identity: str, clip: str) -> None:
        """Take in a clip's embeddings (N, E), in order of time."""
        if len(self._found) < MOST_FACES and len(embeddings):
            chosen = np.unique(np.linspace(0, len(embeddings) - 1, FACES_PER_CLIP).round().astype(int))
            self._found += [(identity, clip, embeddings[k]) for k in chosen]

    def likeness(self) -> Likeness | None:
        """Genuine and impostor cosines; None with one person only.

        Pairs of one clip count as genuine only for people with a single clip: they are easier than those of two clips.
        """
        if len({identity for identity, _, _ in self._found}) < 2:
            return None
        people, clips = (np.array([one[k] for one in self._found]) for k in range(2))
        vectors = np.stack([one[2] for one in self._found])
        one, other = np.triu_indices(len(vectors), 1)
        cosines, same = (vectors @ vectors.T)[one, other], people[one] == people[other]
        several = {person for person in people if len(set(clips[people == person])) > 1}
        across = (clips[one] != clips[other]) | ~np.isin(people[one], list(several))
        genuine, impostor = cosines[same & across], cosines[~same]
        if not len(genuine):
            return None
        return Likeness(float(genuine.mean()), float(impostor.mean()), len(genuine), len(impostor),
                        separation(genuine, impostor))
