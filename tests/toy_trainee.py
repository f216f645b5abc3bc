"""A small trainee for the loop's tests: regression with dropout, Adam and random batches. Run as a script it trains.

    python -m tests.toy_trainee FOLDER STEPS
"""

import sys
import time

import torch

from experiment import LoopSettings, RunLog, run_loop


class Regression:
    """y = x W with noise; everything random comes from global torch or from a generator of its own."""

    def __init__(self, *, pause_s: float = 0.0):
        torch.manual_seed(5)
        self.model = torch.nn.Sequential(torch.nn.Linear(7, 13), torch.nn.Dropout(0.3), torch.nn.Linear(13, 1))
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=1e-2)
        self.order = torch.Generator().manual_seed(11)
        self.x = torch.randn(101, 7, generator=torch.Generator().manual_seed(2))
        self.y = self.x.sum(1, keepdim=True)
        self.pause_s = pause_s

    def step(self):
        time.sleep(self.pause_s)
        chosen = torch.randint(0, 101, (17,), generator=self.order)
        loss = (self.model.train()(self.x[chosen]) - self.y[chosen]).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"loss": loss.item()}

    def validate(self):
        with torch.no_grad():
            return {"loss": (self.model.eval()(self.x) - self.y).square().mean().item()}

    def state(self):
        return {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(), "order": self.order.get_state()}

    def restore(self, state):
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.order.set_state(state["order"])


def train(folder, steps, *, pause_s=0.0, **settings):
    """A run of the loop in `folder`; returns trainee and result."""
    trainee = Regression(pause_s=pause_s)
    chosen = LoopSettings(**{"steps": steps, "log_every": 1, "validate_every": 5, "save_every": 3, **settings})
    with RunLog(folder) as log:
        return trainee, run_loop(trainee, folder, chosen, log=log)


if __name__ == "__main__":
    print(train(sys.argv[1], int(sys.argv[2]), pause_s=0.02)[1].step)
