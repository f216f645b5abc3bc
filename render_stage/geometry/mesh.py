"""The 3D-aware module: a key frame's textured face mesh, posed like the target and projected.

Shapes: T frames, V = 468 vertices, L = 68 landmarks, H W canvas, C attributes of a vertex. Positions are pixels of the
canvas, x right, y down, z smaller where nearer, centres of pixels at + 0.5: the landmarks'.
Source: Rhythmic Head section 4.1 and equation 1; method/rhythmic_head.md#mesh, method/decisions.md#mesh-and-flow-teacher.
The network that finds the mesh is the landmark detector's, the renderer an orthographic z-buffer, and the texture the key
frame itself.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np

from headsync.landmarks import HeadPose, frontalise, head_pose, pose_points, similarity_fit
from render_stage.geometry.rasteriser import Raster, View, look_up, rasterise
from render_stage.geometry.topology import LANDMARKS, MOUTH, SKIN, VERTICES, FaceTopology

HALF_PX = np.float32(0.5)        # OpenCV counts from the centre of the first pixel, we from its corner
MIRROR_YAW = np.radians(25.0)   # a key frame turned further lends its hidden half the colours of the other
LEAST_FACING = 0.15             # cosine between normal and view under which a texture is a smear
FULL_FACING = 0.45              # and from which it is preferred to the mirrored one altogether
RELIT_FACING = 0.3              # skin is compared between the halves from this cosine on
RELIT_DOUBT = 0.02              # of the face's pixels: what is taken for equally lit before looking
OUTLINE_SHARE = 0.07            # of the face's height, times the sine of the head's turn: this near to the far outline the
                                # mesh may stand out from the head, and its texture show the background
CENTRE_DEPTH = 0.2      # of the outline's width: so far behind the outline lies the head's centre
NOTHING = -1                    # the part of a pixel off the mesh
OCCLUSION_SHARE = 0.04          # of the face's height: how far behind the nearest surface still counts as on it


class Projection(NamedTuple):
    """A key frame as it looks on the posed mesh."""

    picture: np.ndarray     # (H, W, 3) uint8, black where not visible
    visible: np.ndarray     # (H, W) bool: skin and eyes that the key frame shows
    mouth: np.ndarray       # (H, W) bool: the hole between the lips
    flow: np.ndarray        # (H, W, 2) float32: x, y in the key frame of what each pixel shows; 0 off the mesh
    raster: Raster          # triangles, weights and depth of every pixel


class Correspondence(NamedTuple):
    """Where what one frame shows lies in another."""

    flow: np.ndarray        # (H, W, 2) float32: x, y in the source frame; 0 off the mesh
    visible: np.ndarray     # (H, W) bool: skin that both frames show; eyes and mouths move in other ways


@dataclass(frozen=True, eq=False)
class KeyMesh:
    """All that is constant for one identity's key frame; made once by `key_mesh`."""

    picture: np.ndarray     # (H, W, 3) uint8: the texture
    vertices: np.ndarray    # (V, 3) float64: where they lie in it
    front: np.ndarray       # (V, 3) float64: the same with the head's motion taken out, in the canonical place
    topology: FaceTopology
    view: View
    lent: np.ndarray | None     # (H, W, 3) uint8: the texture that each half lends the other's hidden parts; None: nothing

    @cached_property
    def centre(self) -> np.ndarray:
        """Where the head's centre lies in the picture (2,)."""
        return head_centre(self.vertices, self.topology)


def choose_key_frame(h: np.ndarray, visible: np.ndarray | None = None) -> int:
    """The frame of head motion h (T, 6) that is turned least: the smallest sum of absolute rotations.

    ValueError when no frame is visible (T,).
    """
    cost = np.abs(np.asarray(h, np.float64)[:, :3]).sum(1)  # (T,)
    if visible is not None:
        cost = np.where(visible, cost, np.inf)
    if not np.isfinite(cost).any():
        raise ValueError(f"no key frame among {len(cost)} frames: none shows a face")
    return int(cost.argmin())


