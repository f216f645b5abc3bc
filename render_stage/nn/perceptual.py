"""How alike two pictures look to a frozen network: the user's VGG19, or the small face encoder that ships with headsync.

Shapes: B pictures, H W pixels. Pictures are (B, 3, H, W) in [0, 1].
Source: Rhythmic Head section 4.3, method/rhythmic_head.md#losses-and-optimisation (VGG19, layers relu1_1 to relu5_1, weights
1/32 to 1), method/decisions.md#networks-of-others.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

PUBLISHED_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Where VGG19's convolutions stand in torchvision's `features`, stage by stage, up to the first of the last stage
VGG19_STAGES = ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28,))


class PerceptualLoss(nn.Module):
    """sum_i w_i mean |f_i(made) - f_i(real)| over the feature maps f_i of a frozen network.

    `features` is any module that gives a list of feature maps of pictures. Gradients reach the picture, never the network.
    """

    def __init__(self, features: nn.Module, weights: Sequence[float]):
        super().__init__()
        self.features = features.requires_grad_(False).eval()
        self.weights = tuple(weights)

    def train(self, mode: bool = True) -> "PerceptualLoss":
        """Itself, never in training mode: a perceptual loss's network must not change."""
        return super().train(False)

    def forward(self, made: Tensor, real: Tensor) -> Tensor:
        """A scalar, 0 for equal pictures. ValueError when the network gives another number of maps than there are weights."""
        with torch.no_grad():
            wanted = self.features(real)
        found = self.features(made)
        if len(found) != len(self.weights):
            raise ValueError(f"the network gives {len(found)} feature maps, but there are {len(self.weights)} weights; "
                             "give one weight a map")
        terms = [F.l1_loss(ours.float(), theirs.float()) for ours, theirs in zip(found, wanted, strict=True)]
        return sum(weight * term for weight, term in zip(self.weights, terms))


class VGG19(nn.Module):
    """VGG19's five stages up to relu5_1, as wide as the weights of each convolution are."""

    def __init__(self, tensors: dict[str, Tensor]):
        super().__init__()
        self.stages = nn.ModuleList(
            nn.ModuleList(_convolution(tensors[f"features.{number}.weight"], tensors[f"features.{number}.bias"])
                          for number in stage)
            for stage in VGG19_STAGES)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION)[:, None, None], persistent=False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """relu1_1, relu2_1, relu3_1, relu4_1, relu5_1, float32; each half the size of the one before, sides from 16 pixels."""
        x, found = (pictures - self.mean) / self.deviation, []
        for number, stage in enumerate(self.stages):
            x = F.max_pool2d(x, 2) if number else x
            for place, convolution in enumerate(stage):
                x = F.relu(convolution(x))
                if place == 0:
                    found.append(x.float())
        return found


def _convolution(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    made = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[-1], padding=1)
    made.weight.data, made.bias.data = weight.float(), bias.float()
    return made


def load_vgg19(path: str | Path) -> VGG19:
    """The frozen network of a file that holds torchvision's state dict of VGG19, .pth or .safetensors.

    Only tensors named `features.N.weight` and `features.N.bias` are used, so a file without the classifier will do.
    ValueError, one line, for any other file.
    """
    path = Path(path)
    tensors = _read_tensors(path)
    names = [f"features.{number}.{part}" for number in itertools.chain(*VGG19_STAGES) for part in ("weight", "bias")]
    missing = [name for name in names if not isinstance(tensors.get(name), Tensor)]
    if missing:
        raise ValueError(f"{path} is no VGG19: it has no tensor {missing[0]}; give torchvision's vgg19 state dict")
    inner = len(IMAGENET_MEAN)
    for number in itertools.chain(*VGG19_STAGES):
        weight, bias = (tensors[f"features.{number}.{part}"] for part in ("weight", "bias"))
        if weight.shape != (len(weight), inner, 3, 3) or bias.shape != (len(weight),):
            raise ValueError(f"{path} is no VGG19: features.{number}.weight is {[*weight.shape]} and its bias {[*bias.shape]}, "
                             f"not [N, {inner}, 3, 3] and [N]; give torchvision's vgg19 state dict")
        inner = len(weight)
    return VGG19(tensors).requires_grad_(False).eval()


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            tensors = safetensors.torch.load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; give torchvision's vgg19 state dict") from None
    except Exception as error:  # torch names no type for what it refuses
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise ValueError(f"{path} cannot be read as weights ({reason}); give torchvision's vgg19 state dict") from None
    if not isinstance(tensors, dict):
        raise ValueError(f"{path} holds a {type(tensors).__name__}, not a state dict; give torchvision's vgg19 state dict")
    return tensors
