"""Makes the shipped MobileFaceNet from the published TensorFlow Lite file.

    python -m render_stage.identity.make_mobile_face_net mobilefacenet.tflite render_stage/weights/mobilefacenet.safetensors

Needs the package `tflite` (pip install tflite), which headsync does not. Layers stand in the file in the order in which they
are computed; batch norms are already folded into them. Its rectifiers are max(x, 0) + c (x - |x|), of slope 2 c below 0.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from headsync.experiment import save_weights
from render_stage.identity.mobile_face_net import MobileFaceNet


def read_constants(path: Path) -> list[tuple[str, list[np.ndarray]]]:
    """Every operator's name and its constant inputs, in the order of computing."""
    import tflite

    model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
    graph = model.Subgraphs(0)
    names = {number: name for name, number in vars(tflite.BuiltinOperator).items() if not name.startswith("_")}
    found = []
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex())
        tensors = [graph.Tensors(place) for place in operator.InputsAsNumpy()]
        stored = [one for one in tensors if model.Buffers(one.Buffer()).DataLength()]
        found.append((names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())],
                      [model.Buffers(one.Buffer()).DataAsNumpy().view(np.float32).reshape(one.ShapeAsNumpy())
                       for one in stored if one.Type() == tflite.TensorType.FLOAT32]))
    return found


def filled(constants: list[tuple[str, list[np.ndarray]]]) -> MobileFaceNet:
    """The network with those constants. ValueError when they are not MobileFaceNet's."""
    network = MobileFaceNet()
    layers = [one for one in network.modules() if isinstance(one, nn.Conv2d)]
    slopes = [one for one in network.modules() if isinstance(one, nn.PReLU)]
    filters = [(name, found) for name, found in constants if name.endswith("CONV_2D")]
    factors = [found[0] for name, found in constants if name == "MUL"]
    if len(filters) != len(layers) or len(factors) != len(slopes):
        raise ValueError(f"{len(filters)} convolutions and {len(factors)} rectifiers are no MobileFaceNet, which has "
                         f"{len(layers)} and {len(slopes)}; give mobilefacenet.tflite")
    for layer, (name, (weight, bias)) in zip(layers, filters):
        order = (3, 0, 1, 2) if name.startswith("DEPTHWISE") else (0, 3, 1, 2)
        _take(layer.weight, weight.transpose(order))
        _take(layer.bias, bias)
    for slope, factor in zip(slopes, factors):
        _take(slope.weight, 2 * factor)
    return network


def _take(parameter: nn.Parameter, values: np.ndarray) -> None:
    if values.shape != parameter.shape:
        raise ValueError(f"a layer of {values.shape} stands where MobileFaceNet has {tuple(parameter.shape)}")
    parameter.data = torch.tensor(values)


def main(given: Path, out: Path) -> None:
    """Write the weights in half precision."""
    network = filled(read_constants(given))
    print(save_weights(out, network.state_dict(), config={"mobile_face_net": {}}, half=True))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
