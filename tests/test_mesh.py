"""Faces keep their colours when posed, bent and projected, and what the key frame does not show is distinguished.

Most colours are made from the average face's own coordinates, so that a pixel tells which place it shows.
"""

from collections import Counter
from itertools import combinations

import cv2
import numpy as np
import pytest

import render_stage.geometry.topology
from headsync.landmarks import GROUPS, MIRROR, RIGID27, HeadPose, canonical_face, head_pose, rotation_matrix
from render_stage.geometry.make_face_mesh import average_mesh, closed_triangles
from render_stage.geometry.mesh import (
    choose_key_frame,
    correspondence_flow,
    deformed_vertices,
    fit_mesh,
    key_mesh,
    posed_vertices,
    project,
)
from render_stage.geometry.rasteriser import interpolate, rasterise
from render_stage.geometry.topology import (
    EYE,
    EYE_CORNERS,
    JAW_WEIGHT,
    LANDMARK_WEIGHT,
    LANDMARKS,
    MOUTH,
    SKIN,
    TENSION,
    boundary_loops,
    hole_filling,
    laplacian,
    load_topology,
    mirror_pairs,
    triangles_of,
)

SIZE = (257, 251)
LOWER_LIP = [*range(55, 60), *range(65, 68)]


@pytest.fixture(scope="module")
def topology():
    return load_topology()


def edges_of(triangles: np.ndarray) -> set[tuple[int, int]]:
    return {tuple(sorted(map(int, pair))) for face in triangles for pair in combinations(face, 2)}


def turned(vertices: np.ndarray, yaw_deg: float, *, shift: tuple = (0, 0, 0), axis: int = 1) -> np.ndarray:
    """A mesh looking aside, turned about its middle."""
    vector = np.zeros(3)
    vector[axis] = np.radians(yaw_deg)
    return (vertices - vertices.mean(0)) @ rotation_matrix(vector).T + vertices.mean(0) + shift


def painted(vertices: np.ndarray, topology, *, symmetric: bool = False) -> np.ndarray:
    """The mesh (V, 3) drawn (H, W, 3) uint8 in colours of its places on the average face, on black."""
    places = topology.average - topology.average.min(0)
    if symmetric:
        places[:, 0] = np.abs(places[:, 0] - np.ptp(topology.average[:, 0]) / 2) * 2
    colours = 30 + 200 * places / np.ptp(topology.average, axis=0)
    raster = rasterise(vertices, topology.triangles, size=SIZE)
    return np.rint(interpolate(raster, topology.triangles, colours)).astype(np.uint8)


def opened(vertices: np.ndarray, topology, by_px: float) -> np.ndarray:
    """The landmarks (L, 3) of a mesh with its lower lip let down."""
    points = vertices[LANDMARKS].copy()
    points[LOWER_LIP, 1] += by_px
    return points


# --- topology


def test_the_skin_is_a_disc_with_three_holes(topology):
    skin = topology.triangles[topology.parts == SKIN]
    uses = Counter(pair for face in skin for pair in combinations(sorted(face.tolist()), 2))
    assert sorted(set(uses.values())) == [1, 2]
    assert 468 - len(uses) + len(skin) == 1 - 3                     # Euler: V - E + F
    assert sorted(map(len, boundary_loops(skin))) == [16, 16, 20, 36]


def test_eyes_and_mouth_close_it(topology):
    assert Counter(topology.parts.tolist()) == {SKIN: 852, EYE: 28, MOUTH: 18}
    directed = Counter((int(a), int(b)) for face in topology.triangles for a, b in zip(face, np.roll(face, -1)))
    assert max(directed.values()) == 1                              # all turned alike
    (border,) = boundary_loops(topology.triangles)
    assert len(border) == 36 and {127, 152, 356, 10} <= set(border)     # ear, chin, ear, forehead
    eyes = set(np.unique(topology.triangles[topology.parts == EYE]).tolist())
    assert {LANDMARKS[i] for i in (*GROUPS["right_eye"], *GROUPS["left_eye"])} <= eyes and len(eyes) == 32
    assert {LANDMARKS[i] for i in GROUPS["inner_lip"]} <= set(np.unique(topology.triangles[topology.parts == MOUTH]))


