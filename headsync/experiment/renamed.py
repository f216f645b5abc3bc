"""Names of version 0.1 and their new ones: old keys of presets are refused, old names in weight files are read."""

from collections.abc import Mapping, Sequence

from torch import Tensor
from torch.nn.functional import pad

KEYS = {
    "loop.save_every": "run.checkpoint_every", "loop": "run", "batch": "run.batch", "clips": "run.batch", "rate": "run.lr",
    "decay": "run.weight_decay", "momentum": "run.beta1", "average": "run.ema_decay", "warmup_steps": "run.warm_up",
    "full_rate": "run.hold", "last_share": "run.last_share", "workers": "run.workers", "seed": "run.seed",
    "wandb": "run.wandb", "steps": "train.run.steps", "judge_hidden": "discriminator.hidden",
    "judge_rate": "discriminator.lr", "adversary.rate": "discriminator.lr", "adversary": "discriminator",
    "judged_from": "adversarial_from", "tremble": "landmark_jitter", "judge": "validation_syncers",
    "weights.judge": "weights.adversarial", "generator.sway": "generator.head_noise",
    "material.deaf": "material.drop_audio", "material.deaf_reference": "material.drop_reference_audio",
}
# In weight files, by the model's key in the config: names of settings, and beginnings of tensors' names
SETTINGS = {"generator": {"sway": "head_noise"}}
TENSORS = {"generator": {"sway": "head_noise"}, "articulation": {"heard.": "audio_encoder."},
           "expression": {"hear.": "audio_encoder.", "look.": "shape_encoder."}}
ALWAYS = 30.0           # logit
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


def current_config(config: dict) -> dict:
    """The configuration of a weight file with the names and settings that are used since version 0.3."""
    config = {model: {SETTINGS.get(model, {}).get(name, name): value for name, value in settings.items()}
            if isinstance(settings, dict) else settings for model, settings in config.items()}
    lips = config.get("articulation")
    if isinstance(lips, dict) and "networks" not in lips and "kernel" in lips:      # 0.2: one network, as much after as before
        lips |= {"window": "full", "networks": 1, "ahead": lips["kernel"] // 2 * sum(lips["dilations"])}
    return config


def current_tensors(tensors: Mapping[str, Tensor], config: Mapping) -> dict[str, Tensor]:
    """A weight file's tensors, under the names and in the form that are used since version 0.3."""
    beginnings = {old: new for model in config for old, new in TENSORS.get(model, {}).items()}
    named = {next((new + name.removeprefix(old) for old, new in beginnings.items() if name.startswith(old)), name): one
             for name, one in tensors.items()}
    return _with_speech(named) if "articulation" in config and "out.bias" in named else named


def _with_speech(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a 0.2 articulation learner as its only network's, which always takes a sound for speech."""
    made = dict(tensors)
    made["out.weight"], made["out.bias"] = pad(made["out.weight"], (0, 0, 0, 1)), pad(made["out.bias"], (0, 1), value=ALWAYS)
    inside = ("audio_encoder.", "layers.", "out.")
    return {f"networks.0.{name}" if name.startswith(inside) else name: one for name, one in made.items()}
