"""Training of the renderer: flows first, then everything, judged in turn; kept by pictures of people never trained on.

Shapes: B samples, K references, S = 256 canvas pixels, G = 128 pixels of the guide's coarse maps.
Source: Rhythmic Head sections 4 and 5.1; method/rhythmic_head.md#losses-and-optimisation.
"""

import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from headsync.corpus import NEEDS, Corpus, require
from headsync.experiment import (
    LoopSettings,
    TrainReport,
    equal_share,
    first_before_others,
    follow,
    half_cosine,
    is_first,
    own_device,
    own_rows,
    share_batch_norms,
    share_gradients,
    train_whole,
    weighted_sum,
)
from headsync.experiment.precision import mixed_precision
from render_stage.geometry.topology import load_topology
from render_stage.nn.adversary import Adversary, AdversarySettings
from render_stage.nn.layers import resized
from render_stage.rhythmic_head.data import Batch, ClipFrames, MaterialSettings, draw_batch, read_frames
from render_stage.rhythmic_head.guide import CANVAS
from render_stage.rhythmic_head.network import NetworkSettings, RendererNetwork
from render_stage.rhythmic_head.objective import FLOW_TERMS, JUDGED_TERMS, LossWeights, load_perceptual, loss_terms
from render_stage.rhythmic_head.placing import Placed, Window
from render_stage.rhythmic_head.renderer import load_network, save_network
from render_stage.rhythmic_head.validate import Judge

WEIGHT_FILE = "renderer.safetensors"
BETAS = (0.5, 0.999)            # of Adam, as in the paper
LARGEST_GRADIENT = 1.0


@dataclass(frozen=True)
class RendererSettings:
    """A whole run. The defaults are the published method's."""

    network: NetworkSettings = field(default_factory=NetworkSettings)
    adversary: AdversarySettings = field(default_factory=AdversarySettings)
    material: MaterialSettings = field(default_factory=MaterialSettings)
    weights: LossWeights = field(default_factory=LossWeights)
    loop: LoopSettings = field(
        default_factory=lambda: LoopSettings(steps=100000, validate_every=2000, monitor="ssim", mode="max"))
    perceptual: str = "perceptual"  # the shipped face encoder, its weight file, or a VGG19 file
    begin_with: str = ""        # weights to begin with: a shipped renderer or a weight file of the same form
    flows_until: int = 0        # steps in which only the flow networks learn
    judged_from: int = 0        # step from which the judges count
    window: int = 256           # pixels a side of the part of each picture that is drawn and judged in training
    batch: int = 4
    rate: float = 2e-4
    full_rate: float = 0.45     # share of the steps at the whole rate; half a cosine takes it down from there
    last_share: float = 0.1     # of the rate, at the last step
    average: float = 0.999      # of the weights, what is judged and kept
    frames_jobs: int = 1        # processes that unpack videos, once
    workers: int = 0            # processes that draw batches meanwhile; 0: this one draws them
    seed: int = 0
    wandb: Literal["disabled", "offline", "online"] = "disabled"

    def __post_init__(self):
        if self.batch < 1 or not 0 < self.rate < 1 or self.flows_until < 0 or self.judged_from < 0:
            raise ValueError("batch must be 1 or more, rate in (0, 1), flows_until and judged_from 0 or more, got "
                             f"{self.batch}, {self.rate}, {self.flows_until} and {self.judged_from}")
        if not 0 <= self.full_rate < 1 or not 0 <= self.last_share <= 1:
            raise ValueError("full_rate must be in [0, 1) and last_share in [0, 1], got "
                             f"{self.full_rate} and {self.last_share}")
        if self.weights.front and not self.network.backdrop:
            raise ValueError("weights.front needs a backdrop; set weights.front=0 or network.backdrop=true")


