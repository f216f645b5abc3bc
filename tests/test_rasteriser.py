"""Every pixel centre sees the nearest front face over it, whatever lies about in the mesh."""

import numpy as np
import pytest

from render_stage.geometry.rasteriser import View, interpolate, look_up, rasterise

CORNER = np.array([[0, 0, 0], [0, 4, 0], [4, 0, 0]], np.float64)    # counter-clockwise on a screen whose y points down
FACE = np.array([[0, 1, 2]])


def grid(cells: int, size: float, *, seed: int = 0, shaken: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A square of `size` pixels in (cells + 1)^2 vertices, its inner ones moved about, and its front faces."""
    x, y = np.meshgrid(np.linspace(0, size, cells + 1), np.linspace(0, size, cells + 1))
    vertices = np.stack([x, y, np.zeros_like(x)], axis=2)
    vertices[1:-1, 1:-1, :2] += shaken * np.random.default_rng(seed).uniform(-1, 1, (cells - 1, cells - 1, 2))
    number = np.arange((cells + 1) ** 2).reshape(cells + 1, cells + 1)
    here, right, below, across = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    faces = np.stack([np.stack([here, below, right], -1), np.stack([right, below, across], -1)])
    return vertices.reshape(-1, 3), faces.reshape(-1, 3)


def centres(height: int, width: int) -> np.ndarray:
    """Where the pixels' centres lie, (H, W, 2) as x, y."""
    return np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=2)


def test_a_triangle_covers_the_pixels_whose_centres_it_holds():
    seen = rasterise(CORNER, FACE, size=(5, 7)).triangle
    expected = np.full((5, 7), -1)
    for row in range(4):
        expected[row, : 4 - row] = 0            # the centres of the last ones lie on the long edge
    assert (seen == expected).all()


def test_the_screen_is_seen_from_in_front():
    assert (rasterise(CORNER, FACE[:, ::-1], size=(5, 7)).triangle == -1).all()
    assert (rasterise(CORNER * [1, -1, 1] + [0, 4, 0], FACE, size=(5, 7)).triangle == -1).all()     # a mirror image
    assert (rasterise(CORNER, np.roll(FACE, 1, axis=1), size=(5, 7)).triangle == 0).sum() == 10


def test_weights_and_depth_belong_to_the_centre():
    vertices = np.array([[-3.7, 1.3, 5.0], [4.1, 30.2, -2.0], [28.9, -2.2, 11.0]])
    raster = rasterise(vertices, FACE, size=(23, 29))
    seen = raster.triangle == 0
    assert 200 < seen.sum() < seen.size
    assert np.allclose(raster.weights[seen].sum(1), 1, atol=1e-6) and (raster.weights[seen] > -1e-5).all()
    assert np.allclose((raster.weights @ vertices)[seen][:, :2], centres(23, 29)[seen], atol=1e-4)
    assert np.allclose(raster.depth[seen], (raster.weights @ vertices)[seen][:, 2], atol=1e-4)
    assert np.isinf(raster.depth[~seen]).all() and (raster.weights[~seen] == 0).all()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nearer_face_hides_the_other(order):
    vertices = np.concatenate([CORNER, CORNER + [0, 0, 2]])
    vertices[3:, 2] -= 3 * (vertices[3:, 0] > 2)                    # the second comes nearer to the right
    raster = rasterise(vertices, np.array([[0, 1, 2], [3, 4, 5]])[list(order)], size=(5, 5))
    first = order.index(0)
    assert raster.triangle[0, 0] == first and raster.triangle[0, 3] == 1 - first
    assert np.isclose(raster.depth[0, 0], 0) and np.isclose(raster.depth[0, 3], 2 - 3 * 3.5 / 4)


def test_of_equally_near_faces_the_first_is_seen():
    faces = np.array([[0, 1, 2], [3, 4, 5], [0, 1, 2]])
    assert set(np.unique(rasterise(np.concatenate([CORNER, CORNER]), faces, size=(5, 5)).triangle)) == {-1, 0}


