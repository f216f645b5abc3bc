"""A renderer between two that one training led to: a share of the way, weight by weight, from one's to the other's.

    python -m render_stage.rhythmic_head.interpolation SHARP.safetensors SMOOTH.safetensors --share 0.4 --out MIDDLE.safetensors

Weights trained with discriminators are sharp and lose SSIM; weights trained on without them are near on average, and soft.
Interpolation chooses between the two after training. Source: Wang et al. 2019, Deep Network Interpolation.
"""

import argparse
import sys
from pathlib import Path

import torch

from render_stage.rhythmic_head.network import RendererNetwork
from render_stage.rhythmic_head.renderer import load_network, save_network


def between(first: RendererNetwork, second: RendererNetwork, share: float) -> RendererNetwork:
    """`first` with weights a `share` of the way to `second`'s; changes `first`. ValueError for other forms, or shares not in
    [0, 1]. Only networks of which one began with the other's weights, or both with a third's, have something between them.
    """
    if first.settings != second.settings:
        raise ValueError("the two renderers have different forms; give two of the same training")
    if not 0 <= share <= 1:
        raise ValueError(f"the share must be in [0, 1], got {share}")
    aims = second.state_dict()
    with torch.no_grad():
        for name, one in first.state_dict().items():
            if one.is_floating_point():     # but for the counters of the batch norms
                one.lerp_(aims[name], share)
    return first


def run(argv: list[str]) -> None:
    """Write the weights between two files."""
    parser = argparse.ArgumentParser(prog="python -m render_stage.rhythmic_head.interpolation",
                                     description=__doc__.splitlines()[0])
    parser.add_argument("first", metavar="FILE", help="weights of a renderer")
    parser.add_argument("second", metavar="FILE")
    parser.add_argument("--share", type=float, required=True, help="of the way: 0 the first, 1 the second")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(argv)
    try:
        made = between(load_network(options.first), load_network(options.second), options.share)
        print(f"{save_network(options.out, made)}: written")
    except (ValueError, OSError) as error:
        parser.exit(2, f"headsync: {error}\n")


if __name__ == "__main__":
    run(sys.argv[1:])
