"""What is special about a training: its modules, its batches, its losses, its validation. A `Trainer` does the rest."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn

from headsync.experiment.adversary import Adversary
from headsync.experiment.settings import RunSettings


class TaskSettings(Protocol):
    """A task's settings: a dataclass with the key `run`."""

    run: RunSettings


class Parts(NamedTuple):
    """What a task trains, on the CPU."""

    model: nn.Module                        # its average is validated and kept
    companion: nn.Module | None = None      # trained beside it, not kept
    groups: list[dict] | None = None        # of the optimiser; None: all parameters, all decayed
    adversary: Adversary | None = None
    frozen: Collection[nn.Module] = ()      # that losses are computed with; they only follow to the device


class DiscriminatorInput(NamedTuple):
    """What the discriminator is shown."""

    fake: Tensor            # (B, ...), with gradients
    real: Tensor            # (B, ...)
    condition: tuple = ()   # what it sees beside both


class StepLosses(NamedTuple):
    """What a batch came to."""

    losses: dict[str, Tensor]               # named, unweighted scalars
    scalars: Mapping[str, Tensor | float] = {}     # more for the log
    discriminator_input: DiscriminatorInput | None = None        # None: no discriminator in this step


class Task(Protocol):
    """One training. Everything random in it comes from step numbers: `batch_generator`, or the seeded global ones.

    `metrics` and `finish` are given the averaged model, frozen, in evaluation mode.
    """

    settings: TaskSettings

    def build(self) -> Parts:
        """The modules, once, after seeding."""
        ...

    def weights(self, step: int) -> dict[str, float]:
        """What each term counts in this step; terms that are not named are not computed."""
        ...

    def batch(self, step: int) -> Any:
        """Batch number `step` on the CPU: a tensor or tuples of them; the same in all processes, or each one's rows."""
        ...

    def losses(self, batch: Any, wanted: Collection[str]) -> StepLosses:
        """The wanted terms, but for those that the adversary gives, of a batch on the run's device."""
        ...

    def metrics(self, model: nn.Module, *, step: int) -> dict[str, float]:
        """Validation metrics on people never trained on; it lies on the run's device."""
        ...

    def finish(self, model: nn.Module, out: Path) -> Path:
        """The weight file, written, of the best model, which lies on the CPU."""
        ...


def decayed_matrices(modules: Collection[nn.Module], weight_decay: float) -> list[dict]:
    """Optimiser groups of the modules' parameters: matrices and kernels are decayed, gains and biases are not."""
    parameters = [one for module in modules for one in module.parameters()]
    return [{"params": [one for one in parameters if one.ndim > 1], "weight_decay": weight_decay},
            {"params": [one for one in parameters if one.ndim <= 1], "weight_decay": 0.0}]
