"""EfficientNet-Lite0 up to its fifth stage, as features for a perceptual loss; for training, not shipped.

Shapes: B pictures, H W pixels. Source: Tan and Le 2019, the Lite form (no squeeze-and-excitation, ReLU6, fixed stem); weights
with the names of the package efficientnet_lite_pytorch, Apache-2.0.
"""

import math
import os
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

ENVIRONMENT = "HEADSYNC_EFFICIENTNET"       # names the weight file, where no setting does
# Of each block: kernel, stride, outside channels; the first does not expand, the others by 6
BLOCKS = ((3, 1, 16), (3, 2, 24), (3, 1, 24), (5, 2, 40), (5, 1, 40), (3, 2, 80), (3, 1, 80), (3, 1, 80), (5, 1, 112),
          (5, 1, 112), (5, 1, 112))
STEM, EXPANSION = 32, 6
TAPS = (0, 2, 4, 7, 10)     # blocks whose outputs are features
EFFICIENTNET_WEIGHTS = (0.2,) * len(TAPS)
MIDDLE, SPREAD = 127 / 255, 128 / 255       # of colours
EPSILON = 1e-3              # of its batch norms
LEAST_PX = 96               # a side: smaller pictures are enlarged


class FoldedConvolution(nn.Module):
    """A convolution with TensorFlow's padding and its batch norm folded in."""

    def __init__(self, inside: int, outside: int, kernel: int, *, stride: int = 1, groups: int = 1):
        super().__init__()
        self.kernel, self.stride, self.groups = kernel, stride, groups
        self.weight = nn.Parameter(torch.zeros(outside, inside // groups, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outside))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) to (B, outside, ceil(H / stride), ceil(W / stride))."""
        pads = []
        for side in (x.shape[-1], x.shape[-2]):
            total = max((math.ceil(side / self.stride) - 1) * self.stride + self.kernel - side, 0)
            pads += [total // 2, total - total // 2]
        return F.conv2d(F.pad(x, pads), self.weight, self.bias, self.stride, groups=self.groups)

    def take(self, tensors: dict[str, Tensor], name: str, norm: str) -> None:
        """Its own weights from those of a convolution and of the batch norm behind it."""
        scale = tensors[f"{norm}.weight"].float() / torch.sqrt(tensors[f"{norm}.running_var"].float() + EPSILON)
        self.weight.data = tensors[f"{name}.weight"].float() * scale[:, None, None, None]
        self.bias.data = tensors[f"{norm}.bias"].float() - scale * tensors[f"{norm}.running_mean"].float()


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; added to what came in where shapes allow."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int, *, expands: bool):
        super().__init__()
        wide = inside * EXPANSION if expands else inside
        self.expand = FoldedConvolution(inside, wide, 1) if expands else None
        self.filter = FoldedConvolution(wide, wide, kernel, stride=stride, groups=wide)
        self.project = FoldedConvolution(wide, outside, 1)
        self.added = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) to (B, outside, H / stride, W / stride)."""
        made = x if self.expand is None else F.relu6(self.expand(x))
        made = self.project(F.relu6(self.filter(made)))
        return x + made if self.added else made


class EfficientNetLite(nn.Module):
    """The stem and eleven blocks; each feature map's channels are brought to length 1, place by place."""

    def __init__(self):
        super().__init__()
        self.stem = FoldedConvolution(3, STEM, 3, stride=2)
        widths = [STEM, *(outside for _, _, outside in BLOCKS)]
        self.blocks = nn.ModuleList(InvertedResidual(inside, outside, kernel, stride, expands=number > 0)
                                    for number, (inside, (kernel, stride, outside)) in enumerate(zip(widths, BLOCKS)))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Five feature maps, float32, of pictures (B, 3, H, W) in [0, 1]; those under 96 pixels a side are enlarged first."""
        if min(pictures.shape[-2:]) < LEAST_PX:
            pictures = F.interpolate(pictures, size=(LEAST_PX, LEAST_PX), mode="bilinear", align_corners=False)
        x, found = F.relu6(self.stem((pictures - MIDDLE) / SPREAD)), []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in TAPS:
                found.append(F.normalize(x.float(), dim=1) * math.sqrt(x.shape[1]))
        return found


def load_efficientnet(path: str | Path) -> EfficientNetLite:
    """The frozen network of a .safetensors file with efficientnet_lite_pytorch's names. ValueError, one line, for another."""
    try:
        tensors = safetensors.torch.load_file(path)
        network = EfficientNetLite()
        network.stem.take(tensors, "_conv_stem", "_bn0")
        for number, block in enumerate(network.blocks):
            if block.expand is not None:
                block.expand.take(tensors, f"_blocks.{number}._expand_conv", f"_blocks.{number}._bn0")
            block.filter.take(tensors, f"_blocks.{number}._depthwise_conv", f"_blocks.{number}._bn1")
            block.project.take(tensors, f"_blocks.{number}._project_conv", f"_blocks.{number}._bn2")
        network(torch.zeros(1, 3, LEAST_PX, LEAST_PX))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; give EfficientNet-Lite0's weights, or perceptual=perceptual") from None
    except (KeyError, RuntimeError, safetensors.SafetensorError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ValueError(f"{path} is no EfficientNet-Lite0 ({reason}); give efficientnet_lite_pytorch's state dict") from None
    return network.requires_grad_(False).eval()


def efficientnet_path(source: str) -> Path | None:
    """The file that a setting `efficientnet` (from the environment) or a path with that word in its name means; else None."""
    if source == "efficientnet":
        named = os.environ.get(ENVIRONMENT, "")
        if not named:
            raise ValueError(f"perceptual=efficientnet needs {ENVIRONMENT} to name its weight file; or give the file itself")
        return Path(named)
    return Path(source) if "efficientnet" in Path(source).name.lower() else None
