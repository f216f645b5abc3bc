"""Landmarks and reference frames in, frames out: the 3D-aware mesh, the motion matcher, and what composes the picture."""

from render_stage.geometry.mesh import (
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
from render_stage.geometry.motion_matcher import match, match_hard, motion_distance, pick_references
from render_stage.geometry.rasteriser import Raster, interpolate, rasterise
from render_stage.geometry.topology import EYE, MOUTH, SKIN, FaceTopology, load_topology
from render_stage.identity.face_encoder import FaceEmbedder, load_face_encoder
from render_stage.references import Reference, read_references
from render_stage.rhythmic_head.data import Guides
from render_stage.rhythmic_head.explain import layer_contributions
from render_stage.rhythmic_head.guide import Guide, GuideMaker, GuideSettings, guide_maker
from render_stage.rhythmic_head.network import Made, NetworkSettings, RendererNetwork
from render_stage.rhythmic_head.renderer import Identity, Renderer, load_renderer
from render_stage.rhythmic_head.train import RendererSettings, RendererTraining, train_renderer
from render_stage.video import RenderReport, render_video

__all__ = [
    "Raster", "interpolate", "rasterise",
    "EYE", "MOUTH", "SKIN", "FaceTopology", "load_topology",
    "Correspondence", "KeyMesh", "Projection", "choose_key_frame", "correspondence_flow", "deformed_vertices",
    "fit_mesh", "key_mesh", "posed_vertices", "project",
    "match", "match_hard", "motion_distance", "pick_references",
    "Guide", "GuideMaker", "GuideSettings", "Guides", "guide_maker",
    "Made", "NetworkSettings", "RendererNetwork", "Identity", "Renderer", "layer_contributions", "load_renderer",
    "Reference", "RenderReport", "read_references", "render_video",
    "FaceEmbedder", "load_face_encoder", "RendererSettings", "RendererTraining", "train_renderer",
]


def __dir__() -> list[str]:
    return __all__
