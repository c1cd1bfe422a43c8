"""The radial basis function kernel and its random Fourier features."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hermesc.errors import OptionError


@dataclass(frozen=True, slots=True)
class Rbf:
    """k(x, y) = exp(-gamma |x - y|^2).

    Raises: OptionError when gamma is not a positive number.
    Source: Rahimi and Recht 2007; with sine and cosine of each projection, so without a phase.
    """

    gamma: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.gamma) and self.gamma > 0):
            raise OptionError(f"the RBF kernel's gamma is {self.gamma}; it must be above 0")

    @property
    def scale(self) -> float:
        """By what standard normal projections are multiplied: sqrt(2 gamma)."""
        return math.sqrt(2 * self.gamma)

    def exact(self, x: Tensor, y: Tensor) -> Tensor:
        """The kernel of all rows of x with all rows of y."""
        return torch.exp(-self.gamma * torch.cdist(x, y).square())

    def features(self, projected: Tensor) -> Tensor:
        """[cos, sin] / sqrt(s) of s standard normal projections; their products approximate k."""
        angle = projected * self.scale
        return torch.cat([angle.cos(), angle.sin()], -1) / math.sqrt(projected.shape[-1])
