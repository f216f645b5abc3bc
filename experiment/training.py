"""A whole training in its folder: configuration written, log opened, loop run, the best state brought back."""

from pathlib import Path
from typing import NamedTuple, Protocol

from experiment.checkpoint import load_checkpoint
from experiment.config import config_dict, save_config
from experiment.log import RunLog, WandbMode
from experiment.loop import BEST, LoopResult, LoopSettings, Trainee, run_loop


class RunSettings(Protocol):
    """What every training's settings hold."""

    loop: LoopSettings
    wandb: WandbMode


class Trained(NamedTuple):
    loop: LoopResult
    state: dict     # the trainee's, at its best validation; the last one of a run that was never validated


def train_whole(trainee: Trainee, out: Path, settings: RunSettings) -> Trained:
    """What the run in `out`, made or gone on with, came to. ValueError as `run_loop`."""
    out.mkdir(parents=True, exist_ok=True)
    save_config(settings, out / "config.yaml")
    with RunLog(out, wandb=settings.wandb, config=config_dict(settings)) as log:
        result = run_loop(trainee, out, settings.loop, log=log)
    return Trained(result, (load_checkpoint(out / BEST) or load_checkpoint(out))["trainee"])
