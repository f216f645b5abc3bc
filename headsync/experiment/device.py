"""Where networks compute: the one place where a device is named and chosen."""

import torch

DEVICES = "auto, cpu, cuda or cuda:N"


def chosen_device(device: str | torch.device = "auto") -> torch.device:
    """What a device's name comes to: `auto` is the first GPU where torch can use one, else the CPU.

    ValueError, one line, for any other name than `auto`, `cpu`, `cuda` and `cuda:N`, and for a GPU that is not there.
    """
    if isinstance(device, torch.device):
        device = str(device)
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device) if isinstance(device, str) else None     # builds with CUDA take a number for a GPU's
    except (RuntimeError, TypeError):
        found = None
    if found is None or found.type not in ("cpu", "cuda"):
        raise ValueError(f"there is no device {device!r}; choose {DEVICES}")
    if found.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (found.index or 0) >= count:
            raise ValueError(f"there is no device {device!r} on this machine ({count} GPUs that torch can use); choose "
                             f"{'cpu' if not count else f'cpu or cuda:0 to cuda:{count - 1}'}")
    return found
