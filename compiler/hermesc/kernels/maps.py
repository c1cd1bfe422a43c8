"""Feature maps: modules whose products estimate a kernel. `feature_map` makes them.

A map is an ordinary module. Its projections are buffers and used as plain products, so that any
export sees a product with a fixed matrix. What follows a product is elementwise.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hermesc.kernels.arccos import ArcCosine
from hermesc.kernels.fourier import Laplacian, Rbf
from hermesc.kernels.leverage import POOL, leverage_sample
from hermesc.kernels.ntk import Ntk
from hermesc.kernels.options import check_seed
from hermesc.kernels.polynomial import Polynomial
from hermesc.kernels.samplers import draw, grid_weights
from hermesc.kernels.softmax import Softmax
from hermesrt.errors import OptionError

Kernel = Rbf | Laplacian | ArcCosine | Polynomial | Softmax | Ntk
DATA_SAMPLERS = ("leverage", "nystroem")
_SMALLEST_EIGENVALUE = 1e-6  # of the landmarks' kernel, relative to the largest


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a map was made of, apart from its seed and data.

    kernel: what the products of features estimate.
    inputs: columns of what is mapped.
    features: draws; columns of the map are as many or twice that.
    sampler: how projections are drawn.
    cut: where draws end, in standard deviations; None for nowhere.
    """

    kernel: Kernel
    inputs: int
    features: int
    sampler: str
    cut: float | None


class FeatureMap(nn.Module):
    """Rows to features whose products estimate `kernel`; made by `feature_map`."""

    def __init__(self, recipe: Recipe, seed: int) -> None:  # noqa: ARG002 - all kinds are made so
        super().__init__()
        self.recipe = recipe

    @property
    def kernel(self) -> Kernel:
        """The kernel that is estimated."""
        return self.recipe.kernel

    def exact(self, x: Float[Tensor, "rows d"], y: Float[Tensor, "others d"]) -> Tensor:
        """What the products of features estimate."""
        return self.recipe.kernel.exact(x, y)

    def estimate(self, x: Float[Tensor, "rows d"], y: Float[Tensor, "others d"]) -> Tensor:
        """The kernel of all rows of x with all rows of y, by features."""
        found: Tensor = self(x) @ self(y).T
        return found

    def redraw(self, seed: int) -> None:
        """Take other draws, in place, as a map of that seed has them.

        Raises: OptionError when the map was made from data.
        """
        if self.recipe.sampler in DATA_SAMPLERS:
            raise OptionError(
                f"a map by the sampler {self.recipe.sampler!r} depends on its data; make another "
                "with feature_map(..., data=...)"
            )
        fresh = type(self)(self.recipe, check_seed(seed))
        self.load_state_dict(fresh.state_dict())

    def extra_repr(self) -> str:
        """For print(model)."""
        r = self.recipe
        return f"{r.kernel}, inputs={r.inputs}, features={r.features}, sampler={r.sampler!r}"


class ProjectedFeatures(FeatureMap):
    """Functions of projections: x omega by a kernel's `features`, times a gain for each."""

    omega: Tensor
    gain: Tensor | None

    def __init__(self, recipe: Recipe, seed: int, data: Tensor | None = None) -> None:
        """`data` are the rows by which the sampler 'leverage' chooses."""
        super().__init__(recipe, seed)
        if data is not None:
            omega, weights = self._chosen(data, seed)
        else:
            omega, weights = self._drawn(recipe.features, seed), None
            if recipe.sampler == "grid":
                weights = grid_weights(recipe.inputs, recipe.features) * recipe.features
        self.register_buffer("omega", omega)
        self.register_buffer("gain", None if weights is None else weights.sqrt())

    def forward(self, x: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows columns"]:
        projected = x @ self.omega
        kernel = self.recipe.kernel
        if isinstance(kernel, Softmax):
            found = kernel.features(projected, x)
        else:
            assert isinstance(kernel, Rbf | Laplacian | ArcCosine)
            found = kernel.features(projected)
        if self.gain is None:
            return found
        return found * self.gain.repeat(found.shape[-1] // self.recipe.features)

    def _drawn(self, count: int, seed: int) -> Tensor:
        r = self.recipe
        distribution = "cauchy" if isinstance(r.kernel, Laplacian) else "normal"
        sampler = "rff" if r.sampler == "leverage" else r.sampler
        return draw(sampler, r.inputs, count, seed=seed, cut=r.cut, distribution=distribution)

    def _chosen(self, data: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        kernel = self.recipe.kernel
        assert isinstance(kernel, Rbf | Laplacian | ArcCosine)
        pool = self._drawn(POOL * self.recipe.features, seed)
        return leverage_sample(pool, kernel.features, data, self.recipe.features, seed)


class NystroemFeatures(FeatureMap):
    """k(x, landmarks) (k of the landmarks)^(-1/2), with landmarks drawn from data.

    Exact between landmarks. Two fixed matrices: the landmarks and the root; of the root, directions
    whose eigenvalue is below 1e-6 of the largest are left out.
    Source: Williams and Seeger 2001.
    """

    omega: Tensor
    root: Tensor
    squares: Tensor

    def __init__(self, recipe: Recipe, seed: int, data: Tensor) -> None:
        super().__init__(recipe, seed)
        generator = torch.Generator().manual_seed(seed)
        rows = data[torch.randperm(len(data), generator=generator)[: recipe.features]].float()
        self.register_buffer("omega", rows.T.contiguous())
        self.register_buffer("squares", rows.square().sum(-1))
        self.register_buffer(
            "root", inverse_root(recipe.kernel.exact(rows.double(), rows.double()))
        )

    def forward(self, x: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows columns"]:
        kernel = self.recipe.kernel
        assert not isinstance(kernel, Laplacian)
        squares = x.square().sum(-1, keepdim=True)
        return kernel.of_products(x @ self.omega, squares, self.squares) @ self.root


def inverse_root(matrix: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    """The inverse square root of a symmetric matrix, without its smallest eigenvalues."""
    values, vectors = torch.linalg.eigh(matrix.double())
    kept = values > _SMALLEST_EIGENVALUE * values[-1]
    inverse = torch.where(kept, values.clamp(min=1e-300).rsqrt(), 0.0)
    root: Tensor = vectors * inverse @ vectors.T
    return root.float()
