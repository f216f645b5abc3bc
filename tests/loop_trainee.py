"""A trainee small enough to run in tests; as a program it trains in a folder and can kill itself.

    python tests/loop_trainee.py FOLDER STEPS [KILL_AT_STEP | save:KILL_IN_SAVE_AT_STEP | PAUSE_S]
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch

import headsync.media.files
from headsync.experiment import LoopSettings, RunLog, run_loop

SETTINGS = {"log_every": 2, "validate_every": 5, "save_every": 3}


class Regression:
    """A line through 101 points, with every source of randomness that a training has: dropout draws from torch, the
    noise from NumPy and Python, the order of the data from a generator of its own."""

    def __init__(self, *, seed: int = 5, pause_s: float = 0.0, kill_at: int = 0):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        self.model = torch.nn.Sequential(torch.nn.Linear(7, 13), torch.nn.BatchNorm1d(13), torch.nn.Dropout(0.3),
                                         torch.nn.Linear(13, 1))
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=1e-2)
        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimiser, step_size=4, gamma=0.5)
        self.generator = torch.Generator().manual_seed(11)
        self.x = torch.randn(101, 7, generator=torch.Generator().manual_seed(2))
        self.y = self.x.sum(1, keepdim=True)
        self.order, self.place = torch.randperm(101, generator=self.generator), 0
        self.done, self.pause_s, self.kill_at = 0, pause_s, kill_at

    def step(self):
        time.sleep(self.pause_s)
        if self.place + 17 > len(self.order):
            self.order, self.place = torch.randperm(101, generator=self.generator), 0
        chosen = self.order[self.place : self.place + 17]
        noise = 0.1 * np.random.randn() + 0.1 * random.gauss(0, 1)  # noqa: NPY002
        loss = (self.model.train()(self.x[chosen]) - self.y[chosen] + noise).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.schedule.step()
        self.place, self.done = self.place + 17, self.done + 1
        if self.done == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"loss": loss.item()}

    def validate(self):
        with torch.no_grad():
            return {"loss": (self.model.eval()(self.x) - self.y).square().mean().item() + random.random()}

    def state(self):
        return {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(),
                "schedule": self.schedule.state_dict(), "generator": self.generator.get_state(),
                "order": self.order, "place": self.place, "done": self.done}

    def restore(self, state):
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.generator.set_state(state["generator"])
        self.order, self.place, self.done = state["order"], state["place"], state["done"]


def train(folder, steps, *, trainee=None, resume=True, **settings):
    """(trainee, result) of a run of the loop in a folder."""
    trainee = trainee or Regression()
    with RunLog(folder) as log:
        chosen = LoopSettings(steps=steps, **{**SETTINGS, **settings})
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