@pytest.mark.parametrize(("size", "shaken"), [(24.0, 0.0), (23.5, 0.9), (19.3, 0.7)])
def test_a_surface_has_no_gaps(size, shaken):
    vertices, faces = grid(12, size, shaken=shaken)                 # in the first, edges run through pixel centres
    seen = rasterise(vertices, faces, size=(29, 31)).triangle >= 0
    assert (seen == (centres(29, 31) <= size).all(2)).all()


def test_surfaces_turned_by_any_angle_have_no_gaps():
    vertices, faces = grid(17, 1.0)
    for angle in np.linspace(0.1, 3, 23):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        placed = np.concatenate([20 * (vertices[:, :2] - 0.5) @ turn.T + 15.5, vertices[:, 2:]], axis=1)
        seen = rasterise(placed, faces, size=(31, 31)).triangle >= 0
        inside = np.abs((centres(31, 31) - 15.5) @ turn).max(2)
        assert seen[inside < 9.999].all() and not seen[inside > 10.001].any()


def test_a_ball_shows_its_near_half():
    angle, height = np.meshgrid(np.linspace(0, 2 * np.pi, 61), np.linspace(0, np.pi, 31))
    around = np.stack([np.sin(height) * np.cos(angle), -np.cos(height), np.sin(height) * np.sin(angle)], -1)
    number = np.arange(31 * 61).reshape(31, 61)
    here, right, below, across = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((here, below, right), (right, below, across))])
    raster = rasterise(20 * around.reshape(-1, 3) + [23.5, 23.5, 7], faces, size=(47, 47))
    radius = np.linalg.norm(centres(47, 47) - 23.5, axis=2)
    assert (raster.triangle[radius < 19.5] >= 0).all() and (raster.triangle[radius > 20] < 0).all()
    inside = radius < 17
    assert np.allclose(raster.depth[inside], 7 - np.sqrt(400 - radius[inside] ** 2), atol=0.2)


@pytest.mark.parametrize("corner", [
    [0, 0, 0], [0, 4, 0], [0, 2, 0], [np.nan, 0, 0], [4, 0, np.nan], [np.inf, 0, 0], [4, 0, -np.inf], [1e200, 1e200, 0],
])
def test_what_is_no_triangle_is_left_out(corner):
    vertices = np.concatenate([CORNER, CORNER[:2], [corner]])
    raster = rasterise(vertices, np.array([[3, 4, 5], [0, 1, 2]]), size=(5, 7))
    assert (raster.triangle >= 0).sum() >= 10 and (raster.triangle[0, :4] >= 0).all() and np.isfinite(raster.weights).all()
    if not np.isfinite(corner).all() or corner[0] == 0:
        assert set(np.unique(raster.triangle)) == {-1, 1}


def test_faces_off_the_canvas_do_no_harm():
    for shift in ([-5, 0, 0], [0, -5, 0], [8, 0, 0], [0, 6, 0], [1e15, 0, 0], [0, -1e15, 0]):
        assert (rasterise(CORNER + shift, FACE, size=(5, 7)).triangle == -1).all()
    assert (rasterise(1e9 * CORNER - [1e8, 1e8, 0], FACE, size=(5, 7)).triangle == 0).all()
    assert (rasterise(CORNER, np.zeros((0, 3), int), size=(5, 7)).triangle == -1).all()


def test_inputs_stay_as_they_are_and_results_repeat():
    vertices, faces = grid(7, 21.3, shaken=0.9)
    kept = vertices.copy()
    one, two = (rasterise(vertices, faces, size=(23, 23)) for _ in range(2))
    assert (vertices == kept).all() and all((a == b).all() for a, b in zip(one, two))