def test_the_average_face_looks_at_the_viewer(topology):
    a, b, c = np.moveaxis(topology.average[topology.triangles], 1, 0)
    assert (np.cross(b - a, c - a)[:, 2] < 0).all()
    assert np.abs(topology.average[LANDMARKS] - canonical_face()).max() < 3


def test_the_halves_are_mirror_images(topology):
    assert (topology.mirror[topology.mirror] == np.arange(468)).all()
    assert (topology.mirror[LANDMARKS] == LANDMARKS[MIRROR]).all()
    middle = topology.average[[10, 152], 0].mean()
    reflected = topology.average[topology.mirror] * [-1, 1, 1] + [2 * middle, 0, 0]
    assert np.allclose(reflected, topology.average, atol=1e-3)


def test_triangles_follow_from_edges(topology):
    skin = topology.triangles[topology.parts == SKIN]
    assert (triangles_of(edges_of(skin)) == skin).all()
    triangles, parts = closed_triangles(edges_of(skin))
    assert (triangles == topology.triangles).all() and (parts == topology.parts).all()


def test_edges_that_are_no_surface_are_refused(topology):
    edges = edges_of(topology.triangles[topology.parts == SKIN])
    with pytest.raises(ValueError, match="no surface"):
        triangles_of(edges | {(10, 152)})


def test_a_hole_is_closed_between_its_corners():
    assert hole_filling([5, 6, 7, 8, 9, 4], (5, 8)).tolist() == [[5, 6, 4], [6, 7, 9], [6, 9, 4], [7, 8, 9]]
    with pytest.raises(ValueError, match="do not halve"):
        hole_filling([5, 6, 7, 8, 9, 4], (5, 9))


def test_lids_are_joined_to_the_lids_that_they_meet(topology):
    eye = topology.triangles[topology.parts == EYE]
    for corners in EYE_CORNERS:
        pairs = {pair for pair in edges_of(eye) if not set(pair) & set(corners)}
        assert any({159, 145} == set(pair) for pair in pairs) or any({386, 374} == set(pair) for pair in pairs)


def test_a_changed_file_is_refused(monkeypatch):
    monkeypatch.setattr(render_stage.geometry.topology, "DIGEST", "0" * 64)
    with pytest.raises(ValueError, match="install headsync again"):
        load_topology()


def test_mirror_pairs_need_a_face(topology):
    assert (mirror_pairs(topology.average) == topology.mirror).all()
    with pytest.raises(ValueError, match="too skew"):
        mirror_pairs(topology.average @ rotation_matrix([0, 0, 0.3]).T)


def test_the_average_is_over_people_and_knows_no_camera(topology):
    rng = np.random.default_rng(3)
    one, two = topology.average.copy(), topology.average.copy()
    one[10] += [3, 0, 0]                                            # the top of the forehead, no landmark
    clips = [1.7 * np.stack([turned(face, yaw) for yaw in (0, 5, -7)]) + rng.normal(0, 9, 3) for face in (one, two, two)]
    mean = average_mesh([clips[:1], clips[1:]])
    rigid = LANDMARKS[list(RIGID27)]
    assert np.abs(mean[rigid] - topology.average[rigid]).max() < 1
    alone = average_mesh([clips[1:]])
    assert np.allclose((mean - alone)[10], [1.5, 0, 0], atol=0.01) and np.abs(np.delete(mean - alone, 10, 0)).max() < 1e-3


# --- displacements


def test_a_common_shift_moves_all(topology):
    assert np.allclose(topology.spread.sum(1), 1)


