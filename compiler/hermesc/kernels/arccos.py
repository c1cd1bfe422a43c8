"""The arc-cosine kernel of order 0 and its random features."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_SMALLEST_NORM = 1e-30


@dataclass(frozen=True, slots=True)
class ArcCosine0:
    """k(x, y) = 1 - angle(x, y) / pi. Source: Cho and Saul 2009, order 0.

    A row of zeros has no angle; it counts as orthogonal to all.
    """

    def exact(self, x: Tensor, y: Tensor) -> Tensor:
        """The kernel of all rows of x with all rows of y."""
        norms = torch.outer(x.norm(dim=-1), y.norm(dim=-1)).clamp(min=_SMALLEST_NORM)
        cosine = (x @ y.T / norms).clamp(-1, 1)
        return (math.pi - cosine.acos()) / math.pi

    def features(self, projected: Tensor) -> Tensor:
        """sqrt(2 / s) where a projection is above 0, else 0; their products approximate k."""
        return (projected > 0).to(projected.dtype) * math.sqrt(2 / projected.shape[-1])
