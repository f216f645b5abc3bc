"""What geometry alone says about a frame: the key frame's face on the target's mesh, the motion of the whole head, the
lines of the landmarks. Everything the networks are shown beside the references' own pictures.

Shapes: K references, S = 256 canvas pixels a side, G = 128 pixels a side of the guide's coarse maps, V = 468, L = 68.
Source: Rhythmic Head sections 4.1 and 4.3, method/rhythmic_head.md#mesh, #references-and-matcher; the head's motion beyond
the face is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np

from headsync.landmarks import HeadPose, head_pose, landmark_image, lip_opening
from headsync.media.caches import compiled
from render_stage.geometry.mesh import (
    KeyMesh,
    choose_key_frame,
    deformed_vertices,
    head_centre,
    key_mesh,
    posed_vertices,
    project,
)
from render_stage.geometry.motion_matcher import motion_distance
from render_stage.geometry.rasteriser import Raster, look_up
from render_stage.geometry.topology import FaceTopology

CANVAS, COARSE = 256, 128
FADE_PX = 9.0               # of the coarse map: how far the face's own motion reaches beyond the mesh
TURN_FADE_PX = 6.0          # of the coarse map: beyond the mesh, over which the outline's motion becomes the whole head's
FEATHER_PX = 7             # side of the box that softens the projected face's edge
LEAST_COVER = 0.02          # of a blurred mask, under which nothing is known
OPENING_SPREAD = 0.08       # lip openings (shares of the eye distance) this far apart count as one standard deviation


@dataclass(frozen=True)
class GuideSettings:
    """Which form the 3D-aware module has."""

    mesh: Literal["deformed", "posed"] = "deformed"     # posed: the paper's; the key frame's own expression
    mouth: float = 1.0      # what a difference of lip opening counts in the choice of references; 0: the paper's

    def __post_init__(self):
        if not 0 <= self.mouth < float("inf"):
            raise ValueError(f"mouth must be 0 or more, got {self.mouth}")


class Pose(NamedTuple):
    """Where heads stand and how far mouths are open: what references are chosen by."""

    h: np.ndarray           # (T, 6)
    opening: np.ndarray     # (T,) shares of the distance of the outer eye corners


class Guide(NamedTuple):
    """One target frame, as geometry sees it."""

    projected: np.ndarray   # (S, S, 3) uint8: the key frame on the target's mesh, black elsewhere
    masks: np.ndarray       # (S, S, 2) uint8: 255 where it is visible, falling to 0 at the edge; 255 in the hole of the mouth
    match: int              # number of the matched reference
    flow: np.ndarray        # (G, G, 2) float32: displacement, in canvas pixels, from the target to the matched reference
    teacher: np.ndarray     # (G, G) float32 in [0, 1]: where the flow is the mesh's own, seen in both
    lines: np.ndarray       # (G, G) uint8 in {0, 1}: the target's landmark image
    key_flow: np.ndarray    # (S, S, 2) float32: x, y in the key frame of what is projected


@dataclass(frozen=True, eq=False)
class GuideMaker:
    """References of one identity, ready to guide any number of target frames."""

    keys: tuple[KeyMesh, ...]
    scale: float            # of head poses, the references' own
    pose: Pose              # of the references
    key: int                # the key frame: turned least
    settings: GuideSettings

    def poses(self, points: np.ndarray) -> Pose:
        """Poses of target frames (t, L, 3), each alone, at the references' scale: blocks give what the whole gives."""
        return Pose(head_pose(points, scale=self.scale).h, lip_opening(points))

    def choose(self, pose: Pose) -> np.ndarray:
        """The nearest reference (t,) of each frame, by the head's motion and by how far the mouth is open."""
        return reference_distance(pose, self.pose, mouth=self.settings.mouth).argmin(1)

    def guide(self, points: np.ndarray, match: int) -> Guide:
        """The guide of one frame's landmarks (L, 3), with the reference that was chosen for it."""
        key, other = self.keys[self.key], self.keys[match]
        vertices = (deformed_vertices(key, points[None]) if self.settings.mesh == "deformed"
                    else posed_vertices(key, head_pose(points[None], scale=self.scale)))[0]    # (V, 3)
        shown = project(key, vertices)
        flow, teacher = head_flow(shown.raster, vertices, other)
        masks = np.stack([feathered(shown.visible), shown.mouth.view(np.uint8) * np.uint8(255)], axis=-1)   # (S, S, 2)
        return Guide(shown.picture, masks, match, flow, teacher, coarse_lines(points), shown.flow)


