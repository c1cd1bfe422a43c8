"""The neural tangent kernel of a ReLU network."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from hermesc.kernels.arccos import cosines
from hermesrt.errors import OptionError


@dataclass(frozen=True, slots=True)
class Ntk:
    """The neural tangent kernel of a fully connected ReLU network without biases, infinitely wide,
    with `depth` hidden layers whose weights keep the norm (variance 2 / width).

    depth: hidden layers; 1 or more.

    Raises: OptionError for a depth below 1.
    Source: Jacot, Gabriel and Hongler 2018; the recursion as in Arora et al. 2019, equations 7 to
    9, with arc-cosine kernels of order 0 and 1.
    """

    depth: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.depth, int) or self.depth < 1:
            raise OptionError(f"the NTK's depth is {self.depth}; it must be 1 hidden layer or more")

    def exact(self, x: Float[Tensor, "rows d"], y: Float[Tensor, "others d"]) -> Tensor:
        """The kernel of all rows of x with all rows of y."""
        return self.of_products(x @ y.T, x.square().sum(-1, keepdim=True), y.square().sum(-1))

    def of_products(self, products: Tensor, x_squares: Tensor, y_squares: Tensor) -> Tensor:
        """The same from products x y' and squared norms."""
        norms = x_squares.sqrt() * y_squares.sqrt()
        cosine = cosines(products, x_squares, y_squares)
        tangent = products
        for _ in range(self.depth):
            rest = math.pi - cosine.acos()
            through = rest / math.pi
            cosine = ((1 - cosine.square()).sqrt() + rest * cosine) / math.pi
            tangent = norms * cosine + tangent * through
            cosine = cosine.clamp(-1, 1)
        return tangent
