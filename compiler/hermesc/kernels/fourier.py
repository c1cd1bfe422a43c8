"""Shift-invariant kernels and their random Fourier features."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hermesc.kernels.options import check_positive


def cos_and_sin(angle: Float[Tensor, "*rows s"]) -> Float[Tensor, "*rows s2"]:
    """[cos, sin] / sqrt(s): no random phase is needed, and one is the variance higher."""
    return torch.cat([angle.cos(), angle.sin()], -1) / math.sqrt(angle.shape[-1])


@dataclass(frozen=True, slots=True)
class Rbf:
    """k(x, y) = exp(-gamma |x - y|^2).

    gamma: inverse of twice the squared width; above 0.

    Raises: OptionError when gamma is not a positive number.
    Source: Rahimi and Recht 2007; with sine and cosine of each projection, so without a phase.
    """

    gamma: float

    def __post_init__(self) -> None:
        check_positive(self.gamma, "the RBF kernel's gamma")

    @property
    def scale(self) -> float:
        """By what standard normal projections are multiplied: sqrt(2 gamma)."""
        return math.sqrt(2 * self.gamma)

    def exact(self, x: Float[Tensor, "rows d"], y: Float[Tensor, "others d"]) -> Tensor:
        """The kernel of all rows of x with all rows of y."""
        return torch.exp(-self.gamma * torch.cdist(x, y).square())

    def of_products(self, products: Tensor, x_squares: Tensor, y_squares: Tensor) -> Tensor:
        """The same from products x y' and squared norms."""
        return torch.exp(-self.gamma * (x_squares + y_squares - 2 * products))

    def features(self, projected: Float[Tensor, "*rows s"]) -> Float[Tensor, "*rows s2"]:
        """[cos, sin] / sqrt(s) of s standard normal projections; their products approximate k."""
        return cos_and_sin(projected * self.scale)


@dataclass(frozen=True, slots=True)
class Laplacian:
    """k(x, y) = exp(-gamma |x - y|_1), the sum of absolute differences, as in scikit-learn.

    gamma: inverse of the width; above 0.

    Its frequencies are Cauchy in each coordinate. They have heavy tails: on a chip, cut them.
    Raises: OptionError when gamma is not a positive number.
    Source: Rahimi and Recht 2007, figure 1.
    """

    gamma: float

    def __post_init__(self) -> None:
        check_positive(self.gamma, "the Laplacian kernel's gamma")

    def exact(self, x: Float[Tensor, "rows d"], y: Float[Tensor, "others d"]) -> Tensor:
        """The kernel of all rows of x with all rows of y."""
        return torch.exp(-self.gamma * torch.cdist(x, y, p=1.0))

    def features(self, projected: Float[Tensor, "*rows s"]) -> Float[Tensor, "*rows s2"]:
        """[cos, sin] / sqrt(s) of s standard Cauchy projections; their products approximate k."""
        return cos_and_sin(projected * self.gamma)
