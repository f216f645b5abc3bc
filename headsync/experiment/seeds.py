"""Random numbers by number: of a seed, a step and a process; where a run was stopped changes none of them."""

import random

import numpy as np
import torch

BATCHES, STEPS, METRICS, START = range(4)       # what the numbers are for


def mixed_seed(*numbers: int) -> int:
    """A seed of 32 bits that differs whenever one of the whole numbers does. Of a larger one torch would use 32 bits."""
    return int(np.random.SeedSequence([number % 2**32 for number in numbers]).generate_state(1)[0])


def batch_generator(seed: int, step: int) -> torch.Generator:
    """The generator that draws batch number `step`, the same in every process."""
    return torch.Generator().manual_seed(mixed_seed(BATCHES, seed, step))


def seed_everything(*numbers: int) -> None:
    """Begin the random numbers of Python, NumPy and torch, on all devices, anew at these numbers."""
    seed = mixed_seed(*numbers)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (other people's code draws from it)
    torch.manual_seed(seed)
