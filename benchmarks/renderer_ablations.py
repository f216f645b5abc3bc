"""Ablation of the renderer, after the paper's table 3: one short training per variant, for `render_figures.py`.

    .venv/bin/python benchmarks/renderer_ablations.py --data CORPUS --out RUNS [--steps 200] [VARIANT ...]
    .venv/bin/python benchmarks/render_figures.py --data CORPUS --references 1 8 --model full=RUNS/full/renderer.safetensors ...

Every variant is preset `small` and one ablation's preset over it, trained for the same few steps on the same material; so
figures are lower than the shipped weights' and compare with each other only. A finished run is left as it is; the second
command is printed in full. `--flows small` gives all of them trained flow networks to begin with, so that the steps
go into what is drawn; variants of other flow networks are refused then.
"""

import argparse
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import torch
import yaml

from headsync.corpus import open_corpus
from headsync.experiment import load_config
from render_stage.rhythmic_head import RendererNetwork
from render_stage.rhythmic_head.renderer import load_network, save_network
from render_stage.rhythmic_head.train import RendererSettings, train_renderer

VARIANTS = ("full", "without_mesh", "without_hybrid", "without_nonlinear", "without_warping", "without_backdrop", "posed_mesh")
FLOW_SHARE = 0.3        # of the steps, in which only flows learn


def overrides_of(variant: str) -> list[str]:
    """An ablation's preset as overrides, so that it can be laid over `small`."""
    if variant == "full":
        return []
    tree = yaml.safe_load((files("headsync.configs") / "renderer" / f"{variant}.yaml").read_text())
    return list(_dotted(tree, ""))


def _dotted(tree: dict, before: str):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _dotted(value, f"{before}{key}.")
        else:
            yield f"{before}{key}={str(value).lower() if isinstance(value, bool) else value}"


def begun(settings: RendererSettings, flows: str, path: Path) -> Path:
    """A weight file of untrained networks of these settings, but for a trained renderer's flow networks."""
    torch.manual_seed(settings.seed)
    network = RendererNetwork(settings.network)
    trained = {name: one for name, one in load_network(flows).state_dict().items() if "_flow." in name}
    network.load_state_dict(network.state_dict() | trained)
    return save_network(path, network, half=False)


def main() -> None:
    """Train what is missing, print how to evaluate it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--flows", metavar="FILE", help="weights whose flow networks all begin with, or small")
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help=f"of: {', '.join(VARIANTS)} (default: all)")
    options = parser.parse_args()
    flows = 0 if options.flows else round(FLOW_SHARE * options.steps)
    budget = [f"run.steps={options.steps}", f"run.validate_every={options.steps}", "run.batch=4",
              "run.lr=0.0006", "run.ema_decay=0.98", f"flows_until={flows}",
              f"adversarial_from={options.steps}", "weights.perceptual=0"]
    models = []
    for name in options.variants or VARIANTS:
        settings = load_config(RendererSettings, stage="renderer", preset="small", overrides=[*budget, *overrides_of(name)])
        if options.flows:
            start = begun(settings, options.flows, options.out / f"{name}.begin.safetensors")
            settings = replace(settings, begin_with=str(start))
        report = train_renderer(open_corpus(options.data), options.out / name, settings)
        print(f"{name}: {report.loop.best:.4f} mean SSIM of validation targets", flush=True)
        models.append(f"{name}={report.weights}")
    print(f"benchmarks/render_figures.py --data {options.data} --references 1 8 --model {' '.join(models)}")


if __name__ == "__main__":
    main()
