"""Settings of a run for tests: what a base.yaml says otherwise, small and without a schedule."""

from headsync.experiment import RunSettings

PLAIN = {"steps": 17, "batch": 17, "lr": 1e-2, "weight_decay": 0.0, "beta1": 0.9, "beta2": 0.999, "ema_decay": 0.9,
         "warm_up": 0, "hold": 0.0, "last_share": 1.0, "clip": 100.0, "validate_every": 0, "checkpoint_every": 100,
         "monitor": "loss", "mode": "min", "patience": 0, "precision": "fp32", "workers": 0, "log_every": 10, "device": "cpu"}


def run_settings(**changes) -> RunSettings:
    """A run as it is plain, with changes."""
    return RunSettings(**{**PLAIN, **changes})
