"""The renderer's networks together: flows move the key frame and the matched reference, the hybrid embedding says how
the person looks, the composition draws.

Shapes: B samples, K references, S = 256 canvas pixels, G = 128 pixels of the guide's coarse maps.
Source: Rhythmic Head section 4, figure 3.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from render_stage.close_up.network import CloseUpNetwork, CloseUpSettings
from render_stage.nn.layers import resized, warp
from render_stage.rhythmic_head.composition import BlockWeights, Composition, CompositionSettings
from render_stage.rhythmic_head.flow_network import FlowNetwork, FlowSettings, Moved
from render_stage.rhythmic_head.guide import CANVAS, COARSE, GuideSettings
from render_stage.rhythmic_head.hybrid_embedding import (
    Appearance,
    EmbeddingSettings,
    HybridEmbedding,
    MeanEmbedding,
    References,
)
from render_stage.rhythmic_head.inputs import Guides
from render_stage.rhythmic_head.placing import SEEN_CHANNELS, WHOLE, Placed, Window, place

MATCHED_CHANNELS, PROJECTED_CHANNELS = 15, 9
PERSON_CHANNELS = 2         # more that the matched picture's flow network sees where there is a backdrop
PRIOR_UNIT_PX = 16.0


@dataclass(frozen=True)
class NetworkSettings:
    """Sizes of all parts, and what an ablation leaves out."""

    matched_flow: FlowSettings
    projected_flow: FlowSettings
    embedding: EmbeddingSettings
    composition: CompositionSettings
    guide: GuideSettings = field(default_factory=GuideSettings)
    aware: bool = True          # of three dimensions: the projected key frame and the head's motion are shown
    hybrid: bool = True         # embedding; else references are averaged and write no weights
    warping: bool = True        # else the pictures are shown as they are
    backdrop: bool = True       # ours: where no person is moved to, the painted background is seen and stands still
    close_up: CloseUpSettings | None = None     # of the network that draws the mouth again; trained after the others

    def __post_init__(self):
        if not self.hybrid and self.composition.adaptive:
            raise ValueError("without the hybrid embedding nothing writes weights; set composition.adaptive=[]")
        rows = tuple(self.composition.label[level] for level in self.composition.adaptive)
        if self.hybrid and rows != self.embedding.fusion:
            raise ValueError(f"the fusion network writes rows for {self.embedding.fusion} landmark channels, the composition's "
                             f"adaptive levels have {rows}; make them equal")
        at_bottom = CANVAS // self.embedding.stride >> len(self.embedding.channels) - 1
        drawn_from = CANVAS // self.composition.patch >> len(self.composition.channels) - 1
        if at_bottom != drawn_from:
            raise ValueError(f"the embedding ends at {at_bottom} pixels a side and the composition begins at {drawn_from}; "
                             "change the number of channels, stride or patch")


class Known(NamedTuple):
    """References brought together, and the composition's weights that this writes."""

    appearance: Appearance
    weights: list[BlockWeights]


class Made(NamedTuple):
    """A picture and what led to it."""

    picture: Tensor         # (B, 3, side, side) in [0, 1], but for what an anchored composition overshoots
    placed: Placed
    appearance: Appearance


class RendererNetwork(nn.Module):
    """Everything that is trained."""

    def __init__(self, settings: NetworkSettings):
        super().__init__()
        self.settings = settings
        embedding, composition = settings.embedding, settings.composition
        self.matched_flow = FlowNetwork(MATCHED_CHANNELS + PERSON_CHANNELS * settings.backdrop, settings.matched_flow,
                                        layered=settings.backdrop)
        self.projected_flow = FlowNetwork(PROJECTED_CHANNELS, settings.projected_flow)
        self.embedding = HybridEmbedding(embedding) if settings.hybrid else MeanEmbedding(embedding)
        self.composition = Composition(composition, appearance=embedding.channels[-1], shown=SEEN_CHANNELS,
                                       written=embedding.fusion if settings.hybrid else ())
        self.close_up = CloseUpNetwork(settings.close_up) if settings.close_up else None

    def with_close_up(self, close_up: CloseUpNetwork | None) -> "RendererNetwork":
        """A copy whose mouths another network draws again, or none."""
        made = RendererNetwork(replace(self.settings, close_up=close_up.settings if close_up else None))
        own = {name: one for name, one in self.state_dict().items() if not name.startswith("close_up.")}
        drawn = {f"close_up.{name}": one for name, one in close_up.state_dict().items()} if close_up else {}
        made.load_state_dict(own | drawn)
        return made

    def references(self, pictures: Tensor, lines: Tensor) -> References:
        """Once for an identity, from references' pictures (B, K, 3, S, S) and landmark images (B, K, 1, G, G)."""
        side = CANVAS // self.settings.embedding.stride
        small, drawn = (resized(one.flatten(0, 1), side).unflatten(0, one.shape[:2]) for one in (pictures, lines))
        return self.embedding.references(small, drawn)

    def forward(self, held: References | Known, guides: Guides, window: Window = WHOLE) -> Made:
        """The picture of each target frame, or of a window of it: training need not draw everything."""
        placed, composition = self.placed(guides, window), self.settings.composition
        appearance, weights = held if isinstance(held, Known) else self.known(held, guides.lines)
        lines = window.of(resized(guides.lines, CANVAS // (composition.patch * composition.label_stride)))
        picture = self.composition(window.of(appearance.bottom), (placed.seen_projected, placed.seen_matched), lines, weights,
                                   placed.anchor)
        return Made(picture, placed, appearance)

    def known(self, references: References, lines: Tensor) -> Known:
        """The references brought together for landmark images (B, 1, G, G); of one reference they say the same for all."""
        appearance = self.embedding(references, resized(lines, CANVAS // self.settings.embedding.stride))
        return Known(appearance, self.composition.weights(appearance.matrices))

    @property
    def step_px(self) -> int:
        """Windows begin and end at multiples of so many pixels: one place of the appearance."""
        return self.settings.composition.patch << len(self.settings.composition.channels) - 1

    def placed(self, guides: Guides, window: Window = WHOLE) -> Placed:
        """What the flow networks make of the guides, in a window."""
        guides = guides if self.settings.aware else without_mesh(guides)
        return place(guides, *self.flows(guides), window, warping=self.settings.warping)

    def flows(self, guides: Guides) -> tuple[Moved, Moved]:
        """How the matched and the projected picture are to be moved."""
        matched = guides.matched_coarse
        projected = torch.cat([guides.projected, guides.masks], 1)                          # (B, 5, S, S)
        carried = warp(matched, guides.flow * (COARSE / CANVAS))
        person = (matched[:, 3:], carried[:, 3:]) if self.settings.backdrop else ()
        side = CANVAS // self.settings.matched_flow.stride
        shown = (guides.lines, guides.matched_lines, matched[:, :3], projected, carried[:, :3], guides.flow / PRIOR_UNIT_PX,
                 *person)
        moved = self.matched_flow(torch.cat([resized(one, side) for one in shown], 1), guides.flow)
        side = CANVAS // self.settings.projected_flow.stride
        shown = (guides.lines, projected, carried[:, :3])
        refined = self.projected_flow(torch.cat([resized(one, side) for one in shown], 1), torch.zeros_like(guides.flow))
        return moved, refined


def without_mesh(guides: Guides) -> Guides:
    """The guides without what the 3D-aware module says."""
    return guides._replace(projected=torch.zeros_like(guides.projected), masks=torch.zeros_like(guides.masks),
                           flow=torch.zeros_like(guides.flow))
