"""The 68 landmarks: groups that cover them once, a mirror that swaps sides, indices that exist on the mesh."""

from itertools import pairwise

import numpy as np
import pytest

from headsync.landmarks.canonical import canonical_face
from headsync.landmarks.layouts import CONTOURS, GROUPS, IBUG68, MEDIAPIPE_TO_IBUG68, MIRROR, RIGID17, RIGID27, layout_size

SIDES = {"right_brow": "left_brow", "right_eye": "left_eye"}
OWN_MIRROR = ("jaw", "bridge", "nostrils", "outer_lip", "inner_lip", "mouth")


def test_groups_cover_every_landmark_once():
    indices = [index for name, group in GROUPS.items() if name != "mouth" for index in group]
    assert indices == list(range(layout_size(IBUG68)))
    assert GROUPS["mouth"] == GROUPS["outer_lip"] + GROUPS["inner_lip"]


def test_contours_draw_every_group_and_close_what_is_round():
    assert sorted(index for indices, _ in CONTOURS for index in indices) == list(range(68))
    assert {indices[0] for indices, closed in CONTOURS if closed} == {36, 42, 48, 60}


def test_the_mirror_is_an_involution_that_swaps_sides():
    assert np.array_equal(MIRROR[MIRROR], np.arange(68))
    for name in OWN_MIRROR:
        assert set(MIRROR[list(GROUPS[name])]) == set(GROUPS[name])
    for right, left in SIDES.items():
        assert set(MIRROR[list(GROUPS[right])]) == set(GROUPS[left])


def test_the_mirror_leaves_exactly_the_middle_in_place():
    assert np.flatnonzero(MIRROR == np.arange(68)).tolist() == [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]


def test_the_mirror_keeps_neighbours_neighbours():
    edges = set()
    for indices, closed in CONTOURS:
        around = (*indices, indices[0]) if closed else indices
        edges |= {frozenset(edge) for edge in pairwise(around)}
    assert {frozenset(MIRROR[list(edge)].tolist()) for edge in edges} == edges


def test_the_mirror_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        MIRROR[0] = 1


def test_right_is_the_persons_own():
    face = canonical_face()
    for right, left in SIDES.items():
        assert face[list(GROUPS[right]), 0].max() < face[list(GROUPS[left]), 0].min()


def test_rigid_points_are_the_papers():
    assert RIGID27 == (*range(1, 6), *range(11, 16), 17, 21, 22, 26, *range(27, 36), 36, 39, 42, 45)
    assert len(RIGID27) == 27 and len(RIGID17) == 17
    assert set(RIGID17) == set(RIGID27) - set(GROUPS["jaw"])
    assert set(MIRROR[list(RIGID27)]) == set(RIGID27), "a lopsided choice would turn the head of a mirrored clip"


def test_mesh_indices_are_68_different_vertices():
    assert len(set(MEDIAPIPE_TO_IBUG68)) == 68
    assert 0 <= min(MEDIAPIPE_TO_IBUG68) and max(MEDIAPIPE_TO_IBUG68) < 468


def test_an_unknown_layout_is_named():
    with pytest.raises(ValueError, match="'wflw98'.*ibug68"):
        layout_size("wflw98")
