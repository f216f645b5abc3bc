"""Every option of a training is there for somebody: a preset or an ablation varies it, or a line here says why it is one."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
STAGES = sorted(path.parent.name for path in (ROOT / "configs").glob("*/base.yaml"))
ELSEWHERE = ("run.", "train.")      # of every training (docs/training.md); of sync correction: a whole training of syncers
WHY = {
    "articulation": {
        "material.flip": "0 where left and right of a face must stay apart",
        "material.rest": "how much rest is learned", "weights.speech": "losses are weighed by whoever trains on other people",
        "weights.points": "losses are weighed by whoever trains on other people",
        "weights.lips": "likewise", "weights.velocity": "likewise", "weights.correlation": "likewise"},
    "close_up": {
        "network.patch": "size of the network", "discriminator.lr": "training on other people",
        "discriminator.scales": "size of the discriminators", "discriminator.conditions": "what they see, by the inputs' form",
        "discriminator.instance_norm": "the published form has none", "material.renderer": "whose pictures are drawn again",
        "material.pool": "people of one's own corpus whose names nobody distinguishes", "material.pooled": "likewise",
        "material.colour": "tests draw unchanged pictures", "weights.reconstruction": "losses are weighed by whoever trains",
        "weights.structure": "likewise", "weights.gradient": "likewise"},
    "encoder": {
        **dict.fromkeys([f"changes.{name}" for name in ("colours", "noise", "shift", "spoiled", "turn_degrees", "zoom")],
                        "augmentation; tests draw unchanged pictures"),
        "encoder.view": "weight files of either form", "unknown": "of people whom nobody distinguishes",
        "people": "the other half trains a measure of one's own",
        **dict.fromkeys([f"weights.{name}" for name in ("identity", "landmarks", "turn")],
                        "losses are weighed by whoever trains")},
    "expression": {"material.feature_noise": "augmentation of features, of one's own ears"},
    "g4g": {
        "discriminator.conditions": "what discriminators see, by the inputs' form", "discriminator.scales": "their size",
        "discriminator.instance_norm": "the published form has none", "material.larger": "of the canvas round a face",
        "material.pool": "people of one's own corpus whose names nobody distinguishes", "material.pooled": "likewise",
        "weights.reconstruction": "losses are weighed by whoever trains", "weights.alignment": "likewise"},
    "landmarks": {
        "discriminator.widen": "size of the discriminators; tests train small ones",
        "material.still_start": "calibration begins with stills alone"},
    "pc_avs": {
        "contrast.temperature": "losses are weighed by whoever trains",
        "discriminator.conditions": "what discriminators see, by the inputs' form", "discriminator.scales": "their size",
        "discriminator.instance_norm": "the published form has none", "network.pose": "size of the pose code",
        "network.generator.modulation": "weight files of either form",
        "material.pool": "people of one's own corpus whose names nobody distinguishes", "material.pooled": "likewise",
        **dict.fromkeys([f"material.change.{name}" for name in ("aspect", "blurred", "colour", "gains", "mouth_swapped",
                                                                "perspective", "shift", "zoom")],
                        "augmentation that keeps identity from the pose code; tests draw unchanged pictures")},
    "renderer": {
        "network.matched_flow.depth": "size of the network", "network.composition.label_stride": "size of the network",
        "network.close_up": "a close-up of one's own training", "discriminator.scales": "size of the discriminators",
        "discriminator.conditions": "what they see, by the inputs' form",
        "discriminator.instance_norm": "the published form has none",
        "material.pool": "people of one's own corpus whose names nobody distinguishes", "material.pooled": "likewise",
        "material.colour": "tests draw unchanged pictures", "material.open_mouths": "tests draw any mouths",
        "weights.reconstruction": "losses are weighed by whoever trains", "weights.flow": "likewise"},
    "syncers": {
        "syncer.channels.positions": "the ablation of velocities alone", "syncer.audio.blocks": "size of the network",
        "syncer.separate": "weight files of either form", "material.stretch": "augmentation, off where shipped",
        "material.identity": "likewise"},
}


def leaves(settings: dict, place: str = "") -> Iterator[tuple[str, object]]:
    """Every option by its dotted name; an empty mapping is one."""
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{place}{name}.")
        else:
            yield place + name, value


def read(stage: str, preset: str) -> dict[str, object]:
    return dict(leaves(yaml.safe_load((ROOT / "configs" / stage / f"{preset}.yaml").read_text(encoding="utf-8")) or {}))


def unvaried(stage: str, said: str) -> set[str]:
    """Options outside `run` that no preset sets to another value and no command in `said` names."""
    base = {name: value for name, value in read(stage, "base").items() if not name.startswith(ELSEWHERE)}
    presets = [read(stage, path.stem) for path in (ROOT / "configs" / stage).glob("*.yaml") if path.stem != "base"]
    varied = {name for preset in presets for name, value in preset.items() if base.get(name, value) != value}
    whole = {name for preset in presets for name in preset if name not in base}     # null, or {} for a group of options
    named = {name for name in base if re.search(rf"\b{re.escape(name)}=", said)}
    return {name for name in base.keys() - varied - named if not any(name.startswith(f"{group}.") for group in whole)}


@pytest.fixture(scope="module")
def said() -> str:
    """All ablations and documents: what is set by a command."""
    pages = [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


@pytest.mark.parametrize("stage", STAGES)
def test_every_option_is_varied_or_has_a_reason(stage, said):
    reasons = WHY.get(stage, {})
    assert not unvaried(stage, said) - reasons.keys(), "vary it in a preset or an ablation, say why it is one, or take it out"
    assert reasons.keys() <= read(stage, "base").keys()


def test_an_option_that_nothing_varies_is_found(said):
    assert "weights.points" in unvaried("articulation", said) and "model.width" not in unvaried("articulation", said)
    assert "syncer.channels.window" not in unvaried("syncers", said) and "syncer.channels.window" in unvaried("syncers", "")
