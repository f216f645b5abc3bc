"""Landmarks and reference frames in, frames out: the renderer's contract, the renderers, and what they share."""

from render_stage.contract import Drive, Renderer, check_renderer
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
from render_stage.identity.embedder import load_embedder
from render_stage.identity.face_encoder import FaceEmbedder, load_face_encoder
from render_stage.identity.mobile_face_net import FaceRecogniser, IdentityLoss, MobileFaceNet, load_mobile_face_net
from render_stage.pc_avs.renderer import PcAvsRenderer, load_pc_avs
from render_stage.pose_source import PoseSource, held_motion, video_motion
from render_stage.references import Reference, read_references
from render_stage.registry import RENDERERS, RendererKind, load_renderer
from render_stage.video import RenderReport, render_video

__all__ = [
    "Drive", "Renderer", "check_renderer", "RENDERERS", "RendererKind", "load_renderer",
    "Reference", "RenderReport", "read_references", "render_video",
    "Raster", "interpolate", "rasterise",
    "EYE", "MOUTH", "SKIN", "FaceTopology", "load_topology",
    "Correspondence", "KeyMesh", "Projection", "choose_key_frame", "correspondence_flow", "deformed_vertices",
    "fit_mesh", "key_mesh", "posed_vertices", "project",
    "match", "match_hard", "motion_distance", "pick_references",
    "FaceEmbedder", "load_face_encoder",
    "PcAvsRenderer", "load_pc_avs", "PoseSource", "held_motion", "video_motion",
    "FaceRecogniser", "IdentityLoss", "MobileFaceNet", "load_embedder", "load_mobile_face_net",
]


def __dir__() -> list[str]:
    return __all__
