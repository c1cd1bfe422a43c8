"""The polynomial kernel, and the spectrum that stands for it on the unit sphere."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hermesc.kernels.options import check_positive, import_optional
from hermesrt.errors import OptionError

_DISTANCES = 200  # on the sphere, 0 to 2
_RADII = 300  # offered to the fit, from 0 to this times sqrt(inputs + degree)
_MOST_RADIUS = 6.0
_MANY_INPUTS = 128


@dataclass(frozen=True, slots=True)
class Polynomial:
    """k(x, y) = (gamma x.y + bias)^degree.

    degree: 1 or more.
    gamma: above 0.
    bias: 0 or more.

    Raises: OptionError for a degree below 1, a gamma that is not positive, a negative bias.
    """

    degree: int
    gamma: float = 1.0
    bias: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.degree, int) or self.degree < 1:
            raise OptionError(
                f"the polynomial kernel's degree is {self.degree}; it must be 1 or more"
            )
        check_positive(self.gamma, "the polynomial kernel's gamma")
        if not (math.isfinite(self.bias) and self.bias >= 0):
            raise OptionError(f"the polynomial kernel's bias is {self.bias}; it must be 0 or more")

    def exact(self, x: Float[Tensor, "rows d"], y: Float[Tensor, "others d"]) -> Tensor:
        """The kernel of all rows of x with all rows of y."""
        return (self.gamma * (x @ y.T) + self.bias) ** self.degree

    def of_products(self, products: Tensor, x_squares: Tensor, y_squares: Tensor) -> Tensor:  # noqa: ARG002 - all kernels alike
        """The same from products x y'."""
        return (self.gamma * products + self.bias) ** self.degree


def spherical_mixture(
    kernel: Polynomial, inputs: int
) -> tuple[Float[Tensor, " parts"], Float[Tensor, " parts"]]:
    """Weights and radii of frequencies on spheres, whose kernel is closest to this one on the unit
    sphere: sum_i w_i E[cos(r_i u.(x - y))] with u uniform on the sphere and w_i of 0 or more.

    The kernel is no positive definite function of the distance, so an error stays that no number of
    features removes; it is smaller for fewer inputs and a higher degree.
    Raises: OptionError when bias < gamma (the kernel then falls below 0 on the sphere).
    Source: Pennington, Yu and Kumar 2015, section 4: a non-negative spectrum, fitted to the kernel;
    here by non-negative least squares over radii, in place of a sum of Gaussians.
    """
    if kernel.bias < kernel.gamma:
        raise OptionError(
            f"sampler 'spherical': the polynomial kernel's bias is {kernel.bias:g}; it must be "
            f"gamma ({kernel.gamma:g}) or more; sampler='rademacher' takes any"
        )
    optimize = import_optional("scipy.optimize", "sampler 'spherical'")
    special = import_optional("scipy.special", "sampler 'spherical'")
    distance = np.linspace(0, 2, _DISTANCES)
    wanted = (kernel.bias + kernel.gamma * (1 - distance**2 / 2)) ** kernel.degree
    radii = np.linspace(0, _MOST_RADIUS * math.sqrt(inputs + kernel.degree), _RADII)
    squares = (distance[:, None] * radii) ** 2
    if inputs > _MANY_INPUTS:
        basis = np.exp(-squares / (2 * inputs))  # the limit; the function itself overflows
    else:
        basis = special.hyp0f1(inputs / 2, -squares / 4)
    weights, _ = optimize.nnls(basis, wanted)
    used = weights > 0
    return torch.from_numpy(weights[used]), torch.from_numpy(radii[used])
