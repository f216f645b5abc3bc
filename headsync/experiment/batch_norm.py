"""Batch norms whose batch is that of all processes: torch's own can do that on GPUs only.

Shapes: B samples, C features, further places behind them.
"""

import torch
from torch import Tensor, nn

from headsync.experiment.distributed import Summed, process_count

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class SharedBatchNorm(nn.Module):
    """What `nn.BatchNorm` does, with mean and variance of all processes' samples; the same names in its state."""

    def __init__(self, alone: nn.BatchNorm1d | nn.BatchNorm2d):
        super().__init__()
        self.momentum, self.eps = alone.momentum, alone.eps
        self.weight, self.bias = alone.weight, alone.bias
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(alone, name))

    def forward(self, x: Tensor) -> Tensor:
        """Of the shape (B, C, ...) of x."""
        mean, variance, seen = self.running_mean, self.running_var, x.float()
        if self.training:
            mean, variance = self._measured(seen)
        shape = (-1, *[1] * (x.ndim - 2))
        normal = (seen - mean.view(shape)) * (variance + self.eps).rsqrt().view(shape)
        if self.weight is not None:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(x.dtype)

    def _measured(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (C,) of all processes' samples; the running ones follow."""
        others = [axis for axis in range(x.ndim) if axis != 1]
        sums = Summed.apply(torch.cat([x.sum(others), x.new_tensor([x.numel() / x.shape[1]])]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        apart = x - mean.view(-1, *[1] * (x.ndim - 2))
        variance = Summed.apply(apart.square().sum(others)) / count
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        return mean, variance


def share_batch_norms(network: nn.Module) -> nn.Module:
    """The network itself; of several processes its batch norms now share their statistics. One alone keeps torch's own."""
    if process_count() > 1:
        made: dict[nn.Module, SharedBatchNorm] = {}     # a norm that stands in two places stays one
        for owner in [*network.modules()]:
            for name, child in owner.named_children():
                if isinstance(child, BATCH_NORMS):
                    setattr(owner, name, made.setdefault(child, SharedBatchNorm(child)))
    return network
