"""Training of the renderer: flows first, then everything, then against discriminators; kept by pictures of people never
trained on.

Shapes: B samples, K references, S = 256 canvas pixels, G = 128 pixels of the guide's coarse maps.
Source: Rhythmic Head sections 4 and 5.1; method/rhythmic_head.md#losses-and-optimisation.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from headsync.corpus import NEEDS, Corpus, require
from headsync.experiment import (
    DiscriminatorInput,
    Parts,
    RunSettings,
    StepLosses,
    TrainReport,
    batch_generator,
    counting_weights,
    equal_share,
    first_before_others,
    is_first,
    own_rows,
    train_task,
)
from headsync.media import checked
from render_stage.clip_frames import ClipFrames, read_clip_frames
from render_stage.geometry.topology import load_topology
from render_stage.nn.discriminator import ADVERSARIAL_TERMS, DiscriminatorSettings, picture_adversary
from render_stage.nn.layers import resized
from render_stage.perceptual import load_perceptual
from render_stage.rhythmic_head.data import Batch, MaterialSettings, draw_batch
from render_stage.rhythmic_head.guide import CANVAS
from render_stage.rhythmic_head.network import NetworkSettings, RendererNetwork
from render_stage.rhythmic_head.objective import FLOW_TERMS, LossWeights, loss_terms
from render_stage.rhythmic_head.placing import Placed, Window
from render_stage.rhythmic_head.renderer import load_network, save_network
from render_stage.rhythmic_head.validate import Validator

WEIGHT_FILE = "renderer.safetensors"


@dataclass(frozen=True)
class RendererSettings:
    """A whole training."""

    network: NetworkSettings
    discriminator: DiscriminatorSettings
    material: MaterialSettings
    weights: LossWeights
    perceptual: str         # the shipped face encoder, its weight file, or a VGG19 file
    begin_with: str         # weights to begin with: a shipped renderer or a weight file of the same form
    flows_until: int        # steps in which only the flow networks learn
    adversarial_from: int   # step from which the discriminators count
    window: int             # pixels a side of the part of each picture that is drawn in training
    frames_jobs: int        # processes that unpack videos, once
    run: RunSettings

    def __post_init__(self):
        if self.flows_until < 0 or self.adversarial_from < 0:
            raise ValueError(f"flows_until and adversarial_from must be 0 or more, got {self.flows_until} and "
                             f"{self.adversarial_from}")
        if self.weights.front and not self.network.backdrop:
            raise ValueError("weights.front needs a backdrop; set weights.front=0 or network.backdrop=true")


class RendererStep(NamedTuple):
    """What a step needs."""

    drawn: Batch
    window: Window          # the part of each picture that is drawn


class RendererTask:
    """Rhythmic Head's networks as a `Task`."""

    def __init__(self, settings: RendererSettings, clips: Sequence[ClipFrames], validator: Validator | None):
        self.settings, self.clips, self.validator = settings, clips, validator
        equal_share(settings.run.batch)

    def build(self) -> Parts:
        """The networks, or earlier weights, and the discriminators and perceptual loss that count."""
        settings, weights = self.settings, self.settings.weights
        self.network = RendererNetwork(settings.network)
        if settings.begin_with:
            self._begin_with(load_network(settings.begin_with).with_close_up(None))
        self.network.to(memory_format=torch.channels_last)
        self.batch = DrawnBatches(self.clips, settings, self.network.step_px)
        adversary = picture_adversary(settings.discriminator, counting_weights(weights))
        self.perceptual = load_perceptual(settings.perceptual) if weights.perceptual else None
        return Parts(self.network, adversary=adversary, frozen=[self.perceptual] if self.perceptual else [])

    def _begin_with(self, earlier: RendererNetwork) -> None:
        if earlier.settings != self.settings.network:
            raise ValueError(f"the renderer in {self.settings.begin_with} has another form; choose the preset that it has")
        self.network.load_state_dict(earlier.state_dict())

    def weights(self, step: int) -> dict[str, float]:
        """The weights that are not 0 and count at this step."""
        return self.settings.weights.counting(flows_only=step < self.settings.flows_until,
                                              adversarial=step >= self.settings.adversarial_from)

    def losses(self, batch: RendererStep, wanted: Collection[str]) -> StepLosses:
        """The terms that need no discriminator; those are shown the window's pictures, where they count."""
        drawn, window = batch
        picture, placed = self._made(drawn, window, drawing=bool(set(wanted) - set(FLOW_TERMS)))
        inputs = None
        if set(wanted) & set(ADVERSARIAL_TERMS):
            inputs = DiscriminatorInput(picture, window.of(drawn.target), (window.of(shown_beside(drawn)),))
        return StepLosses(loss_terms(picture, window, placed, drawn, wanted, self.perceptual), discriminator_input=inputs)

    def _made(self, batch: Batch, window: Window, *, drawing: bool) -> tuple[Tensor | None, Placed]:
        """The window's pictures (B, 3, side, side), None where only the flow networks are asked, and what flows put there."""
        if not drawing:
            return None, self.network.placed(batch.guides, window)
        made = self.network(self.network.references(batch.references, batch.reference_lines), batch.guides, window)
        return made.picture, made.placed

    def metrics(self, model: RendererNetwork, *, step: int) -> dict[str, float]:
        """Validation metrics on people never trained on; writes a sheet."""
        return self.validator.figures(model, step=step, precision=self.settings.run.precision)

    def finish(self, model: RendererNetwork, out: Path) -> Path:
        """The weight file `out`/renderer.safetensors."""
        return save_network(out / WEIGHT_FILE, model)