def test_landmarks_move_as_told_and_the_jaw_nearly_so(topology):
    at_landmarks = topology.spread[LANDMARKS]
    assert np.abs(at_landmarks[17:, 17:] - np.eye(51)).max() < 1e-2
    own = np.diag(at_landmarks)[:17]
    assert (0.5 < own).all() and (own < 0.97).all()


def test_displacements_stay_near_and_in_their_half(topology):
    tip = topology.spread[:, 30]
    far = np.linalg.norm(topology.average - topology.average[LANDMARKS[30]], axis=1)
    assert np.abs(tip[far > 45]).max() < 0.02 and np.argmax(tip) == LANDMARKS[30]
    assert np.abs(topology.spread).max() < 1.4
    assert np.abs(topology.spread[topology.mirror][:, MIRROR] - topology.spread).max() < 0.1    # six edges differ
    lower = topology.spread[:, LOWER_LIP].sum(1)
    assert np.abs(lower[[0, 13, 80, 81, 311]]).max() < 0.08 and lower[[17, 178, 402]].min() > 0.8   # the upper lip stays


def test_displacements_have_the_least_energy(topology):
    skin = topology.triangles[topology.parts != MOUTH]
    weights = np.where(np.arange(68) < 17, JAW_WEIGHT, LANDMARK_WEIGHT)
    stiffness, area = laplacian(topology.average, skin)
    told = np.random.default_rng(3).standard_normal(68)
    found = topology.spread @ told
    bent = stiffness @ found
    slope = stiffness @ (bent / area) + TENSION * bent              # half the gradient of the energy
    slope[LANDMARKS] += weights * (found[LANDMARKS] - told)
    assert np.abs(slope).max() < 1e-6 * np.abs(stiffness @ (bent / area)).max()


# --- key frames and vertices


def test_the_key_frame_is_the_one_turned_least():
    h = np.zeros((5, 6))
    h[:, 0], h[:, 1], h[:, 2] = [0.3, 0.1, -0.1, 0, 0], [0, -0.2, 0.1, 0.25, 0], [0, 0, -0.02, 0, 0.4]
    h[:, 3:] = 100 * np.arange(5)[:, None]
    assert choose_key_frame(h) == 2
    assert choose_key_frame(h, np.array([True, True, False, True, True])) == 3
    with pytest.raises(ValueError, match="none shows a face"):
        choose_key_frame(h, np.zeros(5, bool))


def poses(frames: int, scale: float) -> HeadPose:
    rng = np.random.default_rng(5)
    return HeadPose(np.concatenate([0.3 * rng.standard_normal((frames, 3)), 17 * rng.standard_normal((frames, 3))], 1), scale)


def test_posing_is_equation_1(topology):
    pose = poses(3, 0.8)
    picture = np.zeros((*SIZE, 3), np.uint8)
    vertices = topology.average + np.random.default_rng(7).standard_normal((468, 3))
    key = key_mesh(picture, vertices, topology=topology, pose=HeadPose(pose.h[:1], 0.8))
    found = posed_vertices(key, pose)
    matrix, shift = pose.rotation, pose.h[:, 3:]
    for t in range(3):
        expected = np.linalg.inv(matrix[t]) @ (matrix[0] @ vertices.T * 0.8 + (shift[0] - shift[t])[:, None]) / 0.8
        assert np.allclose(found[t], expected.T, atol=1e-3)
    assert np.allclose(found[0], vertices, atol=1e-3)


def test_another_clip_s_scale_sizes_the_head(topology):
    key = key_mesh(np.zeros((*SIZE, 3), np.uint8), topology.average, topology=topology)
    target = 0.61 * turned(topology.average, 20) + [13, -5, 2]
    found = posed_vertices(key, head_pose(target[None, LANDMARKS]))[0]
    assert np.abs(found - target).max() < 0.5


