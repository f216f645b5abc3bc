"""Models in use and in training: from a weight file ready to work, distinguished by their weights."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from headsync.experiment.device import chosen_device
from headsync.experiment.weights import load_weights

Model = TypeVar("Model", bound=nn.Module)
LARGEST_SIZE = 4096     # that a weight file's configuration may always ask for; beyond it only what its tensors have


class Kind(NamedTuple):
    """What a sort of weight file holds, and the words in which another is refused."""

    package: str                # whose folder `weights` holds the shipped ones
    shipped: tuple[str, ...]    # their names
    config: frozenset[str]      # keys of the configuration in the file
    name: str                   # as in "there are no NAME weights"
    thing: str                  # as in "holds no THING"
    command: str                # that trains one
    remedy: str                 # what is to be given instead of a file that holds none


def load_model(source: str | Path, make: Callable[[dict], Model], kind: Kind, *,
               device: str | torch.device = "cpu") -> Model:
    """A frozen model in evaluation mode: a shipped one by its name, or a weight file's, made from the file's configuration.

    It is on `device` (auto, cpu, cuda, cuda:N), and whatever it is given must be there. ValueError, one line, for a device
    that is not there and a file that is missing, of another kind, at odds with its own configuration or not finite.
    """
    device = chosen_device(device)      # before anything is read
    shipped = resources.files(kind.package) / "weights" / f"{source}.safetensors"
    path = Path(str(shipped)) if source in kind.shipped else Path(source)
    if not path.is_file():
        raise ValueError(f"there are no {kind.name} weights {path}; train some with {kind.command} --data CORPUS --out RUN "
                         "and give the file it writes")
    weights = load_weights(path)
    if set(weights.config) != kind.config:
        raise ValueError(f"{path} holds no {kind.thing} (its configuration has {sorted(weights.config)}); give {kind.remedy}")
    broken = [name for name, one in weights.tensors.items() if not one.isfinite().all()]
    if broken:
        raise ValueError(f"{path}: {broken[0]} and {len(broken) - 1} more of its {len(weights.tensors)} tensors hold numbers "
                         "that are not finite; give a file of a training that did not break down")
    largest = max([LARGEST_SIZE, *(side for one in weights.tensors.values() for side in one.shape)])
    try:
        if largest_number(weights.config) > largest:    # before there is memory taken on its word
            raise ValueError(f"it asks for a size of {largest_number(weights.config):g}, its tensors reach {largest}")
        model = make(weights.config)
        model.load_state_dict(weights.tensors)
    except Exception as error:      # of sizes that make no model torch says anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path} does not fit its own configuration ({reason}); get it again") from error
    return model.eval().requires_grad_(False).to(device)


def largest_number(config: object) -> float:
    """The largest number anywhere in plain values; 0 without any."""
    if isinstance(config, Mapping | list | tuple):
        return max(map(largest_number, config.values() if isinstance(config, Mapping) else config), default=0)
    return config if isinstance(config, int | float) else 0


def fingerprint(model: nn.Module) -> str:
    """SHA-256 of a model's weights."""
    digest = hashlib.sha256()
    for name, one in model.state_dict().items():
        digest.update(name.encode() + one.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def check_loss_weights(weights: object) -> None:
    """ValueError, naming them, when weights of losses, a dataclass, are negative, not finite, or all 0."""
    given = asdict(weights)
    wrong = {name: value for name, value in given.items() if not 0 <= value < float("inf")}
    if wrong or not any(given.values()):
        raise ValueError(f"weights of losses must be 0 or more and one above it, got {wrong or given}")


def counting_weights(weights: object) -> dict[str, float]:
    """The weights of a dataclass that are not 0, by name: those of the terms that are computed at all."""
    return {name: value for name, value in asdict(weights).items() if value}


def weighted_sum(weights: Mapping[str, float], losses: Mapping[str, Tensor]) -> Tensor:
    """The scalar that is lowered. ValueError unless weights and losses name the same terms."""
    if set(weights) != set(losses):
        raise ValueError(f"losses {sorted(losses)} and weights {sorted(weights)} must name the same terms")
    return sum(weights[name] * loss for name, loss in losses.items())
