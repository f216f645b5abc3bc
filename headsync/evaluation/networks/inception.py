"""InceptionV3 as FID uses it, and its inflated sibling I3D as FVD uses it.

Shapes: B items, C channels, T frames, H W pixels. Names of parameters are those of the published files.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INCEPTION_PX, I3D_PX = 299, 224
LEAST_CLIP_FRAMES = 9       # what I3D's last pooling over two steps of eight frames needs

# (name, reads, channels, kernel, stride); "x" is the block's input, "pool" its pooled input
BLOCK_A = (("branch1x1", "x", 64, 1, 1), ("branch5x5_1", "x", 48, 1, 1), ("branch5x5_2", "branch5x5_1", 64, 5, 1),
           ("branch3x3dbl_1", "x", 64, 1, 1), ("branch3x3dbl_2", "branch3x3dbl_1", 96, 3, 1),
           ("branch3x3dbl_3", "branch3x3dbl_2", 96, 3, 1))
BLOCK_B = (("branch3x3", "x", 384, 3, 2), ("branch3x3dbl_1", "x", 64, 1, 1), ("branch3x3dbl_2", "branch3x3dbl_1", 96, 3, 1),
           ("branch3x3dbl_3", "branch3x3dbl_2", 96, 3, 2))
BLOCK_D = (("branch3x3_1", "x", 192, 1, 1), ("branch3x3_2", "branch3x3_1", 320, 3, 2), ("branch7x7x3_1", "x", 192, 1, 1),
           ("branch7x7x3_2", "branch7x7x3_1", 192, (1, 7), 1), ("branch7x7x3_3", "branch7x7x3_2", 192, (7, 1), 1),
           ("branch7x7x3_4", "branch7x7x3_3", 192, 3, 2))
BLOCK_E = (("branch1x1", "x", 320, 1, 1), ("branch3x3_1", "x", 384, 1, 1), ("branch3x3_2a", "branch3x3_1", 384, (1, 3), 1),
           ("branch3x3_2b", "branch3x3_1", 384, (3, 1), 1), ("branch3x3dbl_1", "x", 448, 1, 1),
           ("branch3x3dbl_2", "branch3x3dbl_1", 384, 3, 1), ("branch3x3dbl_3a", "branch3x3dbl_2", 384, (1, 3), 1),
           ("branch3x3dbl_3b", "branch3x3dbl_2", 384, (3, 1), 1), ("branch_pool", "pool", 192, 1, 1))


class InceptionV3(nn.Module):
    """InceptionV3 (Szegedy et al. 2016) with the poolings of the 2015 TensorFlow graph, which FID is defined by.

    The layout of pytorch-fid's `pt_inception-2015-12-05` file: average pools leave the padding out, the last one is a
    maximum, and the classifier has 1008 classes (carried, not used).
    """

    def __init__(self):
        super().__init__()
        self.Conv2d_1a_3x3 = ConvUnit(3, 32, kernel=3, stride=2)
        self.Conv2d_2a_3x3 = ConvUnit(32, 32, kernel=3, padding=0)
        self.Conv2d_2b_3x3 = ConvUnit(32, 64, kernel=3)
        self.Conv2d_3b_1x1 = ConvUnit(64, 80, kernel=1)
        self.Conv2d_4a_3x3 = ConvUnit(80, 192, kernel=3, padding=0)
        for name, inside, pooled in (("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)):
            setattr(self, f"Mixed_{name}", MixedBlock(inside, (*BLOCK_A, ("branch_pool", "pool", pooled, 1, 1)), _mean_pool))
        self.Mixed_6a = MixedBlock(288, BLOCK_B, _halving_pool)
        for name, width in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
            setattr(self, f"Mixed_{name}", MixedBlock(768, _seven_by_seven(width), _mean_pool))
        self.Mixed_7a = MixedBlock(768, BLOCK_D, _halving_pool)
        self.Mixed_7b = MixedBlock(1280, BLOCK_E, _mean_pool)
        self.Mixed_7c = MixedBlock(2048, BLOCK_E, _largest_pool)
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, 2048) of pictures (B, 3, 299, 299), RGB from -1 to 1."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))           # (B, 64, 147, 147)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))           # (B, 192, 71, 71)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(F.max_pool2d(x, 3, 2))))      # (B, 288, 35, 35)
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))    # (B, 768, 17, 17)
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))                          # (B, 2048, 8, 8)
        return x.mean((2, 3))  # (B, 2048)


class ConvUnit(nn.Module):
    """Convolution, batch norm, ReLU; of odd kernel with stride 1 the size stays unless told otherwise."""

    def __init__(self, inside: int, outside: int, *, kernel: int | tuple[int, int], stride: int = 1,
                 padding: int | None = None):
        super().__init__()
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        same = (kernel[0] // 2, kernel[1] // 2) if stride == 1 else 0
        self.conv = nn.Conv2d(inside, outside, kernel, stride, same if padding is None else padding, bias=False)
        self.bn = nn.BatchNorm2d(outside, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C', H', W')."""
        return F.relu(self.bn(self.conv(x)))


