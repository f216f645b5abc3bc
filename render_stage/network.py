"""The renderer's networks together: flows move the key frame and the matched reference, the hybrid embedding says how
the person looks, the composition draws.

Shapes: B samples, K references, S = 256 canvas pixels, G = 128 pixels of the guide's coarse maps.
Source: Rhythmic Head section 4, figure 3.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from render_stage.composition import Composition, CompositionSettings
from render_stage.data import Guides
from render_stage.flow_network import FlowNetwork, FlowSettings, Moved
from render_stage.guide import CANVAS, COARSE, GuideSettings
from render_stage.hybrid_embedding import Appearance, EmbeddingSettings, HybridEmbedding, MeanEmbedding, References
from render_stage.layers import resized, warp

MATCHED_CHANNELS, PROJECTED_CHANNELS, SHOWN_CHANNELS = 15, 9, 5
PERSON_CHANNELS = 2         # more that the matched picture's flow network sees where there is a backdrop
FRONT_GAIN = 10.0           # of the moved map of the person, as a logit from -5 to 5
PRIOR_UNIT_PX = 16.0
PREFERENCE = 2.0            # logit by which the projected face is preferred where it is visible, to begin with


@dataclass(frozen=True)
class NetworkSettings:
    """Sizes of all parts, and what an ablation leaves out. The defaults are the published method's."""

    matched_flow: FlowSettings = field(default_factory=FlowSettings)
    projected_flow: FlowSettings = field(default_factory=FlowSettings)
    embedding: EmbeddingSettings = field(default_factory=EmbeddingSettings)
    composition: CompositionSettings = field(default_factory=CompositionSettings)
    guide: GuideSettings = field(default_factory=GuideSettings)
    aware: bool = True          # of three dimensions: the projected key frame and the head's motion are shown
    hybrid: bool = True         # embedding; else references are averaged and write no weights
    warping: bool = True        # else the pictures are shown as they are
    backdrop: bool = False      # ours: where no person is moved to, the painted background is seen and stands still

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


