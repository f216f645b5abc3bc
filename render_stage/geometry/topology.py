"""How the 468 vertices of MediaPipe's face mesh hang together: triangles, holes, mirror pairs, and an average face.

Shapes: V = 468 vertices, F triangles, L = 68 landmarks.
Remake the data: python -m render_stage.geometry.make_face_mesh --data CORPUS --out render_stage/face_mesh.npz
Source: MediaPipe 0.10.14 publishes the mesh's edges (`FACEMESH_TESSELATION`); its triangles follow from them.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from itertools import combinations

import numpy as np
from scipy import sparse
from scipy.optimize import linear_sum_assignment
from scipy.sparse.linalg import splu

from headsync.landmarks import GROUPS, MEDIAPIPE_TO_IBUG68, MIRROR

VERTICES = 468
SKIN, EYE, MOUTH = 0, 1, 2          # parts: the skin's own triangles; what closes the holes of the eyes and of the mouth
EYE_CORNERS = ((33, 133), (362, 263))
MOUTH_CORNERS = (78, 308)
LANDMARKS = np.array(MEDIAPIPE_TO_IBUG68)
LANDMARKS.flags.writeable = False
DIGEST = "d2e019d5ab016ef53b3fd7c31be7245d300d1b9284bb571e922d9274af83dd8b"

TENSION = 0.3                       # of the plate that spreads displacements; larger: less smooth, less overshoot
JAW_WEIGHT, LANDMARK_WEIGHT = 1.0, 1e4
LEAST_COTANGENT = 1e-3              # keeps the plate one piece across obtuse corners


@dataclass(frozen=True, eq=False)
class FaceTopology:
    """What all faces share."""

    triangles: np.ndarray   # (F, 3) int32, counter-clockwise as seen from in front
    parts: np.ndarray       # (F,) int8: SKIN, EYE or MOUTH
    mirror: np.ndarray      # (V,) int32: the vertex at the same place of the other half; twice is identity
    average: np.ndarray     # (V, 3) float64: an average face in the place of `landmarks.canonical_face`
    spread: np.ndarray      # (V, L) float64: displacements of the landmarks to displacements of all vertices
    outline: np.ndarray     # (n,) int64: the vertices round the whole, in order


def load_topology() -> FaceTopology:
    """The shipped topology; load it once, some milliseconds. ValueError when its file was tampered with."""
    shipped = resources.files("render_stage.geometry") / "face_mesh.npz"
    with shipped.open("rb") as file, np.load(file, allow_pickle=False) as data:
        triangles, parts, mirror, average = (data[name] for name in ("triangles", "parts", "mirror", "average"))
    found = topology_digest(triangles, parts, mirror, average)
    if found != DIGEST:
        raise ValueError(f"face_mesh.npz has SHA-256 {found[:12]}..., expected {DIGEST[:12]}...; install headsync again")
    triangles, average = triangles.astype(np.int32), average.astype(np.float64)
    return FaceTopology(triangles, parts, mirror.astype(np.int32), average,
                        landmark_spread(average, triangles[parts != MOUTH]),
                        np.array(max(boundary_loops(triangles), key=len)))


def topology_digest(*arrays: np.ndarray) -> str:
    """SHA-256 of arrays, in hexadecimal digits."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def triangles_of(edges: Iterable[tuple[int, int]]) -> np.ndarray:
    """Skin triangles (F, 3) int16 of a mesh's edges, sorted by their corners and turned to the front.

    Every three vertices that are joined pairwise, except where each of their edges has two triangles without them:
    such a ring of three encloses others. ValueError when the rest is no surface or cannot be turned alike.
    """
    edges = {tuple(sorted(edge)) for edge in edges}
    near: dict[int, set[int]] = {}
    for a, b in edges:
        near.setdefault(a, set()).add(b)
        near.setdefault(b, set()).add(a)
    cliques = sorted({tuple(sorted((a, b, c))) for a, b in edges for c in near[a] & near[b]})
    uses = Counter(pair for clique in cliques for pair in combinations(clique, 2))
    faces = [clique for clique in cliques if not all(uses[pair] == 3 for pair in combinations(clique, 2))]
    uses = Counter(pair for face in faces for pair in combinations(face, 2))
    if set(uses) != edges or max(uses.values()) > 2:
        raise ValueError(f"the edges are no surface: {len(edges)} edges, {len(uses)} with triangles, "
                         f"at most {max(uses.values())} at one")
    return np.array(sorted(_turned(faces)), np.int16)  # (F, 3)