class MixedBlock(nn.Module):
    """Branches side by side: units that read the input, the pooled input or each other; what none reads is the output."""

    def __init__(self, inside: int, units: tuple, pool: Callable[[Tensor], Tensor]):
        super().__init__()
        self.reads, self.pool = {name: reads for name, reads, *_ in units}, pool
        widths = {"x": inside, "pool": inside}
        for name, reads, outside, kernel, stride in units:
            setattr(self, name, ConvUnit(widths[reads], outside, kernel=kernel, stride=stride))
            widths[name] = outside
        read = set(self.reads.values())
        self.ends = [name for name in (*self.reads, "pool") if name not in read]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C', H', W'), the branches' ends in order; a halving block's pooled input comes last."""
        found = {"x": x, "pool": self.pool(x)}
        for name, reads in self.reads.items():
            found[name] = getattr(self, name)(found[reads])
        return torch.cat([found[name] for name in self.ends], dim=1)


def _seven_by_seven(width: int) -> tuple:
    return (("branch1x1", "x", 192, 1, 1), ("branch7x7_1", "x", width, 1, 1), ("branch7x7_2", "branch7x7_1", width, (1, 7), 1),
            ("branch7x7_3", "branch7x7_2", 192, (7, 1), 1), ("branch7x7dbl_1", "x", width, 1, 1),
            ("branch7x7dbl_2", "branch7x7dbl_1", width, (7, 1), 1), ("branch7x7dbl_3", "branch7x7dbl_2", width, (1, 7), 1),
            ("branch7x7dbl_4", "branch7x7dbl_3", width, (7, 1), 1), ("branch7x7dbl_5", "branch7x7dbl_4", 192, (1, 7), 1),
            ("branch_pool", "pool", 192, 1, 1))


def _mean_pool(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def _largest_pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, 1, 1)


def _halving_pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, 2)


# channels of the input, then of b0, b1a, b1b, b2a, b2b, b3b
I3D_BLOCKS = {"3b": (192, 64, 96, 128, 16, 32, 32), "3c": (256, 128, 128, 192, 32, 96, 64),
              "4b": (480, 192, 96, 208, 16, 48, 64), "4c": (512, 160, 112, 224, 24, 64, 64),
              "4d": (512, 128, 128, 256, 24, 64, 64), "4e": (512, 112, 144, 288, 32, 64, 64),
              "4f": (528, 256, 160, 320, 32, 128, 128), "5b": (832, 256, 160, 320, 32, 128, 128),
              "5c": (832, 384, 192, 384, 48, 128, 128)}


class I3d(nn.Module):
    """I3D on RGB (Carreira and Zisserman 2017), 400 Kinetics classes, in the layout of pytorch-i3d's `rgb_imagenet.pt`."""

    def __init__(self):
        super().__init__()
        self.Conv3d_1a_7x7 = Unit3d(3, 64, kernel=7, stride=2)
        self.Conv3d_2b_1x1 = Unit3d(64, 64)
        self.Conv3d_2c_3x3 = Unit3d(64, 192, kernel=3)
        for name, (inside, *channels) in I3D_BLOCKS.items():
            setattr(self, f"Mixed_{name}", Mixed3d(inside, channels))
        self.logits = nn.ModuleDict({"conv3d": nn.Conv3d(1024, 400, 1)})

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, 400, n) over time of clips (B, 3, T, 224, 224), RGB; n = ceil(T / 8) - 1, T at least 9."""
        x = _pool3d(self.Conv3d_1a_7x7(x), (1, 3, 3), (1, 2, 2))
        x = _pool3d(self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x)), (1, 3, 3), (1, 2, 2))        # (B, 192, T/2, 28, 28)
        x = _pool3d(self.Mixed_3c(self.Mixed_3b(x)), (3, 3, 3), (2, 2, 2))                  # (B, 480, T/4, 14, 14)
        x = self.Mixed_4f(self.Mixed_4e(self.Mixed_4d(self.Mixed_4c(self.Mixed_4b(x)))))
        x = self.Mixed_5c(self.Mixed_5b(_pool3d(x, (2, 2, 2), (2, 2, 2))))                  # (B, 1024, T/8, 7, 7)
        return self.logits["conv3d"](F.avg_pool3d(x, (2, 7, 7), 1))[..., 0, 0]  # (B, 400, n)


class Unit3d(nn.Module):
    """Convolution padded as TensorFlow's SAME, batch norm, ReLU."""

    def __init__(self, inside: int, outside: int, *, kernel: int = 1, stride: int = 1):
        super().__init__()
        self.conv3d = nn.Conv3d(inside, outside, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(outside, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C', T', H', W')."""
        return F.relu(self.bn(self.conv3d(_same(x, self.conv3d.kernel_size, self.conv3d.stride))))


class Mixed3d(nn.Module):
    """Four branches of Inception-v1 in three dimensions."""

    def __init__(self, inside: int, channels: Sequence[int]):
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = channels
        self.b0 = Unit3d(inside, b0)
        self.b1a, self.b1b = Unit3d(inside, b1a), Unit3d(b1a, b1b, kernel=3)
        self.b2a, self.b2b = Unit3d(inside, b2a), Unit3d(b2a, b2b, kernel=3)
        self.b3b = Unit3d(inside, b3b)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C', T, H, W)."""
        pooled = _pool3d(x, (3, 3, 3), (1, 1, 1))
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], dim=1)


def _same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Zeros round (B, C, T, H, W) so that ceil(size / stride) steps come out; an odd one stands behind."""
    pads = []
    for size, reach, step in zip(x.shape[2:], kernel, stride, strict=True):
        total = max(reach - (size % step or step), 0)
        pads = [total // 2, total - total // 2, *pads]      # F.pad begins with the last axis
    return F.pad(x, pads)


def _pool3d(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    return F.max_pool3d(_same(x, kernel, stride), kernel, stride)
