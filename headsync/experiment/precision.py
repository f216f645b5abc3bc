"""Which numbers the networks compute with: bf16 where the processor multiplies them itself, else float32."""

import contextlib

import torch

CPU_UNITS = ("amx_bf16", "avx512_bf16", "arm_bf16")     # capabilities' names


def mixed_precision(device: torch.device) -> contextlib.AbstractContextManager:
    """A context for forward passes: bf16 autocast on a device that has units for it, nothing elsewhere.

    Without such units bf16 is emulated, ten times slower than float32.
    """
    if device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16, enabled=torch.cuda.is_bf16_supported())
    return torch.autocast("cpu", torch.bfloat16, enabled=has_cpu_units())


def has_cpu_units() -> bool:
    """Whether this machine's processor multiplies bf16 numbers itself."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in CPU_UNITS)