def test_bent_meshes_meet_the_landmarks(topology):
    key = key_mesh(np.zeros((*SIZE, 3), np.uint8), topology.average, topology=topology)
    points = np.stack([opened(turned(topology.average, yaw), topology, 7) for yaw in (-11, 0, 23)])
    found = deformed_vertices(key, points)
    assert found.shape == (3, 468, 3)
    assert np.abs(found[:, LANDMARKS[17:]] - points[:, 17:]).max() < 0.1
    rest = np.abs(found - np.stack([turned(topology.average, yaw) for yaw in (-11, 0, 23)]))
    assert rest[:, [10, 67, 297, 1]].max() < 0.5                    # forehead and nose tip know nothing of it


def test_nothing_to_bend_leaves_the_pose(topology):
    key = key_mesh(np.zeros((*SIZE, 3), np.uint8), topology.average, topology=topology)
    pose = poses(3, 1.1)
    posed = posed_vertices(key, pose)
    assert np.abs(deformed_vertices(key, posed[:, LANDMARKS], pose) - posed).max() < 1e-4


def test_a_mesh_is_fitted_to_68_points(topology):
    placed = 1.3 * turned(topology.average, 17, shift=(5, -9, 3))
    assert np.abs(fit_mesh(placed[LANDMARKS], topology) - placed).max() < 1e-6
    points = opened(placed, topology, 9)
    assert np.abs(fit_mesh(points, topology)[LANDMARKS[17:]] - points[17:]).max() < 0.2


# --- projection


def test_the_key_frame_projected_onto_itself_is_itself(topology):
    picture = np.random.default_rng(3).integers(0, 256, (*SIZE, 3), np.uint8)
    shown = project(key_mesh(picture, topology.average, topology=topology), topology.average)
    assert (shown.picture[shown.visible] == picture[shown.visible]).mean() > 0.99 and (shown.picture[~shown.visible] == 0).all()
    column, row = np.meshgrid(np.arange(SIZE[1]) + 0.5, np.arange(SIZE[0]) + 0.5)
    assert np.abs(shown.flow[shown.visible] - np.stack([column, row], 2)[shown.visible]).max() < 1e-3
    covered = shown.raster.triangle >= 0
    assert shown.visible.sum() > 0.97 * (covered & ~shown.mouth).sum() and not (shown.visible & ~covered).any()


def test_a_moved_head_takes_its_pixels_along(topology):
    picture = np.random.default_rng(3).integers(0, 256, (*SIZE, 3), np.uint8)
    shown = project(key_mesh(picture, topology.average, topology=topology), topology.average + [7, -3, 0])
    moved = np.roll(picture, (-3, 7), (0, 1))
    assert (shown.picture[shown.visible] == moved[shown.visible]).mean() > 0.99


@pytest.mark.parametrize("yaw", [-35, -12, 19, 40])
def test_a_turned_head_shows_the_right_places(topology, yaw):
    key = key_mesh(painted(topology.average, topology), topology.average, topology=topology)
    target = turned(topology.average, yaw, shift=(9, 4, 0))
    shown, truth = project(key, target), painted(target, topology)
    assert np.percentile(np.abs(shown.picture.astype(int) - truth)[shown.visible], 98) <= 3     # the border mixes with black
    assert shown.visible.sum() > 0.8 * ((shown.raster.triangle >= 0) & ~shown.mouth).sum()


def test_flow_tells_where_the_colours_come_from(topology):
    key = key_mesh(painted(topology.average, topology), topology.average, topology=topology)
    shown = project(key, turned(topology.average, 21))
    column, row = np.floor(np.moveaxis(shown.flow[shown.visible], 1, 0)).astype(int)
    assert np.median(np.abs(key.picture[row, column].astype(int) - shown.picture[shown.visible])) <= 2