def guide_maker(pictures: Sequence[np.ndarray], points: np.ndarray, meshes: np.ndarray, *, topology: FaceTopology,
                settings: GuideSettings | None = None) -> GuideMaker:
    """The maker for references' pictures (S, S, 3) uint8, landmarks (K, L, 3) and meshes (K, V, 3), in canvas pixels."""
    points, meshes = np.asarray(points, np.float64), np.asarray(meshes, np.float64)
    pose = head_pose(points)
    keys = tuple(key_mesh(picture, mesh, topology=topology, pose=HeadPose(pose.h[k : k + 1], pose.scale))
                 for k, (picture, mesh) in enumerate(zip(pictures, meshes, strict=True)))
    return GuideMaker(keys, pose.scale, Pose(pose.h, lip_opening(points)), choose_key_frame(pose.h),
                      settings or GuideSettings())


def reference_distance(target: Pose, references: Pose, *, mouth: float) -> np.ndarray:
    """Squared distances (t, K): the paper's equation 2, and the difference of lip openings beside it."""
    apart = (target.opening[:, None] - references.opening[None]) / OPENING_SPREAD           # (t, K)
    return motion_distance(target.h, references.h) + mouth * np.square(apart)


def feathered(mask: np.ndarray) -> np.ndarray:
    """A mask (S, S) bool as uint8 that falls from 255 to 0 over the last pixels inside its edge."""
    blurred = cv2.blur(mask.view(np.uint8) * np.uint8(255), (FEATHER_PX, FEATHER_PX), borderType=cv2.BORDER_REPLICATE)
    return np.where(mask, 2 * np.maximum(blurred, 128) - np.uint8(256 - 1), 0).astype(np.uint8)


def coarse_lines(points: np.ndarray) -> np.ndarray:
    """The landmark image (G, G) uint8 in {0, 1} of landmarks (L, 3) in canvas pixels."""
    return landmark_image(np.asarray(points) * (COARSE / CANVAS), size=COARSE)


def head_flow(raster: Raster, vertices: np.ndarray, other: KeyMesh) -> tuple[np.ndarray, np.ndarray]:
    """How the matched reference's head would move to the target: displacements (G, G, 2) in canvas pixels, and (G, G)
    where both meshes show the same skin.

    On the mesh it is the meshes' correspondence; beyond, the affine motion of the face's outline, into which the
    face's own motion fades, and which itself becomes the shift of the head's centre: hair goes with the head, but a turn
    does not narrow it. What stands still is for the networks to tell.
    """
    sight = look_up(raster, other.topology.triangles, other.view.attributes, other.view)
    moved = np.zeros((COARSE, COARSE, 2), np.float32)
    cover, teacher = (np.zeros((COARSE, COARSE), np.float32) for _ in range(2))
    _gather(raster.triangle, sight.flow, sight.facing, moved, cover, teacher)           # moved is times cover
    outline = other.topology.outline
    beyond = outline_motion(vertices[outline, :2], other.vertices[outline, :2])         # (G, G, 2)
    near = np.exp(cv2.distanceTransform((cover == 0).view(np.uint8), cv2.DIST_L2, 3) / -TURN_FADE_PX)[..., None]
    shift = (other.centre - head_centre(vertices, other.topology)).astype(np.float32)
    beyond = beyond * near + shift * (1 - near)                                         # (G, G, 2)
    own = moved - beyond * cover[..., None]                                             # the face's own, times cover
    spread, known = (cv2.GaussianBlur(one, (0, 0), FADE_PX / 2) for one in (own, cover))
    share = np.minimum(known / 0.5, 1) * (1 - cover) / np.maximum(known, LEAST_COVER)   # fades where little is known
    return beyond + own + spread * share[..., None], teacher


@compiled()
def _gather(seen, flow, facing, moved, cover, teacher):
    """Means over the pixels of each coarse place: displacements and cover of the mesh; 1 where all see the other's skin."""
    step = seen.shape[0] // cover.shape[0]
    part = np.float32(1 / step**2)
    for row in range(cover.shape[0]):
        for column in range(cover.shape[1]):
            sure = True
            for y in range(row * step, (row + 1) * step):
                for x in range(column * step, (column + 1) * step):
                    if seen[y, x] < 0:
                        sure = False
                        continue
                    cover[row, column] += part
                    moved[row, column, 0] += part * (flow[y, x, 0] - np.float32(x + 0.5))
                    moved[row, column, 1] += part * (flow[y, x, 1] - np.float32(y + 0.5))
                    sure &= facing[y, x] > 0
            teacher[row, column] = np.float32(sure)


def outline_motion(target: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Displacements (G, G, 2) of the affine motion that takes the outline's places (n, 2) in the target to the source's."""
    design = np.concatenate([target, np.ones((len(target), 1))], axis=1)                # (n, 3)
    motion = np.linalg.lstsq(design, source - target, rcond=None)[0].astype(np.float32)  # (3, 2)
    places = pixel_places((COARSE, COARSE)) * (CANVAS / COARSE)
    return places @ motion[:2] + motion[2]


def pixel_places(size: tuple[int, int]) -> np.ndarray:
    """The centres (H, W, 2) float32 of a picture's pixels: x, y."""
    rows, columns = (np.arange(side, dtype=np.float32) + 0.5 for side in size)
    return np.stack(np.meshgrid(columns, rows), axis=-1)
