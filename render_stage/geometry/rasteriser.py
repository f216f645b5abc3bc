"""Which triangle of a mesh each pixel of a picture sees: an orthographic z-buffer.

Shapes: V vertices, F triangles, H W pixels, C values per vertex.
Coordinates are the landmarks': x right, y down, z smaller where nearer, and the pixel in row i and column j has its
centre at x = j + 0.5, y = i + 0.5. A triangle is seen from its front where its corners run counter-clockwise on the
screen, so that its normal (b - a) x (c - a) has a negative z: it points at the viewer. Back faces are not drawn.
"""

from typing import NamedTuple

import numpy as np

from headsync.media.caches import compiled

_LEAST_AREA_PX = 1e-6       # twice the area: thinner triangles cover nothing
_EDGE = 1e-6                # of a weight: pixels on an edge between two triangles belong to at least one of them


class View(NamedTuple):
    """A mesh as one frame shows it: which of its places that frame can tell the colour of."""

    attributes: np.ndarray  # (V, 4) float32: x, y, z, and the cosine between the surface's normal and the way to the viewer
    depth: np.ndarray       # (H, W) float32: z of the nearest surface
    trusted: np.ndarray     # (H, W) float32: 1 where the frame shows the mesh, 0 where it may show what is behind it
    tolerance: float        # z by which a place may lie behind the nearest surface and still count as on it
    least_facing: float     # cosine under which the frame shows no more than a smear


class Sight(NamedTuple):
    """Where what each pixel sees lies in the frame of a view."""

    flow: np.ndarray        # (H, W, 2) float32: x, y; 0 where no triangle is seen
    facing: np.ndarray      # (H, W) float32: cosine there; 0 where the view's frame does not show it


class Raster(NamedTuple):
    """What every pixel sees."""

    triangle: np.ndarray    # (H, W) int32, -1 where there is none
    weights: np.ndarray     # (H, W, 3) float32: shares of the triangle's corners, their sum is 1; 0 where there is none
    depth: np.ndarray       # (H, W) float32: z; infinity where there is none


def rasterise(vertices: np.ndarray, triangles: np.ndarray, *, size: tuple[int, int]) -> Raster:
    """The nearest front face (F, 3) under every pixel centre of a picture of `size` (height, width).

    Vertices (V, 3) are in its pixels. Triangles without area, out of the picture or with a corner that is not finite
    are left out; of equally near ones the first is seen. ValueError for arrays of another form.
    """
    vertices = np.ascontiguousarray(vertices, np.float64)
    triangles = np.ascontiguousarray(triangles, np.int32)
    if vertices.ndim != 2 or vertices.shape[1] != 3 or triangles.ndim != 2 or triangles.shape[1] != 3:
        raise ValueError(f"a mesh has vertices (V, 3) and triangles (F, 3), got {vertices.shape} and {triangles.shape}")
    if triangles.size and not 0 <= triangles.min() <= triangles.max() < len(vertices):
        raise ValueError(f"triangles name vertices {triangles.min()} to {triangles.max()} of {len(vertices)}")
    height, width = size
    raster = Raster(np.full((height, width), -1, np.int32), np.zeros((height, width, 3), np.float32),
                    np.full((height, width), np.inf, np.float32))
    _draw(vertices, triangles, *raster)
    return raster


