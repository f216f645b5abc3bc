"""A whole training in its folder: configuration written, log opened, loop run, the best state brought back."""

import math
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple, Protocol

from headsync.experiment.checkpoint import load_checkpoint
from headsync.experiment.config import config_dict, save_config
from headsync.experiment.distributed import is_first, wait_for_all
from headsync.experiment.lock import only_run
from headsync.experiment.log import RunLog, SilentLog, WandbMode
from headsync.experiment.loop import BEST, LoopResult, LoopSettings, Trainee, run_loop
from headsync.experiment.run_folder import CONFIG, check_run


class RunSettings(Protocol):
    """What every training's settings hold."""

    loop: LoopSettings
    wandb: WandbMode


class Trained(NamedTuple):
    loop: LoopResult
    state: dict     # the trainee's, at its best validation; the last one of a run that was never validated


def half_cosine(done: float, *, last: float) -> float:
    """What is left of a learning rate: falls from 1 to `last` while `done` goes from 0 to 1, constant before and after."""
    return last + (1 - last) * (1 + math.cos(math.pi * min(max(done, 0.0), 1.0))) / 2


def train_whole(trainee: Trainee, out: Path, settings: RunSettings) -> Trained:
    """What the run in `out`, made or gone on with, came to; of several processes the first writes.

    ValueError as `run_loop`, and when another run is at work in the folder.
    """
    with only_run(out) if is_first() else nullcontext():
        if is_first():
            check_run(settings, out)
            save_config(settings, out / CONFIG)
        with RunLog(out, wandb=settings.wandb, config=config_dict(settings)) if is_first() else SilentLog() as log:
            result = run_loop(trainee, out, settings.loop, log=log)
    wait_for_all()
    if is_first() and result.step < settings.loop.steps and not result.stopped_early:
        print(f"headsync: stopped and saved at step {result.step} of {settings.loop.steps}; run the same again to go on",
              file=sys.stderr)
    return Trained(result, (load_checkpoint(out / BEST) or load_checkpoint(out))["trainee"])