class DrawnBatches:
    """Batches by the step's number, with the window that is drawn; of several processes each draws its own samples.

    Workers are given this alone, without the networks.
    """

    def __init__(self, clips: Sequence[ClipFrames], settings: RendererSettings, step_px: int):
        self.clips, self.settings, self.step_px, self.topology = clips, settings, step_px, load_topology()
        self.rows = own_rows(settings.run.batch)

    def __call__(self, step: int) -> RendererStep:
        run = self.settings.run
        generator = batch_generator(run.seed, step)
        drawn = draw_batch(self.clips, run.batch, settings=self.settings.material, guide=self.settings.network.guide,
                           topology=self.topology, generator=generator, rows=self.rows)
        side = min(self.settings.window, CANVAS)
        top, left = (self.step_px * torch.randint((CANVAS - side) // self.step_px + 1, (2,), generator=generator)).tolist()
        return RendererStep(drawn, Window(top, left, side))


def shown_beside(batch: Batch) -> Tensor:
    """What discriminators see beside a picture (B, 5, S, S): the target's lines, the matched reference's lines, it itself."""
    guides = batch.guides
    return torch.cat([resized(torch.cat([guides.lines, guides.matched_lines], 1), CANVAS), guides.matched], 1)


@checked
def train_renderer(corpus: Corpus, out: str | Path, settings: RendererSettings) -> TrainReport:
    """The renderer trained on the corpus's train people and kept by its pictures of its val people.

    Goes on where an earlier call stopped. The averaged weights of the best validation become `out`/renderer.safetensors;
    sheets of samples lie in `out`/sheets. ValueError, before any work, when the corpus is not enough.

    >>> import headsync
    >>> settings = headsync.load_settings("renderer", "tiny", "run.steps=1")
    >>> headsync.train_renderer(headsync.open_corpus("faces"), "runs/renderer", settings).weights.name
    'renderer.safetensors'
    """
    require(corpus, NEEDS["renderer"])
    with first_before_others():     # it packs frames
        material = settings.material
        clips, val = (read_clip_frames(corpus, split, stride=material.stride, pool=material.pool, pooled=material.pooled,
                                       jobs=settings.frames_jobs) for split in ("train", "val"))
    validator = Validator(val, settings.network.guide, sheets=Path(out) / "sheets" if is_first() else None)
    return train_task(RendererTask(settings, clips, validator), out)
