"""What a rendered face has to beat, and the cut of clips into references and targets: for `render_figures.py`.

Shapes: t frames, K references, H W pixels, L = 68 landmarks, V = 468 mesh vertices, all on the canvas of 256.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from headsync import media
from headsync.corpus import Clip, Corpus
from headsync.landmarks import HeadPose, head_pose
from render_stage import Drive, deformed_vertices, key_mesh, load_topology, match, project
from render_stage.picking import pick_faces
from render_stage.references import Reference

EARLY, LEAST_CLIP, RUN = 64, 104, 25


class Case(NamedTuple):
    """A clip, cut into what may be looked at and what is to be drawn."""

    clip: Clip
    candidates: list[Reference]     # its early frames with a face
    points: np.ndarray              # (t, 68, 3) targets, then the run
    real: list[np.ndarray]          # the same frames
    meshes: np.ndarray              # (t, 468, 3)
    targets: int                    # how many of them come before the run

    def chosen(self, count: int) -> list[Reference]:
        """The references for K = `count`."""
        if count == 1:
            return self.candidates[:1]
        return [self.candidates[k] for k in pick_faces(np.stack([one.points for one in self.candidates]), count)]


class Copy:
    """The first baseline, of the form of `render_stage.Renderer`."""

    needs, margin_frames = frozenset({"points"}), 0

    def prepare(self, references: Sequence[Reference]) -> list[Reference]:
        """Nothing to do."""
        return list(references)

    def frames(self, identity: list[Reference], drive: Drive) -> np.ndarray:
        """The nearest reference's picture for each of the drive's points (t, 68, 3)."""
        return np.stack([identity[k].picture for k in nearest(identity, drive.points)[0]])


class Mesh:
    """The second baseline."""

    needs, margin_frames = frozenset({"points"}), 0

    def prepare(self, references: Sequence[Reference]) -> list[Reference]:
        """Nothing that every reference would be used for."""
        return list(references)

    def frames(self, identity: list[Reference], drive: Drive) -> np.ndarray:
        """The nearest reference with its own posed and bent mesh pasted over it."""
        points = drive.points
        picks, pose, own = nearest(identity, points)
        drawn, topology = np.empty((len(points), *identity[0].picture.shape), np.uint8), load_topology()
        for k in np.unique(picks):
            shown = identity[k]
            key = key_mesh(shown.picture, shown.mesh, topology=topology, pose=HeadPose(own.h[k : k + 1], own.scale))
            for t in np.flatnonzero(picks == k):
                vertices = deformed_vertices(key, points[t : t + 1], HeadPose(pose.h[t : t + 1], pose.scale))[0]
                front = project(key, vertices)
                mouth = cv2.remap(shown.picture, front.flow - np.float32(0.5), None, cv2.INTER_LINEAR)
                drawn[t] = np.where(front.visible[..., None], front.picture, shown.picture)
                drawn[t][front.mouth] = mouth[front.mouth]
        return drawn


def nearest(references: list[Reference], points: np.ndarray) -> tuple[np.ndarray, HeadPose, HeadPose]:
    """The nearest reference (t,) of each target, the targets' poses and the references', with one scale for all."""
    known = np.stack([one.points for one in references])
    pose = head_pose(np.concatenate([known, points]))
    own, targets = HeadPose(pose.h[: len(known)], pose.scale), HeadPose(pose.h[len(known) :], pose.scale)
    return match(targets.h, own.h), targets, own


def read_case(corpus: Corpus, clip: Clip, targets: int) -> Case | None:
    """What of a clip is used; None when too few of its frames show the face."""
    sequence, meshes = corpus.landmarks(clip), corpus.mesh(clip)
    T = len(sequence)
    early = EARLY if T >= LEAST_CLIP else T // 4
    seen = np.flatnonzero(sequence.visible[:early])
    rest = early + np.flatnonzero(sequence.visible[early:])
    if not len(seen) or len(rest) < RUN:
        return None
    picks = rest[np.unique(np.linspace(0, len(rest) - 1, targets).round().astype(int))]
    start = (early + T - RUN) // 2
    wanted = np.concatenate([picks, np.arange(start, start + RUN)])
    frames = dict(enumerate(media.read_frames(corpus.video_path(clip))))
    candidates = [Reference(frames[k], sequence.points[k], np.asarray(meshes[k], np.float32)) for k in seen]
    return Case(clip, candidates, sequence.points[wanted], [frames[k] for k in wanted],
                np.asarray(meshes[wanted], np.float32), len(picks))
