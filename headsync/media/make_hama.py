"""hama's first five blocks as an ONNX file -> the weight file that `hama.py` reads. Needs the package onnx.

    python -m headsync.media.make_hama hama_5blocks.onnx hama_5blocks.safetensors
"""

import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save

BLOCK = "acoustic_model.model.backbone.{}.{}"
LAYERS = {"depthwise": "depthwise", "se.fc1": "squeeze", "se.fc2": "excite"}


def plain_names(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays by the names of `HamaEncoder`'s parameters; convolutions that took a norm in have only numbers, in order."""
    folded = [given[name] for name in sorted((name for name in given if name.startswith("onnx::Conv_")),
                                             key=lambda name: int(name.rpartition("_")[2]))]
    named = {"mel_filters": given["mel_fb"].T}
    for place, layer in enumerate(("stem", *(f"blocks.{number}.pointwise" for number in range(5)))):
        named |= {f"{layer}.weight": folded[2 * place], f"{layer}.bias": folded[2 * place + 1]}
    for number in range(5):
        for theirs, ours in LAYERS.items():
            for kind in ("weight", "bias"):
                named[f"blocks.{number}.{ours}.{kind}"] = given[BLOCK.format(number, f"{theirs}.{kind}")]
    return {name: np.ascontiguousarray(array) for name, array in named.items()}


def main() -> None:
    """Convert the file."""
    import onnx
    from onnx import numpy_helper

    source, target = map(Path, sys.argv[1:])
    graph = onnx.load(source).graph
    target.write_bytes(save(plain_names({one.name: numpy_helper.to_array(one) for one in graph.initializer})))


if __name__ == "__main__":
    main()