class Window(NamedTuple):
    """A square part of the canvas, in its pixels."""

    top: int
    left: int
    side: int

    def of(self, x: Tensor) -> Tensor:
        """The window of maps (B, C, N, N) that cover the canvas with N places a side."""
        top, left, side = (one * x.shape[-1] // CANVAS for one in self)
        return x[:, :, top : top + side, left : left + side]


WHOLE = Window(0, 0, CANVAS)


class Placed(NamedTuple):
    """The two pictures where the flows put them, in a window of `side` pixels."""

    anchor: Tensor          # (B, 3, side, side): both put together
    matched: Tensor         # (B, 3, side, side), warped, before the backdrop where there is one
    projected: Tensor       # (B, 3, side, side), warped
    masks: Tensor           # (B, 2, side, side), the projected picture's, warped with it
    believed: Tensor        # (B, 1, side, side): its share of the anchor
    moved: Moved            # the matched picture's
    refined: Moved          # the projected picture's
    front: Tensor | None    # (B, 1, side, side): where the matched picture's person hides the backdrop; None: there is none


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
        self.composition = Composition(composition, appearance=embedding.channels[-1], shown=SHOWN_CHANNELS,
                                       written=embedding.fusion if settings.hybrid else ())

    def references(self, pictures: Tensor, lines: Tensor) -> References:
        """Once for an identity, from references' pictures (B, K, 3, S, S) and landmark images (B, K, 1, G, G)."""
        side = CANVAS // self.settings.embedding.stride
        small, drawn = (resized(one.flatten(0, 1), side).unflatten(0, one.shape[:2]) for one in (pictures, lines))
        return self.embedding.references(small, drawn)

    def forward(self, held: References | Appearance, guides: Guides, window: Window = WHOLE) -> Made:
        """The picture of each target frame, or of a window of it: training need not draw everything."""
        placed, composition = self.placed(guides, window), self.settings.composition
        appearance = self.appearance(held, guides.lines)
        front, mask = placed.front, resized(window.of(torch.sigmoid(placed.moved.mask)), window.side)
        front = resized(window.of(placed.moved.share), window.side) if front is None else front
        matched = torch.cat([placed.matched, front, mask], 1)
        lines = window.of(resized(guides.lines, CANVAS // (composition.patch * composition.label_stride)))
        projected = torch.cat([placed.projected, placed.masks], 1)
        bottom = window.of(appearance.bottom)
        picture = self.composition(bottom, (projected, matched), lines, appearance.matrices, placed.anchor)
        return Made(picture, placed, appearance)

    def appearance(self, held: References | Appearance, lines: Tensor) -> Appearance:
        """The references brought together for landmark images (B, 1, G, G); of one reference it is known once and for all."""
        if isinstance(held, Appearance):
            return held
        return self.embedding(held, resized(lines, CANVAS // self.settings.embedding.stride))

    @property
    def step_px(self) -> int:
        """Windows begin and end at multiples of so many pixels: one place of the appearance."""
        return self.settings.composition.patch << len(self.settings.composition.channels) - 1

    def placed(self, guides: Guides, window: Window = WHOLE) -> Placed:
        """What the flow networks make of the guides, in a window."""
        guides = guides if self.settings.aware else without_mesh(guides)
        moved, refined = self.flows(guides)
        matched, person, projected, masks = self.warped(guides, moved, refined, window)
        front = None
        if self.settings.backdrop:
            front = torch.sigmoid(FRONT_GAIN * (person - 0.5) + resized(window.of(moved.front), window.side))
            matched = torch.lerp(window.of(guides.backdrop), matched, front)
        preference = torch.sigmoid(resized(window.of(refined.mask - moved.mask), window.side) + PREFERENCE)
        believed = masks[:, :1] * preference                                                    # (B, 1, side, side)
        return Placed(torch.lerp(matched, projected, believed), matched, projected, masks, believed, moved, refined,
                      front)

    def flows(self, guides: Guides) -> tuple[Moved, Moved]:
        """How the matched and the projected picture are to be moved."""
        carried = resized(torch.cat([guides.matched, guides.person], 1), COARSE)            # (B, 4, G, G)
        carried = warp(carried, guides.flow * (COARSE / CANVAS))
        all_shown = [guides.lines, guides.matched_lines, guides.matched, guides.projected, guides.masks, carried[:, :3],
                     guides.flow / PRIOR_UNIT_PX]
        if self.settings.backdrop:
            all_shown += [guides.person, carried[:, 3:]]
        side = CANVAS // self.settings.matched_flow.stride
        moved = self.matched_flow(torch.cat([resized(one, side) for one in all_shown], 1), guides.flow)
        side = CANVAS // self.settings.projected_flow.stride
        shown = (guides.lines, guides.projected, guides.masks, carried[:, :3])
        refined = self.projected_flow(torch.cat([resized(one, side) for one in shown], 1), torch.zeros_like(guides.flow))
        return moved, refined

    def warped(self, guides: Guides, moved: Moved, refined: Moved, window: Window) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As the flows move them, each (B, C, side, side): the matched picture, its person, the projected one, its masks."""
        front, both = torch.cat([guides.matched, guides.person], 1), torch.cat([guides.projected, guides.masks], 1)
        if self.settings.warping:
            corner = (window.top, window.left)
            front, both = (warp(one, resized(window.of(flow.displacement), window.side), corner)
                           for one, flow in ((front, moved), (both, refined)))
        else:
            front, both = window.of(front), window.of(both)
        return front[:, :3], front[:, 3:], both[:, :3], both[:, 3:]


def without_mesh(guides: Guides) -> Guides:
    """The guides without what the 3D-aware module says."""
    return guides._replace(projected=torch.zeros_like(guides.projected), masks=torch.zeros_like(guides.masks),
                           flow=torch.zeros_like(guides.flow))