def fit_mesh(points: np.ndarray, topology: FaceTopology) -> np.ndarray:
    """The average face's mesh (V, 3) moved and bent to landmarks (L, 3), for a reference of which only those are known."""
    points = np.asarray(points, np.float64)
    placed = similarity_fit(topology.average[LANDMARKS], points).apply(topology.average)
    return placed + topology.spread @ (points - placed[LANDMARKS])  # (V, 3)


def key_mesh(picture: np.ndarray, vertices: np.ndarray, *, topology: FaceTopology, pose: HeadPose | None = None,
             mirrored: bool | None = None) -> KeyMesh:
    """The textured mesh of a key frame (H, W, 3) uint8 with vertices (V, 3) in its pixels.

    `pose` is the frame's own (one frame, with its clip's scale), found from the vertices when None. `mirrored` fills
    what the head hides with the other half's colours; None does so for heads turned by more than 25 degrees.
    ValueError for arrays of another form.
    """
    vertices = np.asarray(vertices, np.float64)
    if vertices.shape != (VERTICES, 3) or not np.isfinite(vertices).all():
        raise ValueError(f"a face mesh has {VERTICES} finite vertices (V, 3), got {vertices.shape}")
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(f"a key frame is (H, W, 3) uint8, got {picture.shape} {picture.dtype}")
    pose = head_pose(vertices[None, LANDMARKS]) if pose is None else pose
    if len(pose.h) != 1:
        raise ValueError(f"a key frame has one pose, got {len(pose.h)}")
    if mirrored is None:
        mirrored = bool(abs(pose.h[0, 1]) > MIRROR_YAW)
    view = _view(vertices, topology, picture.shape[:2])
    return KeyMesh(picture=np.ascontiguousarray(picture), vertices=vertices, topology=topology, view=view,
                   front=frontalise(vertices[None], pose)[0].astype(np.float64),
                   lent=_relit(picture, topology, view) if mirrored else None)


def head_centre(vertices: np.ndarray, topology: FaceTopology) -> np.ndarray:
    """Where the centre of a head lies (2,), from its mesh (V, 3): behind the middle of the outline, the head's way."""
    outline = topology.average[topology.outline]                                        # (n, 3)
    behind = outline.mean(0) + (0, 0, CENTRE_DEPTH * np.ptp(outline[:, 0]))
    return similarity_fit(topology.average, vertices).apply(behind[None])[0, :2]        # (2,)


def posed_vertices(key: KeyMesh, pose: HeadPose) -> np.ndarray:
    """The key mesh (T, V, 3) under other head poses, with the key frame's own expression.

    Equation 1: V_t = R_t^-1 (R_M V_M + T_M - T_t), where R V + T is the canonical place; each side with its clip's scale.
    """
    return pose_points(key.front[None], pose)  # (T, V, 3)


def deformed_vertices(key: KeyMesh, points: np.ndarray, pose: HeadPose | None = None) -> np.ndarray:
    """The key mesh (T, V, 3) posed, then bent so that its landmarks meet the target's (T, L, 3), depth included.

    What the landmarks are moved by beyond the pose is spread over the mesh as over a thin plate under tension; see
    `landmark_spread` for the weights. Beyond the paper.
    """
    points = np.asarray(points, np.float64)
    posed = posed_vertices(key, head_pose(points) if pose is None else pose)
    return posed + key.topology.spread @ (points - posed[:, LANDMARKS])  # (T, V, 3)


def project(key: KeyMesh, vertices: np.ndarray) -> Projection:
    """The key frame as the mesh shows it with its vertices (V, 3) at one frame's places."""
    triangles, attributes = key.topology.triangles, key.view.attributes
    raster = rasterise(vertices, triangles, size=key.picture.shape[:2])
    flow, facing = look_up(raster, triangles, attributes, key.view)
    picture = _sampled(key.picture, flow)
    if key.lent is not None:
        other = look_up(raster, triangles, attributes[key.topology.mirror], key.view)
        share = np.clip((facing - LEAST_FACING) / (FULL_FACING - LEAST_FACING), 0, 1)
        share[other.facing == 0] = 1                    # nothing to mix with; where neither shows it, it stays hidden
        picture = cv2.blendLinear(picture, _sampled(key.lent, other.flow), share, 1 - share)
        flow = np.where(share[..., None] >= 0.5, flow, other.flow)
        facing = np.maximum(facing, other.facing)
    part = np.where(raster.triangle >= 0, key.topology.parts[raster.triangle], NOTHING)
    visible = _closed(facing > 0) & (part != NOTHING) & (part != MOUTH)
    picture = cv2.bitwise_and(picture, picture, mask=visible.view(np.uint8))
    return Projection(picture, visible, part == MOUTH, flow, raster)


