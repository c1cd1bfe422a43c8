"""The softmax kernel and its random features: positive, hyperbolic, trigonometric."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from hermesc.kernels.fourier import cos_and_sin
from hermesc.kernels.options import check_positive
from hermesrt.errors import OptionError

Form = Literal["positive", "hyperbolic", "trigonometric"]


@dataclass(frozen=True, slots=True)
class Softmax:
    """k(x, y) = exp(scale x.y), of which attention is the normalised kind.

    scale: above 0.
    form: which features estimate it: positive, exp(p - |x|^2 / 2); hyperbolic, the same with both
        signs
        of p, twice as many columns and less variance; trigonometric, exp(|x|^2 / 2) times cosine
    and
        sine, good only where k is large.

    Raises: OptionError for a form that is none, a scale that is not positive.
    Source: Choromanski et al. 2021, lemma 1.
    """

    scale: float = 1.0
    form: Form = "positive"

    def __post_init__(self) -> None:
        check_positive(self.scale, "the softmax kernel's scale")
        if self.form not in get_args(Form):
            raise OptionError(
                f"the softmax kernel's form is {self.form!r}; it is one of "
                f"{', '.join(get_args(Form))}"
            )

    def exact(self, x: Float[Tensor, "rows d"], y: Float[Tensor, "others d"]) -> Tensor:
        """The kernel of all rows of x with all rows of y."""
        return torch.exp(self.scale * (x @ y.T))

    def of_products(self, products: Tensor, x_squares: Tensor, y_squares: Tensor) -> Tensor:  # noqa: ARG002 - all kernels alike
        """The same from products x y'."""
        return torch.exp(self.scale * products)

    def features(
        self, projected: Float[Tensor, "*rows s"], x: Float[Tensor, "*rows d"]
    ) -> Float[Tensor, "*rows columns"]:
        """Features of x from its standard normal projections; their products approximate k."""
        if self.form == "trigonometric":
            return self.half_square(x).exp() * cos_and_sin(projected * math.sqrt(self.scale))
        exponents = self.exponents(projected, x)
        return exponents.exp() / math.sqrt(exponents.shape[-1])

    def exponents(
        self, projected: Float[Tensor, "*rows s"], x: Float[Tensor, "*rows d"]
    ) -> Float[Tensor, "*rows columns"]:
        """Logarithms of the positive and hyperbolic features times the root of their number."""
        p = projected * math.sqrt(self.scale)
        signed = p if self.form == "positive" else torch.cat([p, -p], -1)
        return signed - self.half_square(x)

    def half_square(self, x: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows 1"]:
        """scale |x|^2 / 2."""
        return x.square().sum(-1, keepdim=True) * (self.scale / 2)