class RendererTraining:
    """The networks, their judges, optimiser and running average: a `Trainee`."""

    def __init__(self, settings: RendererSettings, clips: Sequence[ClipFrames], judge: Judge, *,
                 device: str | torch.device = "cpu"):
        torch.manual_seed(settings.seed)
        self.settings, self.clips, self.judge, self.device = settings, clips, judge, own_device(device)
        equal_share(settings.batch)
        self.network = RendererNetwork(settings.network)
        if settings.begin_with:
            self._begin_with(load_network(settings.begin_with))
        share_batch_norms(self.network).to(self.device, memory_format=torch.channels_last)
        self.average = RendererNetwork(settings.network).requires_grad_(False).eval()
        self.average.load_state_dict(self.network.state_dict())
        self.average.to(self.device, memory_format=torch.channels_last)
        weights = settings.weights
        self.adversary = Adversary(settings.adversary).to(self.device) if weights.adversarial or weights.features else None
        self.perceptual = load_perceptual(settings.perceptual).to(self.device) if weights.perceptual else None
        self.optimiser = torch.optim.Adam(self.network.parameters(), settings.rate, BETAS)
        self.steps = 0
        self._batches: Iterator | None = None

    def _begin_with(self, earlier: RendererNetwork) -> None:
        if earlier.settings != self.settings.network:
            raise ValueError(f"the renderer in {self.settings.begin_with} has another form; choose the preset that it has")
        self.network.load_state_dict(earlier.state_dict())

    def step(self) -> dict[str, float]:
        """One step of the judges, once they count, then one of the networks, on the same batch."""
        self._set_rate()
        batch, window = self._next()
        self.network.train()
        weights = self.settings.weights.counting(flows_only=self.steps < self.settings.flows_until,
                                                 judged=self.steps >= self.settings.judged_from)
        told: dict[str, float] = {}
        with mixed_precision(self.device):
            picture, placed = self._made(batch, window, drawing=bool(set(weights) - set(FLOW_TERMS)))
            losses = loss_terms(picture, window, placed, batch, weights, self.perceptual)
            if set(weights) & set(JUDGED_TERMS):
                real, condition = window.of(batch.target), window.of(judged_beside(batch))
                told |= self.adversary.step(picture, real, condition)
                judged = self.adversary.judge(picture, real, condition)
                losses |= {name: term for name, term in judged.items() if name in weights}
        total = weighted_sum(weights, losses)
        self.optimiser.zero_grad()
        total.backward()
        share_gradients(self.network.parameters())
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        self.steps += 1
        follow(self.average, self.network, share=self.settings.average, step=self.steps)
        return {**told, **{name: loss.item() for name, loss in losses.items()}, "total": total.item(),
                "norm": norm.item()}

    def _next(self) -> tuple[Batch, Window]:
        """The step's batch and the window of it that is drawn, both by the step's number: resuming changes nothing."""
        if self._batches is None:
            drawn = DrawnBatches(self.clips, self.settings, self.network.step_px)
            workers = {"num_workers": self.settings.workers, "prefetch_factor": 2 if self.settings.workers else None,
                       "worker_init_fn": _deaf_to_signals, "generator": torch.Generator()}     # else it draws from torch's own
            self._batches = iter(DataLoader(drawn, sampler=range(self.steps, sys.maxsize), batch_size=None,
                                            collate_fn=_as_it_is, pin_memory=self.device.type == "cuda", **workers))
        batch, window = next(self._batches)
        return moved_to(batch, self.device), window

    def _made(self, batch: Batch, window: Window, *, drawing: bool) -> tuple[Tensor | None, Placed]:
        """The window's pictures (B, 3, side, side), None where only the flow networks are asked, and what flows put there."""
        if not drawing:
            return None, self.network.placed(batch.guides, window)
        made = self.network(self.network.references(batch.references, batch.reference_lines), batch.guides, window)
        return made.picture, made.placed

    def _set_rate(self) -> None:
        settings = self.settings
        fallen = (self.steps / settings.loop.steps - settings.full_rate) / (1 - settings.full_rate)
        for group in self.optimiser.param_groups:
            group["lr"] = settings.rate * half_cosine(fallen, last=settings.last_share)

    def validate(self) -> dict[str, float]:
        """What the averaged networks' pictures are worth on people never trained on; writes a sheet."""
        return self.judge.figures(self.average, step=self.steps)

    def state(self) -> dict[str, Any]:
        """Everything that a step changes."""
        return {"network": self.network.state_dict(), "average": self.average.state_dict(), "steps": self.steps,
                "optimiser": self.optimiser.state_dict(),
                "adversary": self.adversary.state() if self.adversary else None}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self._batches = None
        self.steps = state["steps"]
        if self.adversary:
            self.adversary.restore(state["adversary"])


class DrawnBatches(Dataset):
    """Batch number t with its window, drawn from a generator of its own; of several processes each draws its own samples."""

    def __init__(self, clips: Sequence[ClipFrames], settings: RendererSettings, step_px: int):
        self.clips, self.settings, self.step_px, self.topology = clips, settings, step_px, load_topology()
        self.rows = own_rows(settings.batch)

    def __getitem__(self, number: int) -> tuple[Batch, Window]:
        generator = torch.Generator().manual_seed((self.settings.seed << 32) + number)
        batch = draw_batch(self.clips, self.settings.batch, settings=self.settings.material, guide=self.settings.network.guide,
                           topology=self.topology, generator=generator, rows=self.rows)
        side = min(self.settings.window, CANVAS)
        top, left = (self.step_px * torch.randint((CANVAS - side) // self.step_px + 1, (2,), generator=generator)).tolist()
        return batch, Window(top, left, side)


def _as_it_is(batch: tuple[Batch, Window]) -> tuple[Batch, Window]:
    return batch


def _deaf_to_signals(_: int) -> None:
    """Signals go to a whole group of processes, but it is the training that ends, saved, and its workers with it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def moved_to(batch: Batch, device: torch.device) -> Batch:
    """The batch on a device."""
    if device.type == "cpu":
        return batch
    guides = type(batch.guides)(*(one.to(device, non_blocking=True) for one in batch.guides))
    return Batch(*(guides if one is batch.guides else one.to(device, non_blocking=True) for one in batch))


def judged_beside(batch: Batch) -> Tensor:
    """What judges see beside a picture (B, 5, S, S): the target's lines, the matched reference's lines, that reference."""
    guides = batch.guides
    return torch.cat([resized(torch.cat([guides.lines, guides.matched_lines], 1), CANVAS), guides.matched], 1)


def train_renderer(corpus: Corpus, out: str | Path, settings: RendererSettings, *,
                   device: str | torch.device = "cpu") -> TrainReport:
    """The renderer trained on the corpus's train people and kept by its pictures of its val people.

    Goes on where an earlier call stopped. The averaged weights of the best validation become `out`/renderer.safetensors;
    sheets of samples lie in `out`/sheets. ValueError, before any work, when the corpus is not enough.
    """
    out = Path(out)
    require(corpus, NEEDS["renderer"])
    with first_before_others():     # it packs frames
        clips, judged = (read_frames(corpus, split, settings.material, jobs=settings.frames_jobs) for split in ("train", "val"))
    judge = Judge(judged, settings.network.guide, sheets=out / "sheets" if is_first() else None)
    training = RendererTraining(settings, clips, judge, device=device)
    result, best = train_whole(training, out, settings)
    network = RendererNetwork(settings.network)
    network.load_state_dict(best["average"])
    return TrainReport(save_network(out / WEIGHT_FILE, network), result)
