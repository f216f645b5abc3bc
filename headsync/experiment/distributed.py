"""Several processes that train as one: what torchrun started joins here, and everything else works alone just as well.

Shapes: B rows of the whole batch, W processes, r this one's number. Process r has rows r, r + W, r + 2W ... of a batch that
all processes draw alike. What is lowered is the mean over the processes of what each computes; of one process, that is
itself. Gradients are averaged after `backward`, in one message, not by the wrapper DistributedDataParallel: that follows
only `forward`, and ours are called by several methods, freeze parts by turns and share layers. Without torchrun nothing
is sent and nothing is copied.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn

LONGEST_WAIT = timedelta(hours=2)   # for another process: it may pack videos, or validate, meanwhile


def process_count() -> int:
    """How many processes train together: 1 without torchrun."""
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def process_number() -> int:
    """This one's number, from 0 on."""
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def is_first() -> bool:
    """Whether this is the process that writes files and logs."""
    return process_number() == 0


def own_device(device: str | torch.device) -> torch.device:
    """The device of this process: of several on a machine, each `cuda` process has a GPU of its own."""
    device = torch.device(device)
    if device.type != "cuda" or device.index is not None or process_count() == 1:
        return device
    number, present = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if number >= present:
        raise ValueError(f"process {number} of this machine has no GPU, there are {present}; start as many as there are GPUs")
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


@contextlib.contextmanager
def joined_processes() -> Iterator[None]:
    """Joins the processes that torchrun started, if it did: gloo on a CPU, NCCL besides where there are GPUs."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or torch.distributed.is_initialized():
        yield
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    with together():
        torch.distributed.init_process_group(backend, timeout=LONGEST_WAIT)
    try:
        with contextlib.nullcontext() if is_first() else contextlib.redirect_stdout(None):
            yield
    finally:
        torch.distributed.destroy_process_group()


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Around whatever waits for the other processes: when one of them has ended, ConnectionError says so in one line."""
    try:
        yield
    except RuntimeError as error:       # torch has a kind for some back ends only
        reason = str(error).splitlines()[0].rpartition(".cc:")[2][:80]      # without the place in gloo's sources
        raise ConnectionError(f"process {os.environ.get('RANK', 0)}: another process of this training has ended, which says "
                              f"why; run all again to go on ({reason})") from None


@contextlib.contextmanager
def first_before_others() -> Iterator[None]:
    """The body is run by the first process, then by the others, who find what the first has made."""
    if process_count() > 1 and not is_first():
        wait_for_all()
    yield
    if process_count() > 1 and is_first():
        wait_for_all()


def wait_for_all() -> None:
    """Returns when every process has come here."""
    if process_count() > 1:
        summed(torch.zeros(1))


def summed(own: Tensor) -> Tensor:
    """The sum over the processes of a tensor that has one shape in all; no gradient."""
    total = own.detach().clone(memory_format=torch.contiguous_format)
    if process_count() > 1:
        with together():
            torch.distributed.all_reduce(total)
    return total


def process_mean(own: Tensor) -> Tensor:
    """The mean over the processes of a tensor that has one shape in all; no gradient."""
    return own if process_count() == 1 else summed(own) / process_count()


def mean_scalars(scalars: dict[str, float]) -> dict[str, float]:
    """The mean over the processes of every scalar; all have the same names in the same order."""
    if process_count() == 1:
        return scalars
    return dict(zip(scalars, process_mean(torch.tensor([*scalars.values()], dtype=torch.float64)).tolist()))


def first_scalars(scalars: dict[str, float]) -> dict[str, float]:
    """The first process's scalars, in every process."""
    if process_count() == 1:
        return scalars
    own = torch.tensor([*map(float, scalars.values())], dtype=torch.float64)
    return dict(zip(scalars, summed(own if is_first() else torch.zeros_like(own)).tolist()))


def any_process(holds: bool) -> bool:
    """Whether it holds in at least one process."""
    return holds if process_count() == 1 else bool(summed(torch.tensor([float(holds)])).item())


def share_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Put the mean over the processes in place of each one's gradients; those that are None are so in all."""
    if process_count() == 1:
        return
    gradients = [one.grad for one in parameters if one.grad is not None]
    if gradients:
        mean = process_mean(torch.cat([one.flatten() for one in gradients]))
        for gradient, part in zip(gradients, mean.split([one.numel() for one in gradients])):
            gradient.copy_(part.view(gradient.shape))


def own_rows(count: int) -> slice:
    """Which of `count` rows are this process's. ValueError when there are fewer rows than processes."""
    if count < process_count():
        raise ValueError(f"a batch of {count} cannot be shared by {process_count()} processes; enlarge it, or start fewer")
    return slice(process_number(), None, process_count())


def equal_share(count: int) -> int:
    """How many of `count` rows each process has, where all must have as many. ValueError where they cannot."""
    if count % process_count():
        raise ValueError(f"a batch of {count} cannot be shared evenly by {process_count()} processes; change batch, or start "
                         "another number of them")
    return count // process_count()


def compute_together(network: Callable[..., Any], *inputs: Tensor) -> Any:
    """What `network(*inputs)` gives for the whole batch, of which each process computes its own rows.

    Inputs (B, ...) are alike in all processes, the result is a tensor (B, ...) or several. Losses of it are then those of
    the whole batch, whatever they are: rivals in the batch, ratios of means, pairs.
    """
    if process_count() == 1:
        return network(*inputs)
    rows = len(inputs[0])
    made = network(*(one[own_rows(rows)] for one in inputs))
    return _Gathered.apply(made, rows) if isinstance(made, Tensor) else [_Gathered.apply(one, rows) for one in made]


class _Gathered(torch.autograd.Function):
    """All rows (B, ...) of each process's own; a row's gradient is the sum of what all processes say of it.

    Ours, as `Summed`: the like of `torch.distributed.nn.functional` fail on their way back without `together`'s one line.
    """

    @staticmethod
    def forward(ctx: Any, own: Tensor, rows: int) -> Tensor:
        most = -(-rows // process_count())
        padded = torch.cat([own, own.new_zeros(most - len(own), *own.shape[1:])]).contiguous()      # (most, ...)
        parts = [torch.empty_like(padded) for _ in range(process_count())]
        with together():
            torch.distributed.all_gather(parts, padded)
        return torch.stack(parts, 1).flatten(0, 1)[:rows]                                           # (B, ...)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return summed(gradient)[own_rows(len(gradient))], None


class Summed(torch.autograd.Function):
    """The sum over the processes, through which gradients go: `Summed.apply(own)`."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        return summed(own)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return summed(gradient)


def check_same(value: int, what: str) -> None:
    """ValueError unless the value is the same in all processes, as it is when they see the same run folder."""
    if process_count() > 1:
        seen = torch.zeros(process_count(), dtype=torch.int64)
        seen[process_number()] = value
        seen = summed(seen).tolist()
        if len(set(seen)) > 1:
            raise ValueError(f"the processes see {what} {seen}; give all the same folder, on a file system that they share")
