"""Which numbers the networks compute with: the one place where a precision is named, chosen and switched on.

A precision is `fp32`, `bf16` (autocast: convolutions and products of matrices in 16 bits, all else in 32), or `auto`.
An explicit choice always holds. `auto` is what the environment variable HEADSYNC_PRECISION says, if it is set; else bf16
on a device that has units for it, fp32 elsewhere: there bf16 is emulated, ten times slower than float32.
"""

import contextlib
import functools
import os
from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args

import torch
from torch import Tensor

Precision = Literal["auto", "fp32", "bf16"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
VARIABLE = "HEADSYNC_PRECISION"
AUTOCAST_DEVICES = ("cpu", "cuda")
CPU_UNITS = ("amx_bf16", "avx512_bf16", "arm_bf16")     # capabilities' names


def mixed_precision(device: str | torch.device, precision: Precision = "auto") -> contextlib.AbstractContextManager:
    """A context for forward passes on a device in a precision, whatever autocast there is around it.

    What networks return in it may be bfloat16; public functions hand out float32. ValueError as `chosen_precision`.
    """
    device = torch.device(device)
    if chosen_precision(device, precision) == "bf16":
        # Torch would go on with its 16-bit copies of weights that an optimiser has changed meanwhile
        return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)
    return torch.autocast(device.type, enabled=False)


Computing = TypeVar("Computing", bound=Callable)


def in_float32(function: Computing) -> Computing:
    """The function, computing in float32 whatever autocast there is around it: measures must not depend on that.

    Within an autocast, 16-bit tensors among its arguments come to it as float32. Not for generator functions, whose bodies
    run when their caller asks for more.
    """
    @functools.wraps(function)
    def computing(*arguments: Any, **named: Any) -> Any:
        active = [kind for kind in AUTOCAST_DEVICES if torch.is_autocast_enabled(kind)]
        if not active:
            return function(*arguments, **named)
        with contextlib.ExitStack() as stack:
            for kind in active:
                stack.enter_context(torch.autocast(kind, enabled=False))
            return function(*as_float32(arguments), **{name: as_float32(one) for name, one in named.items()})
    return computing


def as_float32(made: Any) -> Any:
    """What networks made, tensors in any nesting of tuples and lists, with all 16-bit numbers as float32."""
    if isinstance(made, Tensor):
        return made.float() if made.dtype in (torch.bfloat16, torch.float16) else made
    if isinstance(made, tuple | list):
        parts = [as_float32(one) for one in made]
        return type(made)(*parts) if hasattr(made, "_fields") else type(made)(parts)
    return made


def chosen_precision(device: str | torch.device, precision: Precision = "auto") -> Literal["fp32", "bf16"]:
    """What a precision comes to on a device: fp32 or bf16.

    ValueError, one line, for an unknown name, also in HEADSYNC_PRECISION, and for bf16 on a GPU that cannot compute it.
    """
    device = torch.device(device)
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; choose {', '.join(PRECISIONS)}")
    if precision == "auto":
        precision = environment_precision()
    if precision == "auto":
        return "bf16" if has_units(device) else "fp32"
    if precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise ValueError(f"precision is bf16, which {torch.cuda.get_device_name(device)} cannot compute; choose fp32")
    return precision


def environment_precision() -> Precision:
    """What HEADSYNC_PRECISION says; auto where it is not set or empty. ValueError for an unknown name."""
    said = os.environ.get(VARIABLE) or "auto"
    if said not in PRECISIONS:
        raise ValueError(f"the environment variable {VARIABLE} is {said!r}; set it to {', '.join(PRECISIONS)}, or unset it")
    return said


def has_units(device: str | torch.device) -> bool:
    """Whether a device multiplies bf16 numbers itself."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and has_cpu_units()


def has_cpu_units() -> bool:
    """Whether this machine's processor multiplies bf16 numbers itself."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in CPU_UNITS)