def test_an_open_mouth_is_a_hole_and_no_stretched_lip(topology):
    key = key_mesh(np.full((*SIZE, 3), 200, np.uint8), topology.average, topology=topology)
    closed, wide = (project(key, deformed_vertices(key, opened(topology.average, topology, by)[None])[0]) for by in (0, 13))
    assert wide.mouth.sum() > closed.mouth.sum() + 200
    assert not (wide.mouth & wide.visible).any() and (wide.picture[wide.mouth] == 0).all()
    row, column = np.argwhere(wide.mouth).mean(0)
    points = opened(topology.average, topology, 13)[list(GROUPS["inner_lip"])]
    assert abs(column + 0.5 - points[:, 0].mean()) < 1 and abs(row + 0.5 - points[:, 1].mean()) < 2.5


def test_the_hidden_half_is_hidden_unless_mirrored(topology):
    source = turned(topology.average, 40)
    picture = painted(source, topology, symmetric=True)
    half, whole = (key_mesh(picture, source, topology=topology, mirrored=mirrored) for mirrored in (False, True))
    truth = painted(topology.average, topology, symmetric=True)
    one, two = (project(key, topology.average) for key in (half, whole))
    face = (one.raster.triangle >= 0) & ~one.mouth
    assert one.visible.sum() < 0.8 * face.sum() and two.visible.sum() > 0.93 * face.sum()
    for shown in (one, two):
        error = np.abs(shown.picture.astype(int) - truth).max(2)[shown.visible]
        assert np.percentile(error, 99) <= 12
    assert (two.visible | ~one.visible).all()
    left = np.arange(SIZE[1]) < topology.average[:, 0].mean()
    sides = [(one.visible & side).sum() / (face & side).sum() for side in (left, ~left)]
    assert max(sides) > 0.9 and min(sides) < 0.6


