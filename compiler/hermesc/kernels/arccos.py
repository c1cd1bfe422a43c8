"""The arc-cosine kernels and their random features."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hermesrt.errors import OptionError

_SMALLEST_NORM = 1e-30


def cosines(products: Tensor, x_squares: Tensor, y_squares: Tensor) -> Tensor:
    """Cosines of the angles from products and squared norms (of a column and a row).

    A row of zeros has no angle; it counts as orthogonal to all.
    """
    norms = (x_squares.sqrt() * y_squares.sqrt()).clamp(min=_SMALLEST_NORM)
    return (products / norms).clamp(-1, 1)


@dataclass(frozen=True, slots=True)
class ArcCosine:
    """k(x, y) = |x|^n |y|^n J_n(angle) / pi, of the order n: 0, 1 or 2.

    order: n.

    Order 0 is 1 - angle / pi; order 1 is what a wide ReLU layer computes.
    Raises: OptionError for another order.
    Source: Cho and Saul 2009, equations 3 to 6.
    """

    order: int = 0

    def __post_init__(self) -> None:
        if self.order not in (0, 1, 2):
            raise OptionError(f"the arc-cosine kernel's order is {self.order}; it is 0, 1 or 2")

    def exact(self, x: Float[Tensor, "rows d"], y: Float[Tensor, "others d"]) -> Tensor:
        """The kernel of all rows of x with all rows of y."""
        x_norms, y_norms = x.norm(dim=-1), y.norm(dim=-1)
        norms = torch.outer(x_norms, y_norms)
        cosine = (x @ y.T / norms.clamp(min=_SMALLEST_NORM)).clamp(-1, 1)
        return self._of_angle(cosine, norms)

    def of_products(self, products: Tensor, x_squares: Tensor, y_squares: Tensor) -> Tensor:
        """The same from products x y' and squared norms."""
        norms = x_squares.sqrt() * y_squares.sqrt()
        return self._of_angle(cosines(products, x_squares, y_squares), norms)

    def features(self, projected: Float[Tensor, "*rows s"]) -> Float[Tensor, "*rows s"]:
        """sqrt(2 / s) p^n where a standard normal projection p is above 0, else 0."""
        scale = math.sqrt(2 / projected.shape[-1])
        if self.order == 0:
            return (projected > 0).to(projected.dtype) * scale
        positive = projected.relu()
        return (positive if self.order == 1 else positive.square()) * scale

    def _of_angle(self, cosine: Tensor, norms: Tensor) -> Tensor:
        rest = math.pi - cosine.acos()
        if self.order == 0:
            return rest / math.pi
        sine = (1 - cosine.square()).sqrt()
        if self.order == 1:
            return norms * (sine + rest * cosine) / math.pi
        return norms.square() * (3 * sine * cosine + rest * (1 + 2 * cosine.square())) / math.pi
