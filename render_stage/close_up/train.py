"""Training of close-ups: mouths drawn again, against discriminators that see them at their own resolution.

Shapes: B close-ups, N = 96 pixels a side, C channels. Ours; beside Rhythmic Head's losses,
method/rhythmic_head.md#losses-and-optimisation.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from headsync.corpus import NEEDS, Corpus, require
from headsync.experiment import (
    DiscriminatorInput,
    Parts,
    RunSettings,
    StepLosses,
    TrainReport,
    check_loss_weights,
    counting_weights,
    equal_share,
    fingerprint,
    first_before_others,
    is_first,
    train_task,
)
from headsync.experiment.precision import mixed_precision
from headsync.media import checked
from render_stage.clip_frames import read_clip_frames
from render_stage.close_up.batches import (
    CloseUpBatch,
    DrawnCloseUps,
    close_up_batch,
    drawn,
    pixel_weight,
    sample_tensors,
    scores,
)
from render_stage.close_up.material import CloseUpMaterialSettings, Packed, packed, told_of
from render_stage.close_up.network import REGION, CloseUpNetwork, CloseUpSettings, shown_map
from render_stage.nn.discriminator import ADVERSARIAL_TERMS, DiscriminatorSettings, picture_adversary
from render_stage.nn.losses import gradient_loss, reconstruction_loss, ssim_loss
from render_stage.perceptual import load_perceptual
from render_stage.rhythmic_head.renderer import RhythmicHead, load_network, save_network
from render_stage.sheets import as_tile, write_sheet

WEIGHT_FILE = "renderer.safetensors"
FOLDER = "close_ups"                        # of a corpus: what renderers drew of it
SHEET_SAMPLES, SHEET_COLUMNS = 16, 8          # two samples a row: reference, shown, made, real


@dataclass(frozen=True)
class CloseUpLossWeights:
    """What each term counts; one of weight 0 is not computed."""

    reconstruction: float       # L1, weighted by the maps
    structure: float            # 1 - SSIM of luma
    gradient: float
    perceptual: float
    adversarial: float
    features: float

    def __post_init__(self):
        check_loss_weights(self)


@dataclass(frozen=True)
class CloseUpTrainSettings:
    """A whole training."""

    network: CloseUpSettings
    discriminator: DiscriminatorSettings
    material: CloseUpMaterialSettings
    weights: CloseUpLossWeights
    perceptual: str             # the shipped face encoder, its weight file, a VGG19 or an EfficientNet-Lite0 file
    adversarial_from: int       # step from which the discriminators count
    run: RunSettings


class CloseUpTask:
    """The close-up's network as a `Task`."""

    def __init__(self, settings: CloseUpTrainSettings, material: Packed, val: Packed, sheets: Path | None):
        self.settings, self.material, self.val, self.sheets = settings, material, val, sheets
        equal_share(settings.run.batch)

    def build(self) -> Parts:
        """The network, the discriminators and the perceptual loss that count."""
        settings, weights = self.settings, self.settings.weights
        self.network = CloseUpNetwork(settings.network).to(memory_format=torch.channels_last)
        self.batch = DrawnCloseUps(self.material, settings.run, settings.material.colour)
        adversary = picture_adversary(settings.discriminator, counting_weights(weights))
        self.perceptual = load_perceptual(settings.perceptual) if weights.perceptual else None
        return Parts(self.network, adversary=adversary, frozen=[self.perceptual] if self.perceptual else [])

    def weights(self, step: int) -> dict[str, float]:
        """The weights that are not 0 and count at this step."""
        weights = counting_weights(self.settings.weights)
        early = step < self.settings.adversarial_from
        return {name: value for name, value in weights.items() if not (early and name in ADVERSARIAL_TERMS)}

    def losses(self, batch: CloseUpBatch, wanted: Collection[str]) -> StepLosses:
        """The terms that need no discriminator; those are shown what was drawn, where they count."""
        shown, real = batch
        made, region = drawn(self.network, shown), shown_map(shown, REGION)
        target = torch.lerp(shown[:, :3], real, region)     # beyond the region nothing is asked for
        terms = {
            "reconstruction": lambda: reconstruction_loss(made, target, pixel_weight(shown)),
            "structure": lambda: ssim_loss(made, target, luma=True),
            "gradient": lambda: gradient_loss(made, target),
            "perceptual": lambda: self.perceptual(made, target)}
        inputs = None
        if set(wanted) & set(ADVERSARIAL_TERMS):
            inputs = DiscriminatorInput(made, target, (shown[:, 3:],))
        return StepLosses({name: term() for name, term in terms.items() if name in wanted}, discriminator_input=inputs)

    @torch.no_grad()
    def metrics(self, model: CloseUpNetwork, *, step: int) -> dict[str, float]:
        """Validation metrics on people never trained on, and a sheet of them.

        `l1` and `ssim` of the region; of open mouths `inside` the L1 inside, `contrast` and `dark` the deviation of luma
        and the share of dark pixels inside as shares of the real ones; `sharpness` likewise of the whole region.
        `score` is what weights are kept by.
        """
        rows, sheet = [], []
        for number in range(len(self.val.pictures)):
            batch = close_up_batch([sample_tensors(self.val, number)])
            with mixed_precision(next(model.parameters()).device, self.settings.run.precision):
                made = drawn(model, batch.shown.to(next(model.parameters()).device)).float().cpu()
            rows.append(scores(made, batch))
            if number % max(1, len(self.val.pictures) // SHEET_SAMPLES) == 0:
                sheet += [as_tile(one[0]) for one in (batch.shown[:, 3:6], batch.shown[:, :3], made, batch.real)]
        write_sheet(self.sheets, sheet, step=step, columns=SHEET_COLUMNS)
        found = {name: float(np.nanmean([row[name] for row in rows])) for name in rows[0]}
        shares = {name: found[name] / max(found[f"{name}_real"], 1e-6) for name in ("contrast", "dark", "sharpness")}
        unlike = abs(1 - shares["contrast"]) + abs(1 - shares["sharpness"])
        score = found["ssim"] - found["inside"] - 0.1 * unlike
        return {"score": score, "l1": found["l1"], "ssim": found["ssim"], "inside": found["inside"], **shares}

    def finish(self, model: CloseUpNetwork, out: Path) -> Path:
        """The weight file `out`/renderer.safetensors: the renderer that was begun with, and this close-up."""
        network = load_network(self.settings.material.renderer).with_close_up(model)
        return save_network(out / WEIGHT_FILE, network)


@checked
def train_close_up(corpus: Corpus, out: str | Path, settings: CloseUpTrainSettings) -> TrainReport:
    """A close-up trained on the corpus's train people, for a renderer that is trained already, and kept by its val people.

    Goes on where an earlier call stopped. `out`/renderer.safetensors is the renderer with the close-up of the best validation;
    sheets of samples lie in `out`/sheets. What the renderer draws of the corpus is packed in its folder close_ups, once.
    ValueError, before any work, when the corpus is not enough.

    >>> import headsync
    >>> settings = headsync.load_settings("close-up", "tiny", "run.steps=1")
    >>> headsync.train_close_up(headsync.open_corpus("faces"), "runs/close_up", settings).weights.name
    'renderer.safetensors'
    """
    require(corpus, NEEDS["renderer"])
    material = settings.material
    network = load_network(material.renderer).with_close_up(None)
    renderer, print_of = RhythmicHead(network, precision="auto"), fingerprint(network)
    found = []
    with first_before_others():     # it packs
        for split, count in (("train", material.samples), ("val", material.val_samples)):
            clips = read_clip_frames(corpus, split, stride=material.stride, pool=material.pool, pooled=material.pooled)
            found.append(packed(clips, count, corpus.folder / FOLDER / split, renderer, told_of(material, clips, print_of),
                                seed=len(found)))
    return train_task(CloseUpTask(settings, *found, Path(out) / "sheets" if is_first() else None), out)
