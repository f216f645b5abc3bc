"""How a run goes, whatever it trains: device, steps, optimiser, learning rate, average, log; the key `run` of every preset."""

from dataclasses import dataclass
from typing import Literal

from headsync.experiment.log import WandbMode
from headsync.experiment.precision import Precision


@dataclass(frozen=True)
class RunSettings:
    """One run of a `Trainer`. What has no default here depends on what is trained: its base.yaml says it."""

    steps: int
    batch: int                          # samples of a step, over all processes
    lr: float
    weight_decay: float
    beta1: float                        # of AdamW
    beta2: float
    ema_decay: float                    # of the weights that are validated and kept; less in the first steps
    warm_up: int                        # steps in which the learning rate rises
    hold: float                         # share of the steps after which it falls, half a cosine
    last_share: float                   # of it that is left at the last step; 1: constant
    clip: float                         # largest norm of the gradients
    validate_every: int                 # steps; 0: never
    checkpoint_every: int
    monitor: str                        # the validation metric that says which weights are kept
    mode: Literal["min", "max"]          # whether less of it is better
    patience: int                       # validations without a better one before the run stops; 0: never
    precision: Precision
    workers: int                        # processes that draw batches meanwhile; 0: this one draws them
    log_every: int = 50                 # steps; a line holds the means since the line before
    device: str = "auto"                # auto, cpu, cuda or cuda:N
    seed: int = 0
    wandb: WandbMode = "disabled"

    def __post_init__(self):
        for name, least in (("steps", 1), ("batch", 1), ("log_every", 1), ("validate_every", 0), ("checkpoint_every", 1),
                            ("patience", 0), ("warm_up", 0), ("workers", 0), ("weight_decay", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be {least} or more")
        for name in ("beta1", "beta2", "ema_decay", "hold"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be in [0, 1)")
        if not 0 < self.lr < 1 or not 0 <= self.last_share <= 1 or self.clip <= 0:
            raise ValueError(f"lr must be in (0, 1), last_share in [0, 1] and clip above 0, got {self.lr}, {self.last_share} "
                             f"and {self.clip}")
        if self.mode not in ("min", "max"):
            raise ValueError(f"mode is {self.mode!r}; choose min or max")
        if self.patience and not self.validate_every:
            raise ValueError(f"patience is {self.patience} but validate_every is 0; set how often to validate")
