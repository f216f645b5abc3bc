"""Keys of version 0.1's presets and overrides, and what they are called since: they are refused, naming the new key."""

from collections.abc import Sequence

KEYS = {
    "loop.save_every": "run.checkpoint_every", "loop": "run", "batch": "run.batch", "clips": "run.batch", "rate": "run.lr",
    "decay": "run.weight_decay", "momentum": "run.beta1", "average": "run.ema_decay", "warmup_steps": "run.warm_up",
    "full_rate": "run.hold", "last_share": "run.last_share", "workers": "run.workers", "seed": "run.seed",
    "wandb": "run.wandb", "steps": "train.run.steps", "judge_hidden": "discriminator.hidden",
    "judge_rate": "discriminator.lr", "adversary.rate": "discriminator.lr", "adversary": "discriminator",
    "judged_from": "adversarial_from", "tremble": "landmark_jitter", "judge": "validation_syncers",
    "weights.judge": "weights.adversarial",
}
INSIDE = "train."       # the settings of a training inside those of another job


def new_name(unknown: str, given: Sequence[str]) -> tuple[str, str] | None:
    """(old, new) full key of the first that has been renamed, of an unknown key and the keys given at its place; or None."""
    for key in (*given, unknown):
        inside = INSIDE if key.startswith(INSIDE) else ""
        whole = key.removeprefix(inside)
        for old in sorted(KEYS, key=len, reverse=True):
            if whole == old or whole.startswith(old + "."):
                return key, inside + KEYS[old] + whole.removeprefix(old)
    return None
