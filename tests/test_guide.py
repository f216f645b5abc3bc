"""What geometry says of a frame: nothing moves between equal frames, a shifted head shifts, rotations are met exactly."""

import numpy as np
import pytest

from headsync.landmarks import canonical_face, head_pose, rotation_matrix
from render_stage.geometry.topology import LANDMARKS, load_topology
from render_stage.rhythmic_head.guide import (
    CANVAS,
    COARSE,
    FEATHER_PX,
    GuideSettings,
    Pose,
    coarse_lines,
    feathered,
    guide_maker,
    head_centre,
    outline_motion,
    pixel_places,
    reference_distance,
)


@pytest.fixture(scope="module")
def topology():
    return load_topology()


def stripes(seed: int = 0) -> np.ndarray:
    """A picture (S, S, 3) uint8 of soft noise."""
    import cv2

    noise = np.random.default_rng(seed).integers(0, 256, (CANVAS, CANVAS, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


def maker_of(meshes: list[np.ndarray], topology, **settings):
    points = np.stack([mesh[LANDMARKS] for mesh in meshes])
    return guide_maker([stripes(k) for k in range(len(meshes))], points, np.stack(meshes), topology=topology,
                       settings=GuideSettings(**settings))


def turned(mesh: np.ndarray, yaw_deg: float, *, shift: tuple = (0.0, 0.0, 0.0)) -> np.ndarray:
    middle = mesh.mean(0)
    return (mesh - middle) @ rotation_matrix(np.radians([0.0, yaw_deg, 0.0])).T + middle + shift


def test_between_equal_frames_nothing_moves(topology):
    mesh = topology.average
    guide = maker_of([mesh], topology).guide(mesh[LANDMARKS], 0)
    assert np.abs(guide.flow).max() < 0.02
    inside = guide.masks[..., 0] == 255
    assert inside.sum() > 3000 and np.abs(guide.projected[inside].astype(int) - stripes()[inside]).max() <= 2
    assert guide.teacher.shape == (COARSE, COARSE) and guide.teacher.sum() > 1000


def test_a_shifted_head_takes_everything_with_it(topology):
    mesh = topology.average
    guide = maker_of([mesh], topology).guide(mesh[LANDMARKS] + (7.0, -5.0, 0.0), 0)
    assert np.abs(guide.flow - (-7.0, 5.0)).max() < 0.05


def test_the_flow_is_exact_on_a_turned_head(topology):
    """The teacher against the rotation itself: where a point of the turned surface was before it turned."""
    mesh, moved = topology.average, turned(topology.average, 17.0)
    guide = maker_of([mesh], topology).guide(moved[LANDMARKS], 0)
    from render_stage.geometry.rasteriser import interpolate, rasterise

    raster = rasterise(moved, topology.triangles, size=(CANVAS, CANVAS))
    was = interpolate(raster, topology.triangles, (mesh - moved)[:, :2])          # exact displacement of every pixel
    sampled = was.reshape(COARSE, 2, COARSE, 2, 2).mean((1, 3))
    sure = guide.teacher > 0
    assert sure.sum() > 500 and np.abs(guide.flow - sampled)[sure].max() < 0.6
    assert np.abs(guide.flow - sampled)[sure].mean() < 0.05


def test_the_matched_reference_is_itself_when_it_is_among_them(topology):
    meshes = [turned(topology.average, yaw, shift=(yaw / 5, 0, 0)) for yaw in (-23.0, 0.0, 11.0, 29.0)]
    maker = maker_of(meshes, topology)
    points = np.stack([mesh[LANDMARKS] for mesh in meshes])
    assert maker.choose(maker.poses(points)).tolist() == [0, 1, 2, 3]
    assert maker.key == 1


def test_an_open_mouth_is_matched_to_an_open_mouth():
    still = np.zeros((2, 6))
    references = Pose(still, np.array([0.0, 0.4]))
    target = Pose(still[:1], np.array([0.3]))
    assert reference_distance(target, references, mouth=1.0).argmin(1) == [1]
    assert np.ptp(reference_distance(target, references, mouth=0.0)) == 0       # the paper's distance does not care


def test_blocks_are_chosen_like_the_whole(topology):
    meshes = [turned(topology.average, yaw) for yaw in (-19.0, 3.0, 23.0)]
    maker = maker_of(meshes, topology)
    points = np.stack([turned(topology.average, yaw)[LANDMARKS] for yaw in range(-29, 30, 7)])
    whole = maker.choose(maker.poses(points))
    assert whole.tolist() == [int(maker.choose(maker.poses(points[t : t + 1]))[0]) for t in range(len(points))]


def test_the_posed_form_keeps_the_key_frames_expression(topology):
    mesh = topology.average
    opened = mesh[LANDMARKS].copy()
    opened[[*range(55, 60), *range(65, 68)], 1] += 9
    posed, deformed = (maker_of([mesh], topology, mesh=form).guide(opened, 0) for form in ("posed", "deformed"))
    assert (deformed.masks[..., 1] > 0).sum() > (posed.masks[..., 1] > 0).sum() + 50


def test_poses_at_a_known_scale_are_the_motion():
    face = canonical_face().astype(np.float64)
    motion = rotation_matrix(np.array([0.1, -0.2, 0.05]))
    pose = head_pose(((face - (3, 5, 7)) @ motion)[None], scale=1.0)
    assert np.allclose(pose.h[0], [0.1, -0.2, 0.05, 3, 5, 7], atol=1e-5)


def test_hair_goes_with_a_turned_head_and_is_not_narrowed(topology):
    """Beyond the mesh the outline's motion becomes a shift: far from the face all places move alike."""
    mesh, moved = topology.average, turned(topology.average, 23.0, shift=(11.0, 0.0, 0.0))
    flow = maker_of([mesh], topology).guide(moved[LANDMARKS], 0).flow
    shift = head_centre(mesh, topology) - head_centre(moved, topology)
    assert np.abs(flow[:4, 4:-4] - shift).max() < 0.6 and abs(shift[0]) > 5
    near = flow[COARSE // 2, :, 0]
    assert np.ptp(near) > 4                         # on and near the face it turns


def test_a_heads_centre_lies_behind_its_face(topology):
    mesh = topology.average
    middle = mesh[topology.outline].mean(0)
    straight = head_centre(mesh, topology)
    assert np.allclose(straight, middle[:2], atol=1e-6)
    assert np.allclose(head_centre(2 * mesh + (3, 5, 7), topology), 2 * straight + (3, 5), atol=1e-6)
    aside = head_centre(turned(mesh, 30.0), topology)
    nose = turned(mesh, 30.0)[LANDMARKS[30]] - mesh[LANDMARKS[30]]
    assert (aside - straight)[0] * nose[0] < 0      # a turned head's nose goes one way, its back the other


def test_outline_motion_is_affine():
    rng = np.random.default_rng(3)
    target = rng.uniform(60, 200, (31, 2))
    matrix, shift = np.array([[0.1, -0.05], [0.2, 0.03]]), np.array([4.0, -9.0])
    found = outline_motion(target, target + target @ matrix + shift)
    places = pixel_places((COARSE, COARSE)) * (CANVAS / COARSE)
    assert np.allclose(found, places @ matrix + shift, atol=1e-3)


def test_edges_fall_softly_inside_only():
    mask = np.zeros((CANVAS, CANVAS), bool)
    mask[50:120, 70:160] = True
    soft = feathered(mask)
    assert (soft[~mask] == 0).all() and soft[85, 115] == 255
    assert 0 < soft[50, 115] < 255 and (np.diff(soft[50 : 50 + FEATHER_PX // 2 + 1, 115].astype(int)) > 0).all()


def test_lines_are_drawn_on_the_coarse_map():
    lines = coarse_lines(canonical_face())
    assert lines.shape == (COARSE, COARSE) and set(np.unique(lines)) == {0, 1}


def test_settings_that_cannot_be():
    with pytest.raises(ValueError, match="mouth must be"):
        GuideSettings(mouth=-1.0)
