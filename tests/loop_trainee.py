"""A trainee small enough to run in tests; as a program it trains in a folder and can kill itself.

    python tests/loop_trainee.py FOLDER STEPS [KILL_AT_STEP | save:KILL_IN_SAVE_AT_STEP | PAUSE_S]
"""

import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch

import headsync.media.files
from headsync.experiment import (
    Adversary,
    DiscriminatorInput,
    Parts,
    RunLog,
    RunSettings,
    Scores,
    StepLosses,
    Trainer,
    batch_generator,
    run_loop,
    save_weights,
)
from tests.run_settings import run_settings

SETTINGS = {"log_every": 2, "validate_every": 5, "checkpoint_every": 3}


@dataclass(frozen=True)
class LineSettings:
    run: RunSettings


class Line:
    """A line through 101 points as a `Task`, with every source of randomness that a training may use."""

    def __init__(self, run: RunSettings, *, start: int = 5):
        self.settings, self.start = LineSettings(run), start
        self.x = torch.randn(101, 7, generator=torch.Generator().manual_seed(2))
        self.y = self.x.sum(1, keepdim=True)

    def build(self):
        torch.manual_seed(self.start)
        self.model = torch.nn.Sequential(torch.nn.Linear(7, 13), torch.nn.BatchNorm1d(13), torch.nn.Dropout(0.3),
                                         torch.nn.Linear(13, 1))
        discriminator = Told(torch.nn.Linear(8, 1))
        return Parts(self.model, companion=torch.nn.Linear(1, 1), adversary=Adversary(discriminator, lr=1e-2))

    def weights(self, step):
        return {"square": 1.0, "told": 0.1}

    def batch(self, step):
        chosen = torch.randperm(101, generator=batch_generator(self.settings.run.seed, step))[: self.settings.run.batch]
        return self.x[chosen], self.y[chosen]

    def losses(self, batch, wanted):
        x, y = batch
        made = self.model(x)
        noise = 0.1 * np.random.randn() + 0.1 * random.gauss(0, 1)  # noqa: NPY002
        return StepLosses({"square": (made - y + noise).square().mean()}, discriminator_input=DiscriminatorInput(made, y, (x,)))

    def metrics(self, model, *, step):
        return {"loss": (model(self.x) - self.y).square().mean().item() + random.random()}

    def finish(self, model, out):
        return save_weights(out / "line.safetensors", model.state_dict(), config={"line": {}})


class Told(torch.nn.Module):
    """Scores of numbers beside what they were made from."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, sides, x):
        return Scores({"told": [self.layer(torch.cat([sides, x.expand(len(sides), -1, -1)], -1))]})


class Regression(Trainer):
    """The trainer of a line; it may take its time, or kill its own process."""

    def __init__(self, *, start: int = 5, pause_s: float = 0.0, kill_at: int = 0, **run):
        super().__init__(Line(run_settings(**run), start=start))
        self.pause_s, self.kill_at = pause_s, kill_at

    def step(self):
        time.sleep(self.pause_s)
        told = super().step()
        if self.steps == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return told


def train(folder, steps, *, trainee=None, resume=True, **settings):
    """(trainee, result) of a run of the loop in a folder."""
    trainee = trainee or Regression()
    with RunLog(folder) as log:
        chosen = run_settings(steps=steps, **{**SETTINGS, **settings})
        return trainee, run_loop(trainee, folder, chosen, log=log, resume=resume)


def kill_in_save(step):
    """The checkpoint of this step is complete, but has not got its name when the program dies."""
    replace = os.replace

    def dying(source, target):
        if Path(target).name == f"step-{step:09d}.ckpt":
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    headsync.media.files.os.replace = dying


def main(folder, steps, how="0"):
    if how.startswith("save:"):
        kill_in_save(int(how[5:]))
    pause_s, kill_at = (float(how), 0) if "." in how else (0.0, 0 if how.startswith("save:") else int(how))
    _, result = train(folder, int(steps), trainee=Regression(pause_s=pause_s, kill_at=kill_at))
    print(*result)


if __name__ == "__main__":
    main(*sys.argv[1:])
