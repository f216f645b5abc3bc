"""Whether a run can begin, or go on, as it is told to: the files that its settings name, and what its folder holds already."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from headsync.experiment.checkpoint import checkpoints
from headsync.experiment.config import config_dict, yaml_tree

CONFIG = "config.yaml"
WEIGHT_FILES = (".safetensors", ".pth", ".pt")
# What may change when a run goes on: how long it is, what it says and keeps meanwhile, and what computes it
MAY_CHANGE = {"steps", "patience", "validate_every", "checkpoint_every", "log_every", "wandb", "device",
              "precision", "workers", "frames_jobs"}


def check_run(settings: Any, out: str | Path) -> None:
    """ValueError, one line, when settings name a weight file that is not there, or `out` holds a run of other settings.

    A folder without checkpoints holds no run. The folders of a training in several parts lie in `out`.
    """
    given = dict(leaves(config_dict(settings)))
    for key, value in given.items():
        if isinstance(value, str) and value.endswith(WEIGHT_FILES) and not Path(value).is_file():
            raise ValueError(f"{key}={value}: there is no such file; name a weight file that is there, or leave {key} out")
    out = Path(out)
    if not out.is_dir():
        return
    for folder in [out, *sorted(one for one in out.iterdir() if one.is_dir())]:
        if (folder / CONFIG).is_file() and checkpoints(folder):
            before = dict(leaves(OmegaConf.to_container(yaml_tree(folder / CONFIG))))
            check_same_settings(before, given, folder)


def check_same_settings(before: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """ValueError naming the first setting in which a run in the folder differs from one that is to go on there."""
    for key in sorted({*before, *now}):
        if key.rpartition(".")[2] in MAY_CHANGE or before.get(key) == now.get(key):
            continue
        was, would = (repr(one[key]) if key in one else "not set" for one in (before, now))
        raise ValueError(f"{folder} holds a run of other settings: {key} is {was} there and {would} now; give another run "
                         f"folder, or go on with the settings in {folder / CONFIG}")


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of everything in nested dictionaries that is none itself."""
    if not isinstance(value, dict):
        yield key, value
        return
    for name, item in value.items():
        yield from leaves(item, f"{key}.{name}" if key else str(name))
