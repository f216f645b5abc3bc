"""Training of PC-AVS in the paper's stages: people and landmarks, then one content for lips and sound, then all together.

Shapes: B clips, L frames of each, m of them targets, P pixels a side.
Source: PC-AVS section 3.4, method/pc_avs.md#losses-and-optimisation, method/decisions.md#pc-avs.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from headsync.corpus import NEEDS, Corpus, require
from headsync.experiment import (
    DiscriminatorInput,
    Parts,
    RunSettings,
    StepLosses,
    TrainReport,
    counting_weights,
    equal_share,
    first_before_others,
    is_first,
    train_task,
)
from headsync.landmarks.detection import CANVAS_PX
from headsync.media import checked
from render_stage.nn.discriminator import ADVERSARIAL_TERMS, DiscriminatorSettings, picture_adversary
from render_stage.nn.losses import gradient_loss, mouth_weight, reconstruction_loss, ssim_loss
from render_stage.pc_avs.material import DrawnBatches, PcAvsBatch, PcAvsMaterialSettings, SpokenClip, read_material
from render_stage.pc_avs.network import PcAvs, PcAvsSettings, Person
from render_stage.pc_avs.objective import (
    PICTURE_TERMS,
    ContrastSettings,
    PcAvsLossWeights,
    PeopleHead,
    content_loss,
    heat_loss,
)
from render_stage.pc_avs.pose_map import fit_pose_map
from render_stage.pc_avs.validate import PcAvsValidator
from render_stage.pc_avs.weights import load_pc_avs_network, save_pc_avs_network
from render_stage.perceptual import load_perceptual

WEIGHT_FILE = "pc_avs.safetensors"
PRETRAINING_TERMS = ("identity", "landmarks")


@dataclass(frozen=True)
class PcAvsTrainSettings:
    """A whole training."""

    network: PcAvsSettings
    discriminator: DiscriminatorSettings
    material: PcAvsMaterialSettings
    contrast: ContrastSettings
    weights: PcAvsLossWeights
    perceptual: str         # the shipped face encoder, its weight file, or a VGG19 or EfficientNet-Lite0 file
    head_start: str         # a face encoder that both picture encoders begin with; "": none
    begin_with: str         # weights to begin with: a weight file of the same form
    content_from: int       # step from which the content space is learned; people and landmarks alone before
    joint_from: int         # step from which all is learned
    adversarial_from: int   # step from which the discriminators count
    seen_share: float       # of the clips with sound whose content is taken from the picture, as that of all silent ones is
    run: RunSettings

    def __post_init__(self):
        if not 0 <= self.content_from <= self.joint_from or self.adversarial_from < 0 or not 0 <= self.seen_share <= 1:
            raise ValueError("content_from must be 0 to joint_from, adversarial_from 0 or more and seen_share in [0, 1], got "
                             f"{self.content_from}, {self.joint_from}, {self.adversarial_from} and {self.seen_share}")


class PcAvsTask:
    """PC-AVS's networks as a `Task`."""

    def __init__(self, settings: PcAvsTrainSettings, clips: Sequence[SpokenClip], validator: PcAvsValidator | None):
        self.settings, self.clips, self.validator = settings, clips, validator
        equal_share(settings.run.batch)

    def build(self) -> Parts:
        """The networks, and the discriminators, the perceptual loss and the people's head that count."""
        settings, weights = self.settings, self.settings.weights
        self.network = PcAvs(settings.network)
        if settings.head_start:
            for encoder in (self.network.identity, self.network.other):
                encoder.trunk.begin_with(settings.head_start)
        if settings.begin_with:
            self._begin_with(load_pc_avs_network(settings.begin_with))
        self.batch = DrawnBatches(self.clips, settings.material, settings.network, batch=settings.run.batch,
                                  seed=settings.run.seed, joint_from=settings.joint_from)
        self.people = PeopleHead(settings.network.identity_widths[-1], 1 + max((one.person for one in self.clips), default=0))
        adversary = picture_adversary(settings.discriminator, counting_weights(weights))
        self.perceptual = load_perceptual(settings.perceptual) if weights.perceptual else None
        return Parts(self.network, companion=self.people, adversary=adversary,
                     frozen=[self.perceptual] if self.perceptual else [])

    def _begin_with(self, earlier: PcAvs) -> None:
        if earlier.settings != self.settings.network:
            raise ValueError(f"the networks in {self.settings.begin_with} have another form; choose the preset that they have")
        self.network.load_state_dict(earlier.state_dict())

    def weights(self, step: int) -> dict[str, float]:
        """The weights that are not 0 and count at this step."""
        weights, settings = counting_weights(self.settings.weights), self.settings
        if step < settings.joint_from:
            kept = PRETRAINING_TERMS if step < settings.content_from else ("content", "landmarks")
            return {name: value for name, value in weights.items() if name in kept}
        early = step < settings.adversarial_from
        return {name: value for name, value in weights.items() if not (early and name in ADVERSARIAL_TERMS)}

    def losses(self, batch: PcAvsBatch, wanted: Collection[str]) -> StepLosses:
        """The terms that need no discriminator; those are shown the pictures, where they count."""
        network, drawing = self.network, set(wanted) & set(PICTURE_TERMS)
        vector, heat = network.other(batch.seen.flatten(0, 1))
        seen = network.to_content(vector).unflatten(0, batch.seen.shape[:2])                # (B, L, C)
        spoken = network.sound_content(batch.sound.flatten(0, 1)).unflatten(0, batch.sound.shape[:2])
        person = network.person(batch.identity) if drawing or "identity" in wanted else None
        terms = {"content": lambda: content_loss(seen[batch.with_sound], spoken[batch.with_sound], self.settings.contrast),
                 "landmarks": lambda: heat_loss(heat, batch.seen_points.flatten(0, 1)),
                 "identity": lambda: self.people(person.vector, batch.person)}
        losses = {name: term() for name, term in terms.items() if name in wanted}
        if not drawing:
            return StepLosses(losses)
        made, real = self._made(batch, person, seen, spoken), batch.target.flatten(0, 1)
        losses |= self._picture_losses(made, real, batch.target_points.flatten(0, 1), wanted)
        inputs = None
        if set(wanted) & set(ADVERSARIAL_TERMS):
            inputs = DiscriminatorInput(made, real, (made.new_zeros(len(made), 0, *made.shape[2:]),))
        return StepLosses(losses, discriminator_input=inputs)

    def _made(self, batch: PcAvsBatch, person: Person, seen: Tensor, spoken: Tensor) -> Tensor:
        """Pictures (B m, 3, P, P): content from the sound, but for silent clips and a share of the others."""
        m = batch.target.shape[1]
        by_sound = batch.with_sound & (torch.rand(len(batch.with_sound), device=seen.device) >= self.settings.seen_share)
        content = torch.where(by_sound[:, None, None], spoken, seen)[:, :m].flatten(0, 1)     # (B m, C)
        repeated = Person(*(one.repeat_interleave(m, 0) for one in person))
        return self.network(repeated, content, self.network.pose(batch.posed.flatten(0, 1)))

    def _picture_losses(self, made: Tensor, real: Tensor, points: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
        """The wanted terms of pictures (n, 3, P, P) and landmarks (n, 68, 2) in shares of their side."""
        terms = {"reconstruction": lambda: reconstruction_loss(made, real, mouth_weight(points * CANVAS_PX, made.shape[-1])),
                 "structure": lambda: ssim_loss(made, real, luma=True),
                 "gradient": lambda: gradient_loss(made, real),
                 "perceptual": lambda: self.perceptual(made, real)}
        return {name: term() for name, term in terms.items() if name in wanted}

    def metrics(self, model: PcAvs, *, step: int) -> dict[str, float]:
        """Validation metrics on people never trained on; writes a sheet."""
        return self.validator.figures(model, step=step, precision=self.settings.run.precision)

    def finish(self, model: PcAvs, out: Path) -> Path:
        """The weight file `out`/pc_avs.safetensors, with the map from head poses to pose codes fitted."""
        fit_pose_map(model, [one.frames for one in self.clips], frames=self.settings.material.pose_frames)
        return save_pc_avs_network(out / WEIGHT_FILE, model)


@checked
def train_pc_avs(corpus: Corpus, out: str | Path, settings: PcAvsTrainSettings) -> TrainReport:
    """PC-AVS trained on the corpus's train people and kept by its pictures of its val people.

    Goes on where an earlier call stopped. The averaged weights of the best validation become `out`/pc_avs.safetensors; sheets
    of samples lie in `out`/sheets. ValueError, before any work, when the corpus is not enough.

    >>> import headsync
    >>> settings = headsync.load_settings("pc-avs", "tiny", "run.steps=1")
    >>> headsync.train_pc_avs(headsync.open_corpus("faces"), "runs/pc_avs", settings).weights.name
    'pc_avs.safetensors'
    """
    require(corpus, NEEDS["renderer"])
    with first_before_others():     # it packs frames
        clips, val = (read_material(corpus, split, settings.material, settings.network) for split in ("train", "val"))
    validator = PcAvsValidator(val, settings.network, sheets=Path(out) / "sheets" if is_first() else None)
    return train_task(PcAvsTask(settings, clips, validator), out)
