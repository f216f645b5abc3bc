"""The published networks whose weights a user may bring: SyncNet, ArcFace's iResNet, LPIPS on AlexNet.

Shapes: B items, T frames, n windows, C channels, E embedding features. Names of parameters are those of the published
files, and the only reason for the modules' names here. Inception networks stand in `published_inception.py`.
"""

import torch
from torch import Tensor, nn

WINDOW_FRAMES = 5
ARCFACE_PX = 112
ALEX_CHANNELS = (64, 192, 384, 256, 256)
LPIPS_EPSILON = 1e-10


class SyncNet(nn.Module):
    """Embeddings of lips and sound (Chung and Zisserman 2016), in the layout of joonson's `syncnet_v2.model`."""

    def __init__(self):
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_convolution(nn.Conv2d, 1, 64, 3, padding=1), nn.Identity(),       # a pooling over 1x1 in the original
            *_convolution(nn.Conv2d, 64, 192, 3, padding=1), nn.MaxPool2d(3, (1, 2)),
            *_convolution(nn.Conv2d, 192, 384, 3, padding=1),
            *_convolution(nn.Conv2d, 384, 256, 3, padding=1),
            *_convolution(nn.Conv2d, 256, 256, 3, padding=1), nn.MaxPool2d(3, 2),
            *_convolution(nn.Conv2d, 256, 512, (5, 4)))
        self.netcnnlip = nn.Sequential(
            *_convolution(nn.Conv3d, 3, 96, (WINDOW_FRAMES, 7, 7), stride=(1, 2, 2)), nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_convolution(nn.Conv3d, 96, 256, (1, 5, 5), stride=(1, 2, 2), padding=(0, 1, 1)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_convolution(nn.Conv3d, 256, 256, (1, 3, 3), padding=(0, 1, 1)),
            *_convolution(nn.Conv3d, 256, 256, (1, 3, 3), padding=(0, 1, 1)),
            *_convolution(nn.Conv3d, 256, 256, (1, 3, 3), padding=(0, 1, 1)), nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_convolution(nn.Conv3d, 256, 512, (1, 6, 6)))
        self.netfcaud = _two_layers()
        self.netfclip = _two_layers()

    def lips(self, frames: Tensor) -> Tensor:
        """Embeddings (T - 4, E = 1024) of all windows of frames (1, 3, T, 224, 224), BGR from 0 to 255."""
        windows = self.netcnnlip(frames)[0, :, :, 0, 0].T       # (n, 512): only the first layer looks along time
        return self.netfclip(windows)  # (n, E)

    def sound(self, windows: Tensor) -> Tensor:
        """Embeddings (n, E = 1024) of windows (n, 1, 13, 20) of MFCC rows."""
        return self.netfcaud(self.netcnnaud(windows).flatten(1))  # (n, E)


class IResNet(nn.Module):
    """Identity embeddings (Deng et al. 2019, ArcFace), in the layout of insightface's `backbone.pth`.

    `depths` are the blocks of the four stages: (3, 4, 14, 3) of iresnet50, (3, 13, 30, 3) of iresnet100.
    """

    def __init__(self, depths: tuple[int, ...]):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.bn1, self.prelu = nn.BatchNorm2d(64), nn.PReLU(64)
        widths = (64, 64, 128, 256, 512)
        for stage, blocks in enumerate(depths, 1):
            first = IResBlock(widths[stage - 1], widths[stage], halves=True)
            rest = [IResBlock(widths[stage], widths[stage], halves=False) for _ in range(blocks - 1)]
            setattr(self, f"layer{stage}", nn.Sequential(first, *rest))
        self.bn2 = nn.BatchNorm2d(512)
        self.fc = nn.Linear(512 * (ARCFACE_PX // 16) ** 2, 512)
        self.features = nn.BatchNorm1d(512)

    def forward(self, x: Tensor) -> Tensor:
        """Embeddings (B, 512), not normalised, of aligned faces (B, 3, 112, 112), RGB from -1 to 1."""
        x = self.prelu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.features(self.fc(self.bn2(x).flatten(1)))  # (B, E)


class IResBlock(nn.Module):
    """Norm, convolution, norm, PReLU, convolution, norm, plus the input; the second convolution may halve the size."""

    def __init__(self, inside: int, outside: int, *, halves: bool):
        super().__init__()
        stride = 2 if halves else 1
        self.bn1, self.bn2, self.bn3 = nn.BatchNorm2d(inside), nn.BatchNorm2d(outside), nn.BatchNorm2d(outside)
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
        self.prelu = nn.PReLU(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, stride, padding=1, bias=False)
        self.downsample = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False),
                                        nn.BatchNorm2d(outside)) if halves else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), halved in size or not."""
        inner = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        return self.bn3(self.conv2(inner)) + self.downsample(x)


class Lpips(nn.Module):
    """Learned perceptual distance (Zhang et al. 2018, version 0.1): torchvision's AlexNet and the weights `alex.pth`."""

    def __init__(self):
        super().__init__()
        relu, pool = nn.ReLU(), nn.MaxPool2d(3, 2)
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, 4, 2), relu, pool, nn.Conv2d(64, 192, 5, padding=2), relu, pool,
            nn.Conv2d(192, 384, 3, padding=1), relu, nn.Conv2d(384, 256, 3, padding=1), relu,
            nn.Conv2d(256, 256, 3, padding=1), relu)
        for number, channels in enumerate(ALEX_CHANNELS):
            setattr(self, f"lin{number}", nn.ModuleDict({"model": nn.ModuleDict({"1": nn.Conv2d(channels, 1, 1, bias=False)})}))

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Distances (B,) of pictures (B, 3, H, W), RGB from -1 to 1: weighted squares of unit features, summed over layers."""
        total = torch.zeros(len(one), device=one.device)
        for number, (a, b) in enumerate(zip(self.activations(one), self.activations(other), strict=True)):
            weigh = getattr(self, f"lin{number}")["model"]["1"]
            total = total + weigh((_unit(a) - _unit(b)).square()).mean((1, 2, 3))  # (B,)
        return total

    def activations(self, x: Tensor) -> list[Tensor]:
        """What the five rectified layers say, (B, C, H', W') each, of pictures (B, 3, H, W) from -1 to 1."""
        mean = torch.tensor([-0.030, -0.088, -0.188], device=x.device)[:, None, None]
        deviation = torch.tensor([0.458, 0.448, 0.450], device=x.device)[:, None, None]
        x, found = (x - mean) / deviation, []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                found.append(x)
        return found


def _unit(x: Tensor) -> Tensor:
    return x / (x.square().sum(1, keepdim=True).sqrt() + LPIPS_EPSILON)


def _convolution(kind: type[nn.Module], inside: int, outside: int, kernel, **options) -> list[nn.Module]:
    norm = nn.BatchNorm3d if kind is nn.Conv3d else nn.BatchNorm2d
    return [kind(inside, outside, kernel, **options), norm(outside), nn.ReLU()]


def _two_layers() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 1024))
