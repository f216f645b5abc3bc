"""Landmarks and reference frames in, frames out: the 3D-aware mesh, the motion matcher, and what composes the picture."""

from render_stage.face_topology import EYE, MOUTH, SKIN, FaceTopology, load_topology
from render_stage.mesh import (
    Correspondence,
    KeyMesh,
    Projection,
    choose_key_frame,
    correspondence_flow,
    deformed_vertices,
    fit_mesh,
    key_mesh,
    posed_vertices,
    project,
)
from render_stage.motion_matcher import match, match_hard, motion_distance, pick_references
from render_stage.rasteriser import Raster, interpolate, rasterise

__all__ = [
    "Raster", "interpolate", "rasterise",
    "EYE", "MOUTH", "SKIN", "FaceTopology", "load_topology",
    "Correspondence", "KeyMesh", "Projection", "choose_key_frame", "correspondence_flow", "deformed_vertices",
    "fit_mesh", "key_mesh", "posed_vertices", "project",
    "match", "match_hard", "motion_distance", "pick_references",
]