@pytest.mark.parametrize(("yaw", "least_px"), [(40, 2000), (15, 200)])
def test_only_what_is_hidden_is_mirrored(topology, yaw, least_px):
    source = turned(topology.average, yaw)
    picture = painted(source, topology)                             # the halves differ in colour
    one, two = (project(key_mesh(picture, source, topology=topology, mirrored=mirrored), topology.average)
                for mirrored in (False, True))
    middle = round(2 * topology.average[[10, 152], 0].mean())       # the place that the first column is mirrored to
    column = np.arange(SIZE[1])
    partner = np.zeros(SIZE, bool)
    partner[:, column] = one.visible[:, np.clip(middle - 1 - column, 0, SIZE[1] - 1)]
    alone = one.visible & (cv2.dilate(partner.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0)
    assert alone.sum() > least_px
    assert np.abs(two.picture.astype(int) - one.picture)[alone].max() <= 1 and np.allclose(two.flow[alone], one.flow[alone])


def test_flow_leads_to_the_mirrored_place_too(topology):
    source = turned(topology.average, -40)
    key = key_mesh(painted(source, topology, symmetric=True), source, topology=topology, mirrored=True)
    shown = project(key, topology.average)
    carried = cv2.remap(key.picture, shown.flow - np.float32(0.5), None, cv2.INTER_LINEAR)
    error = np.abs(carried.astype(int) - shown.picture).max(2)[shown.visible]
    assert np.percentile(error, 95) <= 6


def test_the_lent_half_is_lit_like_the_half_that_borrows(topology):
    source = turned(topology.average, 30)
    picture = painted(source, topology, symmetric=True)
    x = interpolate(rasterise(source, topology.triangles, size=SIZE), topology.triangles, topology.average[:, :1])[..., 0]
    far = (x < topology.average[[10, 152], 0].mean()) == (source[127, 2] > source[356, 2])      # by the depth of the ears
    picture[far] = np.rint(0.6 * picture[far])
    one, two = (project(key_mesh(picture, source, topology=topology, mirrored=mirrored), topology.average)
                for mirrored in (False, True))
    filled = two.visible & ~one.visible
    truth = painted(topology.average, topology, symmetric=True)
    ratio = two.picture[filled].astype(float).sum() / truth[filled].sum()
    assert filled.sum() > 500 and 0.55 < ratio < 0.72


@pytest.mark.parametrize(("yaw", "mirrored"), [(0, False), (-20, False), (30, True), (-31, True)])
def test_far_turned_key_frames_are_mirrored(topology, yaw, mirrored):
    picture = np.zeros((*SIZE, 3), np.uint8)
    key = key_mesh(picture, turned(topology.average, yaw), topology=topology)
    assert (key.lent is not None) == mirrored


def test_background_at_the_far_outline_is_not_taken_for_skin(topology):
    source = turned(topology.average, 40)
    picture = painted(source, topology)
    picture[cv2.erode((picture > 0).any(2).astype(np.uint8), np.ones((5, 5), np.uint8)) == 0] = (255, 0, 255)
    shown = project(key_mesh(picture, source, topology=topology, mirrored=False), topology.average)
    background = (np.abs(shown.picture.astype(int) - (255, 0, 255)).max(2) < 40) & shown.visible    # (H, W)
    brow, lip, nose = topology.average[LANDMARKS[[19, 57, 30]]].astype(int)
    far = np.s_[brow[1] : lip[1], : nose[0]]
    assert not background[far].any() and shown.visible[far].sum() > 700
    near = np.s_[brow[1] : lip[1], nose[0] :]
    assert shown.visible[near].sum() > 0.97 * ((shown.raster.triangle >= 0) & ~shown.mouth)[near].sum()


# --- correspondence


@pytest.mark.parametrize(("first", "second"), [(0, 25), (-25, 10), (35, -15)])
def test_correspondence_carries_one_frame_into_the_other(topology, first, second):
    source, target = turned(topology.average, first), turned(topology.average, second, shift=(-7, 5, 0))
    flow, visible = correspondence_flow(source, target, size=SIZE, topology=topology)
    carried = cv2.remap(painted(source, topology), flow - np.float32(0.5), None, cv2.INTER_LINEAR)
    error = np.abs(carried.astype(int) - painted(target, topology)).max(2)[visible]
    assert np.percentile(error, 99) <= 10 and visible.sum() > 6000


def test_correspondence_leaves_out_eyes_mouth_and_what_either_hides(topology):
    target = topology.average
    raster = rasterise(target, topology.triangles, size=SIZE)
    flow, visible = correspondence_flow(target, target, size=SIZE, topology=topology)
    assert set(np.unique(topology.parts[raster.triangle[visible]])) == {SKIN} and not visible[raster.triangle < 0].any()
    assert (flow[raster.triangle < 0] == 0).all()
    hidden = correspondence_flow(turned(target, 50), target, size=SIZE, topology=topology).visible
    assert hidden.sum() < 0.7 * visible.sum()
    beyond = correspondence_flow(target + [-target[:, 0].mean(), 0, 0], target, size=SIZE, topology=topology).visible
    assert 0.4 * visible.sum() < beyond.sum() < 0.6 * visible.sum()         # half of the source is off the canvas


# --- refusals


@pytest.mark.parametrize(("picture", "vertices", "told"), [
    (np.zeros((7, 5, 3), np.uint8), np.zeros((467, 3)), "467"),
    (np.zeros((7, 5, 3), np.uint8), np.full((468, 3), np.nan), "finite"),
    (np.zeros((7, 5), np.uint8), np.zeros((468, 3)), "uint8"),
    (np.zeros((7, 5, 3)), np.zeros((468, 3)), "float64"),
])
def test_what_is_no_key_frame_is_refused(topology, picture, vertices, told):
    with pytest.raises(ValueError, match=told):
        key_mesh(picture, vertices, topology=topology)


def test_a_key_frame_has_one_pose(topology):
    with pytest.raises(ValueError, match="one pose, got 3"):
        key_mesh(np.zeros((7, 5, 3), np.uint8), topology.average, topology=topology, pose=poses(3, 1.0))
