"""Rhythmic Head's renderer: the 3D-aware module, the hybrid embedding, the non-linear composition."""

from render_stage.rhythmic_head.explain import layer_contributions
from render_stage.rhythmic_head.guide import Guide, GuideMaker, GuideSettings, guide_maker
from render_stage.rhythmic_head.inputs import Guides
from render_stage.rhythmic_head.network import Made, NetworkSettings, RendererNetwork
from render_stage.rhythmic_head.renderer import Identity, RhythmicHead, load_rhythmic_head

__all__ = [
    "layer_contributions", "Guide", "GuideMaker", "GuideSettings", "guide_maker", "Guides", "Made", "NetworkSettings",
    "RendererNetwork", "Identity", "RhythmicHead", "load_rhythmic_head",
]