def correspondence_flow(source: np.ndarray, target: np.ndarray, *, size: tuple[int, int],
                        topology: FaceTopology) -> Correspondence:
    """For each pixel of the target frame its place in the source frame, by their meshes (V, 3): a teacher of flow.

    The source frame sampled at `flow` looks like the target where `visible`. Eyes and mouth are left out: lids and gaze
    do not move with the mesh.
    """
    source = np.asarray(source, np.float64)
    view = _view(source, topology, size)
    raster = rasterise(target, topology.triangles, size=size)
    flow, facing = look_up(raster, topology.triangles, view.attributes, view)
    skin = (raster.triangle >= 0) & (topology.parts[raster.triangle] == SKIN)
    return Correspondence(flow, skin & _closed(facing > 0))


def _view(vertices: np.ndarray, topology: FaceTopology, size: tuple[int, int]) -> View:
    """A mesh (V, 3) as a frame of `size` shows it."""
    corners = vertices[topology.triangles]                                              # (F, 3, 3)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])     # (F, 3), as long as large
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, topology.triangles[:, corner], across)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)         # (V, 3)
    raster = rasterise(vertices, topology.triangles, size=size)
    height, ahead = float(np.ptp(vertices[:, 1])), across.sum(0)[:2] / max(np.linalg.norm(across.sum(0)), 1e-9)
    step = np.array([[1, 0, OUTLINE_SHARE * height * ahead[0]], [0, 1, OUTLINE_SHARE * height * ahead[1]]])
    beyond = cv2.warpAffine((raster.triangle < 0).view(np.uint8), step, size[::-1], borderMode=cv2.BORDER_REPLICATE,
                            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)             # (H, W) a step ahead is off the mesh
    attributes = np.concatenate([vertices, -normals[:, 2:]], axis=1).astype(np.float32)  # (V, 4)
    return View(attributes, raster.depth, (1 - beyond).astype(np.float32), OCCLUSION_SHARE * height, LEAST_FACING)


def _relit(picture: np.ndarray, topology: FaceTopology, view: View) -> np.ndarray:
    """The key frame (H, W, 3) in the light that falls on the half of the face turned away, which may be another.

    One factor per channel, from the skin that is seen on both halves; the fewer its pixels, the nearer to 1.
    """
    raster = rasterise(view.attributes[:, :3], topology.triangles, size=picture.shape[:2])
    own, other = (look_up(raster, topology.triangles, view.attributes[order], view)
                  for order in (slice(None), topology.mirror))
    skin = topology.parts[raster.triangle] == SKIN
    both = skin & (own.facing > RELIT_FACING) & (other.facing > own.facing)
    doubt = RELIT_DOUBT * (raster.triangle >= 0).sum()
    here, there = (_sampled(picture, sight.flow)[both].astype(np.float64) for sight in (own, other))   # (N, 3)
    common = (here.sum(0) + there.sum(0)) / max(2 * len(here), 1) + 1                                   # (3,)
    factor = (here.sum(0) + doubt * common) / (there.sum(0) + doubt * common)
    return np.rint(np.clip(picture * factor, 0, 255)).astype(np.uint8)


def _closed(mask: np.ndarray) -> np.ndarray:
    """The mask (H, W) bool without specks of a pixel or two, which the creases of the nostrils leave."""
    return cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).view(bool)


def _sampled(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """The picture (H, W, 3) at the places of a flow (H, W, 2), bilinear."""
    return cv2.remap(picture, flow - HALF_PX, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
