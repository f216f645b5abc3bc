"""Training of G4G: all of the paper's losses, each normalised once by what it is at the start.

Shapes: B clips, T = 5 frames, H W pixels of a crop.
Source: method/g4g.md#stated (weights 1 to 5), method/g4g.md#contradictions, method/decisions.md#g4g.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from headsync import media
from headsync.corpus import Corpus
from headsync.experiment import (
    Adversary,
    DiscriminatorInput,
    Parts,
    RunSettings,
    StepLosses,
    TrainReport,
    check_loss_weights,
    config_dict,
    counting_weights,
    equal_share,
    first_before_others,
    is_first,
    moved,
    save_weights,
    train_task,
)
from headsync.experiment.precision import mixed_precision
from render_stage.g4g.data import DrawnMouths, G4GBatch, G4GMaterialSettings, TalkingFrames, joined, read_talking_frames
from render_stage.g4g.discriminator import FRAMES, SQUARES, MouthDiscriminators
from render_stage.g4g.network import G4G, G4GSettings, Made, alignment_loss, contrastive_loss
from render_stage.nn.discriminator import LARGEST_GRADIENT, DiscriminatorSettings
from render_stage.nn.losses import reconstruction_loss, ssim_loss
from render_stage.perceptual import load_perceptual
from render_stage.sheets import as_tile, write_sheet

WEIGHT_FILE = "g4g.safetensors"
INSIDE = 4.0                # what the hidden part counts in the reconstruction, of 1 for the rest
SHEET_ROWS, SHEET_COLUMNS = 8, 10


@dataclass(frozen=True)
class G4GLossWeights:
    """What each term counts, once it is divided by what it is at the start; one of weight 0 is not computed."""

    alignment: float        # L_v: the image's code is the sketch's
    perceptual: float       # L_p, of the picture and of half of it
    adversarial: float      # LSGAN of single frames and of five
    reconstruction: float   # L_r: L1 of output and truth, in full, and at a half and a quarter where a part was hidden
    contrastive: float      # L_con: sound and picture of one moment belong together

    def __post_init__(self):
        check_loss_weights(self)


@dataclass(frozen=True)
class G4GTrainSettings:
    """A whole training."""

    network: G4GSettings
    discriminator: DiscriminatorSettings
    material: G4GMaterialSettings
    weights: G4GLossWeights
    perceptual: str             # the shipped face encoder, its weight file, or a VGG19 file
    adversarial_from: int       # step from which the discriminators count
    run: RunSettings


class G4GTask:
    """G4G as a `Task`."""

    def __init__(self, settings: G4GTrainSettings, clips: list[TalkingFrames], val: list[TalkingFrames], sheets: Path | None):
        self.settings, self.clips, self.sheets = settings, clips, sheets
        equal_share(settings.run.batch)
        drawn = DrawnMouths(val, settings.run, mouth=settings.network.mouth, larger=0.0, kinds=("box",))
        self.val = [joined([drawn.sample(number % len(val), torch.Generator().manual_seed(number))])
                    for number in range(settings.material.val_samples)]

    def build(self) -> Parts:
        """The network, the discriminators, the perceptual loss, and what each term is at the start."""
        settings, weights = self.settings, self.settings.weights
        self.network = G4G(settings.network).to(memory_format=torch.channels_last)
        self.batch = DrawnMouths(self.clips, settings.run, mouth=settings.network.mouth, larger=settings.material.larger)
        self.perceptual = load_perceptual(settings.perceptual) if weights.perceptual else None
        adversary = None
        if weights.adversarial:
            adversary = Adversary(MouthDiscriminators(settings.discriminator), lr=settings.discriminator.lr, losses=SQUARES,
                                  beta1=settings.run.beta1, clip=LARGEST_GRADIENT)
        names = set(counting_weights(weights)) - {"adversarial"}
        with torch.no_grad():
            batch = self.batch(0)
            first = self._terms(self.network(batch.shown), batch, names)
        self.scales = {name: 1 / max(float(term), 1e-6) for name, term in first.items()} | {"adversarial": 1.0}
        return Parts(self.network, adversary=adversary, frozen=[self.perceptual] if self.perceptual else [])

    def weights(self, step: int) -> dict[str, float]:
        """The weights that are not 0 and count at this step, over each term's value at the start (LSGAN's is 1 already)."""
        counting = counting_weights(self.settings.weights)
        if step < self.settings.adversarial_from:
            counting.pop("adversarial", None)
        return {name: value * self.scales[name] for name, value in counting.items()}

    def losses(self, batch: G4GBatch, wanted: Collection[str]) -> StepLosses:
        """The terms that need no discriminator; those are shown what was blended, where they count."""
        made = self.network(batch.shown)
        inputs = None
        if "adversarial" in wanted:
            inputs = DiscriminatorInput(*(one.unflatten(0, (-1, FRAMES)) for one in (made.blended, batch.real)))
        return StepLosses(self._terms(made, batch, wanted), discriminator_input=inputs)

    def _terms(self, made: Made, batch: G4GBatch, wanted: Collection[str]) -> dict[str, Tensor]:
        shown, real = batch
        both, twice = torch.cat([made.picture, made.blended]), torch.cat([real, real])
        terms = {
            "alignment": lambda: alignment_loss(made.image, made.lines),
            "perceptual": lambda: sum(self.perceptual(*map(scale, (made.blended, real))) for scale in (whole, halved)) / 2,
            "reconstruction": lambda: multiscale_loss(both, twice, shown.hidden.repeat(2, 1, 1, 1)),
            "contrastive": lambda: contrastive_loss(made.visual, made.audio)}
        return {name: term() for name, term in terms.items() if name in wanted}

    @torch.no_grad()
    def metrics(self, model: G4G, *, step: int) -> dict[str, float]:
        """Validation metrics on people never trained on, and a sheet of them.

        Of the hidden box: `l1`, `ssim` of luma, `copied` the L1 of the mean reference for comparison; `retrieval`, how often a
        sample's own sound is the nearest of its clip's five. `score` is what weights are kept by.
        """
        device, rows, sheet = next(model.parameters()).device, [], []
        for number, batch in enumerate(self.val):
            shown, real = moved(batch, device)
            with mixed_precision(device, self.settings.run.precision):
                made = model(shown)
            rows.append(scores(made, shown, real))
            if number < SHEET_ROWS:
                sheet += [as_tile(one[2]) for one in (shown.references[:, :3], shown.source * (1 - shown.hidden), made.picture,
                                                      made.blended, real)]
        write_sheet(self.sheets, sheet, step=step, columns=SHEET_COLUMNS)
        found = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        return {"score": found["ssim"] - found["l1"], **found}

    def finish(self, model: G4G, out: Path) -> Path:
        """The weight file `out`/g4g.safetensors."""
        return save_weights(out / WEIGHT_FILE, model.state_dict(), config={"g4g": config_dict(model.settings)}, half=True)


def whole(pictures: Tensor) -> Tensor:
    """The pictures (B, 3, H, W)."""
    return pictures


def halved(pictures: Tensor) -> Tensor:
    """(B, 3, H / 2, W / 2)."""
    return F.avg_pool2d(pictures, 2)


def multiscale_loss(made: Tensor, real: Tensor, hidden: Tensor) -> Tensor:
    """L1 of pictures (B, 3, H, W), the hidden part (B, 1, H, W) counting more, and of it alone at a half and a quarter."""
    terms = [reconstruction_loss(made, real, 1 + INSIDE * hidden)]
    for _ in range(2):
        made, real, hidden = (F.avg_pool2d(one, 2) for one in (made, real, hidden))
        terms.append(reconstruction_loss(made, real, hidden))
    return sum(terms) / len(terms)


def scores(made: Made, shown: object, real: Tensor) -> dict[str, float]:
    """The figures of one clip's five frames."""
    blended, hidden = made.blended.float(), shown.hidden
    copied = shown.references.unflatten(1, (-1, 3)).mean(1)
    likes = made.visual @ made.audio.T
    inside = torch.lerp(real, blended, hidden)
    return {"l1": float(reconstruction_loss(blended, real, hidden)), "ssim": 1 - float(ssim_loss(inside, real, luma=True)),
            "copied": float(reconstruction_loss(copied, real, hidden)),
            "retrieval": float((likes.argmax(1) == torch.arange(len(likes), device=likes.device)).float().mean())}


@media.checked
def train_g4g(corpus: Corpus, out: str | Path, settings: G4GTrainSettings) -> TrainReport:
    """G4G trained on the corpus's train people and kept by its val people; goes on where an earlier call stopped.

    `out`/g4g.safetensors is what `headsync.load_renderer` reads; sheets of samples lie in `out`/sheets. ValueError, before any
    work, when the corpus has no talking clips in sync.
    """
    with first_before_others():     # it packs
        found = [read_talking_frames(corpus, split, settings.material) for split in ("train", "val")]
    return train_task(G4GTask(settings, *found, Path(out) / "sheets" if is_first() else None), out)