def _turned(faces: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The faces, all turned like the one at the jaw, where the landmarks run counter-clockwise round the face."""
    at_edge: dict[frozenset, list[int]] = {}
    for number, face in enumerate(faces):
        for pair in combinations(face, 2):
            at_edge.setdefault(frozenset(pair), []).append(number)
    first, second = int(LANDMARKS[0]), int(LANDMARKS[1])
    start = at_edge[frozenset((first, second))][0]
    third = next(vertex for vertex in faces[start] if vertex not in (first, second))
    turned, open_ends = {start: (first, second, third)}, [start]
    while open_ends:
        face = turned[open_ends.pop()]
        for a, b in zip(face, face[1:] + face[:1]):
            for number in at_edge[frozenset((a, b))]:
                if number not in turned:
                    third = next(vertex for vertex in faces[number] if vertex not in (a, b))
                    turned[number] = (b, a, third)
                    open_ends.append(number)
    directed = Counter(pair for face in turned.values() for pair in zip(face, face[1:] + face[:1]))
    if len(turned) < len(faces) or max(directed.values()) > 1:
        raise ValueError("the triangles are not one surface with two sides")
    return [min((face, face[1:] + face[:1], face[2:] + face[:2])) for face in turned.values()]


def boundary_loops(triangles: np.ndarray) -> list[list[int]]:
    """The vertices round each hole and round the whole, each loop in the direction that closes it with front faces."""
    directed = {(int(a), int(b)) for face in triangles for a, b in zip(face, np.roll(face, -1))}
    following = {b: a for a, b in directed if (b, a) not in directed}
    loops = []
    while following:
        loop = [min(following)]
        while loop[-1] in following:
            loop.append(following.pop(loop[-1]))
        loops.append(loop[:-1])
    return loops


def hole_filling(loop: list[int], corners: tuple[int, int]) -> np.ndarray:
    """Triangles (n - 2, 3) int16 that close a loop of n vertices as a strip from one corner to the other.

    Upper and lower lid (or lip) are joined where they meet when they close. ValueError for corners that do not halve it.
    """
    n = len(loop)
    start = loop.index(corners[0])
    ring = loop[start:] + loop[:start]
    if n % 2 or ring[n // 2] != corners[1]:
        raise ValueError(f"corners {corners} do not halve the loop of {n} vertices {loop}")
    faces = []
    for step in range(n // 2):
        here, there = ring[step], ring[-step]       # ring[-0] is the first corner itself
        after, behind = ring[step + 1], ring[-step - 1]
        faces += [(here, after, behind)] if after != behind else []
        faces += [(here, behind, there)] if here != there else []
    return np.array(faces, np.int16)  # (n - 2, 3)


def mirror_pairs(average: np.ndarray) -> np.ndarray:
    """For each vertex (V,) int16 of an average face (V, 3) the one at its place in the other half.

    By place, since six edges of MediaPipe's mesh are not their own mirror image. ValueError for a face too skew to tell.
    """
    middle = average[LANDMARKS, 0].mean()
    reflected = average * [-1, 1, 1] + [2 * middle, 0, 0]
    distance = np.linalg.norm(reflected[:, None] - average[None], axis=2)       # (V, V)
    pairs = linear_sum_assignment(distance)[1].astype(np.int16)
    if (pairs[pairs] != np.arange(len(pairs))).any() or (pairs[LANDMARKS] != LANDMARKS[MIRROR]).any():
        raise ValueError("the average face is too skew to pair its halves; give more people")
    return pairs  # (V,)


def landmark_spread(average: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """How the displacements of the landmarks move all vertices: (V, L), to be applied to x, y and z alike.

    The displacement field x of least energy x' (B + s K) x + sum of w (x - d)^2 at the landmarks, on the average face: a
    thin plate (B = K A^-1 K, smooth at the landmarks) under tension (K, cotangent Laplacian, keeps the forehead, which has
    no landmarks, from running away). A displacement common to all landmarks moves all vertices by as much.
    The jaw's points pull less, and are met to about two thirds: the detector slides them along the silhouette as the head
    turns, and what they are moved by is then no motion of the skin. On real clips a larger weight shows the same pictures,
    a tenth of it slightly worse ones.
    """
    stiffness, area = laplacian(average, triangles)
    plate = stiffness @ sparse.diags(1 / area) @ stiffness + TENSION * stiffness
    weights = np.full(len(LANDMARKS), LANDMARK_WEIGHT)
    weights[list(GROUPS["jaw"])] = JAW_WEIGHT
    pull = sparse.coo_matrix((weights, (LANDMARKS, np.arange(len(LANDMARKS)))), shape=(len(average), len(LANDMARKS)))
    held = sparse.coo_matrix((weights, (LANDMARKS, LANDMARKS)), shape=stiffness.shape)
    return splu((plate + held).tocsc()).solve(pull.toarray())  # (V, L)


def laplacian(vertices: np.ndarray, triangles: np.ndarray) -> tuple[sparse.csr_matrix, np.ndarray]:
    """The cotangent Laplacian (V, V) of a mesh, positive semidefinite, and the area (V,) round each vertex."""
    rows, columns, values, area = [], [], [], np.zeros(len(vertices))
    for corner in range(3):
        start, end, opposite = np.roll(triangles, -corner, axis=1).T
        one, other = vertices[start] - vertices[opposite], vertices[end] - vertices[opposite]
        across = np.linalg.norm(np.cross(one, other), axis=1)               # (F,) twice the triangle's area
        cotangent = np.maximum((one * other).sum(1) / np.maximum(across, 1e-9), LEAST_COTANGENT) / 2
        rows, columns, values = [*rows, start, end], [*columns, end, start], [*values, cotangent, cotangent]
        np.add.at(area, start, across / 6)
    shape = (len(vertices), len(vertices))
    weights = sparse.coo_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape).tocsr()
    return sparse.diags(np.asarray(weights.sum(1)).ravel()) - weights, area
