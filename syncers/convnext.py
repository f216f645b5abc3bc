"""The 1-D ConvNeXt block of all networks over time.

Shapes: B items, C channels, T steps. Source: facts on MS-Sync's blocks (depthwise, norm, times four, GELU after the sum).
"""

from torch import Tensor, nn

EXPANSION = 4


class ConvNextBlock(nn.Module):
    """x (B, C, T) -> (B, C', ceil(T / stride)): depthwise convolution, norm, two pointwise layers, GELU after the sum.

    With `groups`, channels are as many separate networks side by side, norm included.
    """

    def __init__(self, channels: int, out_channels: int | None = None, *, kernel: int = 3, stride: int = 1,
                 groups: int = 1, expansion: int = EXPANSION):
        super().__init__()
        out_channels = out_channels or channels
        self.depthwise = nn.Conv1d(channels, channels, kernel, stride, kernel // 2, groups=channels)
        self.norm = nn.GroupNorm(groups, channels)
        self.widen = nn.Conv1d(channels, expansion * channels, 1, groups=groups)
        self.narrow = nn.Conv1d(expansion * channels, out_channels, 1, groups=groups)
        self.activate = nn.GELU()
        self.identity: nn.Module = nn.Identity()
        if stride != 1 or out_channels != channels:
            self.identity = nn.Sequential(nn.Conv1d(channels, out_channels, 1, stride, groups=groups),
                                          nn.GroupNorm(groups, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """The block's answer (B, C', T')."""
        y = self.narrow(self.activate(self.widen(self.norm(self.depthwise(x)))))    # (B, C', T')
        return self.activate(self.identity(x) + y)
