"""Feature maps of more than one step: polynomial kernels and the neural tangent kernel."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from hermesc.kernels.arccos import ArcCosine
from hermesc.kernels.fourier import cos_and_sin
from hermesc.kernels.maps import FeatureMap, Recipe
from hermesc.kernels.ntk import Ntk
from hermesc.kernels.polynomial import Polynomial, spherical_mixture
from hermesc.kernels.samplers import draw


class ProductFeatures(FeatureMap):
    """Products of `degree` projections on random signs, an estimate of a polynomial kernel.

    The bias is one more input. Unbiased; its variance grows fast with the degree.
    Source: Kar and Karnick 2012, for one degree; the bias as an input: Pham and Pagh 2013.
    """

    omega: Tensor
    shift: Tensor

    def __init__(self, recipe: Recipe, seed: int) -> None:
        super().__init__(recipe, seed)
        kernel = recipe.kernel
        assert isinstance(kernel, Polynomial)
        generator = torch.Generator().manual_seed(seed)
        size = (recipe.inputs + 1, kernel.degree * recipe.features)
        signs = torch.randint(2, size, generator=generator) * 2.0 - 1
        self.register_buffer("omega", signs[:-1].contiguous())
        self.register_buffer("shift", signs[-1] * math.sqrt(kernel.bias))
        self._scale = math.sqrt(kernel.gamma)
        self._degree = kernel.degree

    def forward(self, x: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows columns"]:
        factors = (x @ self.omega) * self._scale + self.shift
        product = torch.unflatten(factors, -1, (self._degree, -1)).prod(-2)
        return product / math.sqrt(self.recipe.features)


class SphericalFeatures(FeatureMap):
    """Random Fourier features of a polynomial kernel on the unit sphere; rows are normalised.

    Source: Pennington, Yu and Kumar 2015.
    """

    omega: Tensor
    gain: Tensor

    def __init__(self, recipe: Recipe, seed: int) -> None:
        super().__init__(recipe, seed)
        assert isinstance(recipe.kernel, Polynomial)
        weights, radii = spherical_mixture(recipe.kernel, recipe.inputs)
        generator = torch.Generator().manual_seed(seed)
        count = recipe.features
        picks = torch.multinomial(weights, count, replacement=True, generator=generator)
        normal = torch.randn(recipe.inputs, count, generator=generator, dtype=torch.float64)
        directions = normal / torch.linalg.vector_norm(normal, dim=0)
        self.register_buffer("omega", (directions * radii[picks]).float())
        self.register_buffer("gain", weights.sum().sqrt().float())

    def forward(self, x: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows columns"]:
        return cos_and_sin(_unit(x) @ self.omega) * self.gain

    def exact(self, x: Float[Tensor, "rows d"], y: Float[Tensor, "others d"]) -> Tensor:
        """The kernel of normalised rows."""
        return self.recipe.kernel.exact(_unit(x), _unit(y))


class NtkFeatures(FeatureMap):
    """Random features of the neural tangent kernel, layer by layer.

    A layer's tangent is [relu features, sketch of (tangent before) x (step features)], where the
    sketch of an outer product is a product of two random sign projections. Unbiased for one layer.
    Source: Zandieh et al. 2021, algorithm 2, with this sketch in place of TensorSRHT.
    """

    def __init__(self, recipe: Recipe, seed: int) -> None:
        super().__init__(recipe, seed)
        assert isinstance(recipe.kernel, Ntk)
        self._depth = recipe.kernel.depth
        count, generator = recipe.features, torch.Generator().manual_seed(seed)
        width, tangent = recipe.inputs, recipe.inputs
        for layer in range(self._depth):
            for name in ("relu", "step"):
                fresh = int(torch.randint(2**62, (), generator=generator))
                omega = draw(recipe.sampler, width, count, seed=fresh, cut=recipe.cut)
                self.register_buffer(f"{name}_{layer}", omega)
            for name, rows in (("left", tangent), ("right", count)):
                signs = torch.randint(2, (rows, count), generator=generator) * 2.0 - 1
                self.register_buffer(f"{name}_{layer}", signs)
            width, tangent = count, 2 * count

    def forward(self, x: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows columns"]:
        through, kept = ArcCosine(0), ArcCosine(1)
        signal, tangent = x, x
        for layer in range(self._depth):
            step = through.features(signal @ self.get_buffer(f"step_{layer}"))
            left = tangent @ self.get_buffer(f"left_{layer}")
            sketch = left * (step @ self.get_buffer(f"right_{layer}"))
            signal = kept.features(signal @ self.get_buffer(f"relu_{layer}"))
            tangent = torch.cat([signal, sketch / math.sqrt(self.recipe.features)], -1)
        return tangent


def _unit(x: Tensor) -> Tensor:
    """Rows of the norm 1; a row of zeros stays."""
    found: Tensor = x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp(min=1e-30)
    return found