def interpolate(raster: Raster, triangles: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values (V, C) of the vertices spread over the picture, (H, W, C) float32; 0 where no triangle is seen."""
    values = np.ascontiguousarray(values, np.float32)
    if values.ndim != 2:
        raise ValueError(f"values are (V, C), one row per vertex, got {values.shape}")
    spread = np.zeros((*raster.triangle.shape, values.shape[1]), np.float32)
    _spread(raster.triangle, raster.weights, np.ascontiguousarray(triangles, np.int32), values, spread)
    return spread  # (H, W, C)


def look_up(raster: Raster, triangles: np.ndarray, attributes: np.ndarray, view: View) -> Sight:
    """Where the places that a raster's pixels see, with the vertices' `attributes` (V, 4), lie in a view's frame."""
    size = raster.triangle.shape
    sight = Sight(np.zeros((*size, 2), np.float32), np.zeros(size, np.float32))
    _look_up(raster.triangle, raster.weights, np.ascontiguousarray(triangles, np.int32),
             np.ascontiguousarray(attributes, np.float32), view.depth, view.trusted,
             np.array([view.tolerance, view.least_facing], np.float32), *sight)
    return sight


@compiled()
def _draw(vertices, triangles, seen, weights, depth):
    height, width = seen.shape
    for index in range(len(triangles)):
        ax, ay, az = vertices[triangles[index, 0]]
        bx, by, bz = vertices[triangles[index, 1]]
        cx, cy, cz = vertices[triangles[index, 2]]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)    # twice it; negative for front faces, since y is down
        if not (-np.inf < area < -_LEAST_AREA_PX and np.isfinite(az + bz + cz)):
            continue
        # clipped before they become integers: a vertex may lie as far away as a float can say
        left = int(min(max(np.ceil(min(ax, bx, cx) - 0.5), 0.0), width))
        right = int(max(min(np.floor(max(ax, bx, cx) - 0.5), width - 1.0), -1.0))
        top = int(min(max(np.ceil(min(ay, by, cy) - 0.5), 0.0), height))
        bottom = int(max(min(np.floor(max(ay, by, cy) - 0.5), height - 1.0), -1.0))
        for row in range(top, bottom + 1):
            y = row + 0.5
            for column in range(left, right + 1):
                x = column + 0.5
                a = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                b = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                c = 1.0 - a - b
                if a < -_EDGE or b < -_EDGE or c < -_EDGE:
                    continue
                z = np.float32(a * az + b * bz + c * cz)
                if z < depth[row, column]:
                    depth[row, column] = z
                    seen[row, column] = index
                    weights[row, column, 0] = a
                    weights[row, column, 1] = b
                    weights[row, column, 2] = c


@compiled()
def _spread(seen, weights, triangles, values, spread):
    height, width, channels = spread.shape
    for row in range(height):
        for column in range(width):
            index = seen[row, column]
            if index < 0:
                continue
            for channel in range(channels):
                total = np.float32(0)
                for corner in range(3):
                    total += weights[row, column, corner] * values[triangles[index, corner], channel]
                spread[row, column, channel] = total


@compiled()
def _look_up(seen, weights, triangles, attributes, depth, trusted, limits, flow, facing):
    for row in range(seen.shape[0]):
        for column in range(seen.shape[1]):
            index = seen[row, column]
            if index < 0:
                continue
            x, y, z, cosine = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            for corner in range(3):
                share, vertex = weights[row, column, corner], triangles[index, corner]
                x += share * attributes[vertex, 0]
                y += share * attributes[vertex, 1]
                z += share * attributes[vertex, 2]
                cosine += share * attributes[vertex, 3]
            flow[row, column, 0] = x
            flow[row, column, 1] = y
            if (cosine > limits[1] and 0 <= x < depth.shape[1] and 0 <= y < depth.shape[0]
                    and z <= depth[int(y), int(x)] + limits[0] and _between(trusted, x, y) > 0.5):
                facing[row, column] = cosine


@compiled()
def _between(picture, x, y):
    """The picture (H, W) at a place inside it, bilinear."""
    x = min(max(x - 0.5, 0.0), picture.shape[1] - 1.0)
    y = min(max(y - 0.5, 0.0), picture.shape[0] - 1.0)
    left, top = int(x), int(y)
    right, bottom = min(left + 1, picture.shape[1] - 1), min(top + 1, picture.shape[0] - 1)
    across, down = x - left, y - top
    upper = picture[top, left] * (1 - across) + picture[top, right] * across
    lower = picture[bottom, left] * (1 - across) + picture[bottom, right] * across
    return upper * (1 - down) + lower * down
