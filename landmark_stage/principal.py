"""Principal axes of shapes, for the learners that predict their components.

Shapes: N samples, D numbers of each, P axes.
"""

import torch
from torch import Tensor


def principal_axes(centred: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The first principal axes (P, D) of centred samples (N, D), and the samples' deviations (P,) along them, float32."""
    values, vectors = torch.linalg.eigh(centred.double().T @ centred.double() / len(centred))
    order = values.argsort(descending=True)[:count]
    return vectors[:, order].T.float(), values[order].clamp(min=1e-12).sqrt().float()
