"""Training of close-ups: mouths drawn again, against discriminators that see them at their own resolution.

Shapes: B close-ups, N = 96 pixels a side, C channels. Ours; beside Rhythmic Head's losses, method/rhythmic_head.md#losses.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from headsync import media
from headsync.corpus import NEEDS, Corpus, require
from headsync.experiment import (
    Adversary,
    DiscriminatorInput,
    Parts,
    RunSettings,
    StepLosses,
    TrainReport,
    batch_generator,
    check_loss_weights,
    counting_weights,
    equal_share,
    fingerprint,
    first_before_others,
    is_first,
    own_rows,
    train_task,
)
from headsync.experiment.precision import in_float32, mixed_precision
from headsync.landmarks import contact_sheet
from headsync.media import checked
from render_stage.clip_frames import read_clip_frames
from render_stage.close_up.material import (
    MARGIN_PX,
    PACKED_PX,
    SIDE,
    CloseUpMaterialSettings,
    Packed,
    coloured,
    mirrored,
    packed,
    told_of,
    view_of,
)
from render_stage.close_up.network import REGION, CloseUpNetwork, CloseUpSettings
from render_stage.close_up.view import view_maps
from render_stage.nn.discriminator import LARGEST_GRADIENT, DiscriminatorSettings, PictureDiscriminator
from render_stage.nn.losses import gradient_loss, reconstruction_loss, ssim_loss
from render_stage.rhythmic_head.objective import load_perceptual
from render_stage.rhythmic_head.renderer import RhythmicHead, load_network, save_network

WEIGHT_FILE = "renderer.safetensors"
FOLDER = "close_ups"                        # of a corpus: what renderers drew of it
INSIDE, LIPS = 4.0, 2.0                     # what the inside of the mouth and the lips count, of 1 for the skin round them
ADVERSARIAL_TERMS = ("adversarial", "features")
DARK = 0.25                                 # luma under which the inside of a mouth is dark
SHEET_ROWS = 16


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
    perceptual: str             # the shipped face encoder, its weight file, or a VGG19 file
    adversarial_from: int       # step from which the discriminators count
    run: RunSettings


class CloseUpBatch(NamedTuple):
    """What a step needs."""

    shown: Tensor       # (B, SHOWN, N, N)
    real: Tensor        # (B, 3, N, N)


class CloseUpTask:
    """The close-up's network as a `Task`."""

    def __init__(self, settings: CloseUpTrainSettings, material: Packed, val: Packed, sheets: Path | None):
        self.settings, self.material, self.val, self.sheets = settings, material, val, sheets
        equal_share(settings.run.batch)

    def build(self) -> Parts:
        """The network, the discriminators and the perceptual loss that count."""
        settings, weights = self.settings, self.settings.weights
        self.network = CloseUpNetwork(settings.network).to(memory_format=torch.channels_last)
        self.batch = DrawnCloseUps(self.material, settings)
        adversary = None
        if weights.adversarial or weights.features:
            adversary = Adversary(PictureDiscriminator(settings.discriminator), lr=settings.discriminator.lr,
                                  clip=LARGEST_GRADIENT)
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
        made, region = drawn(self.network, shown), region_of(shown)
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
            if number % max(1, len(self.val.pictures) // SHEET_ROWS) == 0:
                sheet += [picture(one) for one in (batch.shown[:, 3:6], batch.shown[:, :3], made, batch.real)]
        self._write_sheet(sheet, step)
        found = {name: float(np.nanmean([row[name] for row in rows])) for name in rows[0]}
        shares = {name: found[name] / max(found[f"{name}_real"], 1e-6) for name in ("contrast", "dark", "sharpness")}
        score = found["ssim"] - 0.1 * sum(abs(1 - share) for share in shares.values())
        return {"score": score, "l1": found["l1"], "ssim": found["ssim"], "inside": found["inside"], **shares}

    def _write_sheet(self, tiles: list[np.ndarray], step: int) -> None:
        if self.sheets is not None:
            self.sheets.mkdir(parents=True, exist_ok=True)
            sheet = contact_sheet(tiles, columns=8)
            png = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1]
            media.write_whole(self.sheets / f"{step:07d}.png", png.tobytes())

    def finish(self, model: CloseUpNetwork, out: Path) -> Path:
        """The weight file `out`/renderer.safetensors: the renderer that was begun with, and this close-up."""
        network = load_network(self.settings.material.renderer).with_close_up(model)
        return save_network(out / WEIGHT_FILE, network)


def drawn(network: CloseUpNetwork, shown: Tensor) -> Tensor:
    """The close-ups (B, 3, N, N) drawn again."""
    return shown[:, :3] + network(shown)


def region_of(shown: Tensor) -> Tensor:
    """What may be drawn again (B, 1, N, N)."""
    return shown[:, 7 + REGION : 8 + REGION]


def pixel_weight(shown: Tensor) -> Tensor:
    """How much each pixel counts (B, 1, N, N)."""
    return region_of(shown) * (1 + INSIDE * shown[:, 7:8] + LIPS * shown[:, 8:9])