def test_linear_values_stay_linear():
    vertices, faces = grid(5, 23.7, shaken=1.3)
    values = vertices[:, :2] @ [[2.0, -1.0, 0.5], [0.3, 4.0, -7.0]] + [1, 2, 3]
    raster = rasterise(vertices, faces, size=(29, 31))
    spread, seen = interpolate(raster, faces, values), raster.triangle >= 0
    expected = centres(29, 31) @ [[2.0, -1.0, 0.5], [0.3, 4.0, -7.0]] + [1, 2, 3]
    assert np.allclose(spread[seen], expected[seen], atol=1e-3) and (spread[~seen] == 0).all()


def view_of(vertices: np.ndarray, faces: np.ndarray, *, facing: float = 1.0) -> View:
    depth = rasterise(vertices, faces, size=(29, 31)).depth
    attributes = np.concatenate([vertices, np.full((len(vertices), 1), facing)], axis=1).astype(np.float32)
    return View(attributes, depth, np.ones_like(depth), tolerance=0.5, least_facing=0.2)


def test_what_moved_is_found_where_it_was():
    vertices, faces = grid(5, 19.0, shaken=1.3)
    view = view_of(vertices, faces, facing=0.7)
    raster = rasterise(vertices + [7, 3, 0], faces, size=(29, 31))
    flow, facing = look_up(raster, faces, view.attributes, view)
    seen = raster.triangle >= 0
    assert seen.sum() == 19 * 19 and np.allclose(flow[seen], (centres(29, 31) - [7, 3])[seen], atol=1e-4)
    assert np.allclose(facing[seen], 0.7) and (facing[~seen] == 0).all() and (flow[~seen] == 0).all()


def test_what_the_view_does_not_show_is_not_seen():
    vertices, faces = grid(5, 19.0)
    raster = rasterise(vertices, faces, size=(29, 31))
    view = view_of(vertices, faces)
    left = np.s_[:19, :9]

    def seen(view: View) -> np.ndarray:
        return look_up(raster, faces, view.attributes, view).facing > 0

    assert seen(view).sum() == 19 * 19
    hidden = view.depth.copy()
    hidden[left] -= 0.6                                             # something stands before it, beyond the tolerance
    trusted = view.trusted.copy()
    trusted[left] = 0
    for other in (view._replace(depth=hidden), view._replace(trusted=trusted)):
        assert not seen(other)[left].any() and seen(other)[:19, 9:19].all()
    assert seen(view._replace(depth=np.where(hidden < view.depth, view.depth - 0.4, view.depth))).sum() == 19 * 19
    assert not seen(view._replace(least_facing=1.1)).any()


@pytest.mark.parametrize(("shift", "still"), [
    ((-9, 0), np.s_[:19, 9:19]), ((0, -7), np.s_[7:19, :19]), ((21, 0), np.s_[:19, :10]), ((0, 17), np.s_[:12, :19]),
])
def test_what_lies_off_the_view_s_frame_is_not_seen(shift, still):
    vertices, faces = grid(5, 19.0)
    view = view_of(vertices, faces)._replace(depth=np.zeros((29, 31), np.float32))
    raster = rasterise(vertices, faces, size=(29, 31))
    seen = look_up(raster, faces, view.attributes + np.array([*shift, 0, 0]), view).facing > 0
    assert seen[still].all() and seen.sum() == seen[still].size


@pytest.mark.parametrize(("vertices", "faces", "told"), [
    (CORNER[:, :2], FACE, "vertices"), (CORNER, FACE[0], "triangles"), (CORNER, FACE + 1, "of 3"), (CORNER, FACE - 1, "-1 to"),
])
def test_other_forms_are_refused(vertices, faces, told):
    with pytest.raises(ValueError, match=told):
        rasterise(vertices, faces, size=(5, 7))


def test_values_of_another_form_are_refused():
    with pytest.raises(ValueError, match="one row per vertex"):
        interpolate(rasterise(CORNER, FACE, size=(5, 7)), FACE, np.zeros(3))
