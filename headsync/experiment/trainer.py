"""The training of any `Task`: device, precision, optimiser, learning rate, average, discriminator, processes, run folder."""

import copy
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from headsync.experiment.batch_norm import share_batch_norms
from headsync.experiment.checkpoint import load_checkpoint
from headsync.experiment.config import config_dict, save_config
from headsync.experiment.device import chosen_device
from headsync.experiment.distributed import is_first, own_device, process_number, share_gradients, wait_for_all
from headsync.experiment.lock import only_run
from headsync.experiment.log import RunLog, SilentLog
from headsync.experiment.loop import BEST, ENDING, LoopResult, run_loop
from headsync.experiment.model import weighted_sum
from headsync.experiment.precision import mixed_precision
from headsync.experiment.run_folder import CONFIG, check_run
from headsync.experiment.schedule import exponential_average, lr_share
from headsync.experiment.seeds import METRICS, START, STEPS, seed_everything
from headsync.experiment.task import StepLosses, Task

# The start of workers that was Linux's own until Python 3.13: they share the corpus that the run holds in memory, where those
# of the other ways are sent a copy each.
WORKERS_START = "fork" if sys.platform == "linux" else None


class Trainer:
    """A task's modules with their optimiser and average, step by step: what `run_loop` takes on and saves."""

    def __init__(self, task: Task):
        self.task, self.run, self.steps = task, task.settings.run, 0
        self.device = own_device(chosen_device(self.run.device))
        seed_everything(START, self.run.seed)
        parts = task.build()
        self.companion, self.adversary = parts.companion, parts.adversary
        self.model = share_batch_norms(parts.model).to(self.device)
        for module in (self.companion, self.adversary and self.adversary.discriminator, *parts.frozen):
            if module is not None:
                module.to(self.device)
        self.average = exponential_average(self.model, self.run.ema_decay)
        self.parameters = [*self.model.parameters(), *(self.companion.parameters() if self.companion else ())]
        self.optimiser = torch.optim.AdamW(parts.groups or self.parameters, self.run.lr, (self.run.beta1, self.run.beta2),
                                           weight_decay=self.run.weight_decay)
        self._batches: Iterator | None = None

    def step(self) -> dict[str, float]:
        """One step of the discriminator, if the task has one and shows it something, then one of the model."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.run.lr * lr_share(self.steps, self.run)
        batch, weights = moved(self._next(), self.device), self.task.weights(self.steps)
        seed_everything(STEPS, self.run.seed, self.steps, process_number())
        self.model.train()
        with mixed_precision(self.device, self.run.precision):
            found = self.task.losses(batch, weights)
            losses, more = self._with_adversary(found, weights)
        total = weighted_sum(weights, losses)
        self.optimiser.zero_grad()
        total.backward()
        share_gradients(self.parameters)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.run.clip)
        self.optimiser.step()
        self.steps += 1
        self.average.update_parameters(self.model)
        scalars = {**more, **losses, "total": total, "gradient_norm": norm}
        return {name: value.item() if isinstance(value, Tensor) else value for name, value in scalars.items()}

    def _with_adversary(self, found: StepLosses, weights: dict[str, float]) -> tuple[dict[str, Tensor], dict]:
        """All losses that count, and what there is to tell beside them."""
        if found.discriminator_input is None:
            return found.losses, dict(found.scalars)
        fake, real, condition = found.discriminator_input
        scores = self.adversary.step(fake, real, *condition)
        adversarial = self.adversary.loss(fake, real, *condition)
        return found.losses | {name: term for name, term in adversarial.items() if name in weights}, {**found.scalars, **scores}

    def _next(self) -> Any:
        """The step's batch, drawn by its number: here, or by workers that are some steps ahead."""
        if not self.run.workers:
            return self.task.batch(self.steps)
        if self._batches is None:
            self._batches = iter(DataLoader(
                Numbered(self.task.batch), sampler=range(self.steps, sys.maxsize), batch_size=None, collate_fn=as_it_is,
                pin_memory=self.device.type == "cuda", num_workers=self.run.workers, prefetch_factor=2,
                worker_init_fn=ignore_signals, multiprocessing_context=WORKERS_START))
        return next(self._batches)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The task's metrics of the averaged model."""
        seed_everything(METRICS, self.run.seed, self.steps)
        return self.task.metrics(self.average.module.eval(), step=self.steps)

    def state(self) -> dict[str, Any]:
        """Everything that a step changes."""
        return {"steps": self.steps, "model": self.model.state_dict(), "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "companion": self.companion.state_dict() if self.companion else None,
                "adversary": self.adversary.state() if self.adversary else None}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name in ("model", "average", "optimiser"):
            getattr(self, name).load_state_dict(state[name])
        if self.companion:
            self.companion.load_state_dict(state["companion"])
        if self.adversary:
            self.adversary.restore(state["adversary"])
        self.steps, self._batches = state["steps"], None

    def kept(self, state: dict[str, Any]) -> nn.Module:
        """The averaged model of a state, on the CPU, frozen, in evaluation mode."""
        average = copy.deepcopy(self.average).cpu()
        average.load_state_dict(state["average"])
        return average.module.eval()


class Numbered(Dataset):
    """Batches by their numbers, as a loader's workers want them."""

    def __init__(self, batch: Callable[[int], Any]):
        self.batch = batch

    def __getitem__(self, number: int) -> Any:
        return self.batch(number)


def as_it_is(batch: Any) -> Any:
    """The batch."""
    return batch


def ignore_signals(_: int) -> None:
    """Signals go to a whole group of processes, but it is the training that ends, saved, and its workers with it."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def moved(batch: Any, device: torch.device | str) -> Any:
    """Tensors, and whatever tuples and lists hold of them, on a device."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, tuple | list):
        parts = [moved(one, device) for one in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return batch


class Trained(NamedTuple):
    """What a run came to."""

    loop: LoopResult
    model: nn.Module    # at its best validation; the last one of a run that was never validated


class TrainReport(NamedTuple):
    """What a training left behind."""

    weights: Path
    loop: LoopResult
    monitor: str        # the metric whose best value the loop reports

    def summary(self, *, digits: int = 3) -> str:
        """The line about it: the file, its validation metric, the steps."""
        best = "never validated" if self.loop.best is None else f"val {self.monitor} {self.loop.best:.{digits}f}"
        return f"{self.weights}: written, {best}, {self.loop.step} steps"


def train_task(task: Task, out: str | Path) -> TrainReport:
    """The task trained in the run folder `out`, from its last checkpoint on, and its weight file; errors as `train_whole`."""
    trained = train_whole(task, Path(out))
    return TrainReport(task.finish(trained.model, Path(out)), trained.loop, task.settings.run.monitor)


def train_whole(task: Task, out: Path) -> Trained:
    """What the run in `out`, made or gone on with, came to; of several processes the first writes.

    ValueError as `run_loop`, and when another run is at work in the folder.
    """
    run = task.settings.run
    with only_run(out) if is_first() else nullcontext():
        if is_first():
            check_run(task.settings, out)
        trainer = Trainer(task)
        if is_first():
            save_config(task.settings, out / CONFIG)
        with RunLog(out, wandb=run.wandb, config=config_dict(task.settings)) if is_first() else SilentLog() as log:
            result = run_loop(trainer, out, run, log=log)
    wait_for_all()
    if is_first() and result.step < run.steps and not result.stopped_early:
        print(f"headsync: stopped and saved at step {result.step} of {run.steps}; run the same again to go on", file=sys.stderr)
    return Trained(result, trainer.kept((load_checkpoint(out / BEST) or load_checkpoint(out))["trainee"]))