class DrawnCloseUps:
    """Batches by the step's number; of several processes each draws its own samples."""

    def __init__(self, material: Packed, settings: CloseUpTrainSettings):
        self.material, self.settings, self.rows = material, settings, own_rows(settings.run.batch)

    def __call__(self, step: int) -> CloseUpBatch:
        run, generator = self.settings.run, batch_generator(self.settings.run.seed, step)
        numbers = torch.randint(len(self.material.pictures), (run.batch,), generator=generator)
        seeds = torch.randint(2**62, (run.batch,), generator=generator)
        return close_up_batch([
            sample_tensors(self.material, int(number), torch.Generator().manual_seed(int(seed)), self.settings.material.colour)
            for number, seed in zip(numbers[self.rows], seeds[self.rows])])


def close_up_batch(samples: list[tuple[np.ndarray, np.ndarray]]) -> CloseUpBatch:
    """Samples one behind the other."""
    pictures, maps = (torch.from_numpy(np.stack(part)) for part in zip(*samples))
    pictures = pictures.permute(0, 3, 1, 2).float() / 255               # (B, CHANNELS, N, N)
    return CloseUpBatch(torch.cat([pictures[:, :3], pictures[:, 6:], maps], 1), pictures[:, 3:6])


def sample_tensors(material: Packed, number: int, generator: torch.Generator | None = None,
                   colour: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, N, CHANNELS) uint8 and maps (MAPS, N, N) of a sample: its middle, or changed at random."""
    pictures, view = np.asarray(material.pictures[number]), view_of(material.views[number])
    left = top = MARGIN_PX
    if generator is not None:
        left, top, flip = torch.randint(2 * MARGIN_PX + 1, (3,), generator=generator).tolist()
        gains = np.exp(colour * torch.randn(4, generator=generator).numpy())
        if flip % 2:
            pictures, view = pictures[:, ::-1], mirrored(view, PACKED_PX)
        pictures = np.dstack([coloured(np.ascontiguousarray(pictures[..., at : at + 3]), gains) for at in (0, 3, 6)]
                             + [pictures[..., 9:]])
    part = pictures[top : top + SIDE, left : left + SIDE]
    return np.ascontiguousarray(part), view_maps(view.shifted(np.array([left, top])), SIDE)


@in_float32
def scores(made: Tensor, batch: CloseUpBatch) -> dict[str, float]:
    """The figures of one close-up and of its real picture; NaN inside a mouth that is shut."""
    region, hole = region_of(batch.shown), batch.shown[:, 7:8] > 0.5
    target = torch.lerp(batch.shown[:, :3], batch.real, region)
    found = {"l1": float(reconstruction_loss(made, target, pixel_weight(batch.shown))),
             "ssim": 1 - float(ssim_loss(made, target, luma=True))}
    inside = bool(hole.sum() > 30)
    found["inside"] = float((made - target).abs().mean(1, keepdim=True)[hole].mean()) if inside else np.nan
    for name, one in (("", made), ("_real", target)):
        luma = (one * one.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
        found[f"contrast{name}"] = float(luma[hole].std()) if inside else np.nan
        found[f"dark{name}"] = float((luma[hole] < DARK).float().mean()) if inside else np.nan
        found[f"sharpness{name}"] = float(gradient_loss(one * region, torch.zeros_like(one)))
    return found


def picture(one: Tensor) -> np.ndarray:
    """(1, 3, N, N) in [0, 1] as (N, N, 3) uint8."""
    return one[0].float().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()


@checked
def train_close_up(corpus: Corpus, out: str | Path, settings: CloseUpTrainSettings) -> TrainReport:
    """A close-up trained on the corpus's train people, for a renderer that is trained already, and kept by its val people.

    Goes on where an earlier call stopped. `out`/renderer.safetensors is the renderer with the close-up of the best validation;
    sheets of samples lie in `out`/sheets. What the renderer draws of the corpus is packed in its folder close_ups, once.
    ValueError, before any work, when the corpus is not enough.

    >>> import headsync
    >>> settings = headsync.load_settings("close_up", "tiny", "run.steps=1")
    >>> headsync.train_close_up(headsync.open_corpus("faces"), "runs/close_up", settings).weights.name
    'renderer.safetensors'
    """
    require(corpus, NEEDS["renderer"])
    material = settings.material
    network = load_network(material.renderer)
    renderer, print_of = RhythmicHead(network, precision="auto"), fingerprint(network)
    found = []
    with first_before_others():     # it packs
        for split, count in (("train", material.samples), ("val", material.val_samples)):
            clips = read_clip_frames(corpus, split, stride=material.stride, pool=material.pool, pooled=material.pooled)
            found.append(packed(clips, count, corpus.folder / FOLDER / split, renderer, told_of(material, clips, print_of),
                                seed=len(found)))
    return train_task(CloseUpTask(settings, *found, Path(out) / "sheets" if is_first() else None), out)
