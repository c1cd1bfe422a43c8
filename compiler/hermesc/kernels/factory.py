"""One way to make a feature map: from a kernel, its sizes and the name of a sampler."""

from jaxtyping import Float
from torch import Tensor

from hermesc.kernels.arccos import ArcCosine
from hermesc.kernels.composed import NtkFeatures, ProductFeatures, SphericalFeatures
from hermesc.kernels.fourier import Laplacian, Rbf
from hermesc.kernels.maps import (
    DATA_SAMPLERS,
    FeatureMap,
    Kernel,
    NystroemFeatures,
    ProjectedFeatures,
    Recipe,
)
from hermesc.kernels.ntk import Ntk
from hermesc.kernels.options import check_seed, check_sizes
from hermesc.kernels.polynomial import Polynomial
from hermesc.kernels.samplers import CAUCHY_SAMPLERS, NORMAL_SAMPLERS, check_cut
from hermesc.kernels.softmax import Softmax
from hermesrt.errors import InputError, OptionError

_ROTATED = ("rff", "orf", "sorf", "fastfood")
_POINTS = (*_ROTATED, "sobol", "halton", "ssf")


def samplers_of(kernel: Kernel) -> tuple[str, ...]:
    """The samplers that exist for a kernel, its default first."""
    match kernel:
        case Rbf():
            return (*NORMAL_SAMPLERS, *DATA_SAMPLERS)
        case Laplacian():
            return (*CAUCHY_SAMPLERS, "leverage")
        case ArcCosine():
            return (*_POINTS, *DATA_SAMPLERS)
        case Softmax():
            return (*_POINTS, "quadrature", "grid", "nystroem")
        case Polynomial():
            return ("rademacher", "spherical", "nystroem")
        case Ntk():
            return (*_ROTATED, "nystroem")
    raise OptionError(
        f"there is no kernel {kernel!r}; there are "
        "Rbf, Laplacian, ArcCosine, Polynomial, Softmax, Ntk"
    )


def feature_map(
    kernel: Kernel,
    inputs: int,
    features: int,
    sampler: str | None = None,
    *,
    seed: int = 0,
    cut: float | None = None,
    data: Float[Tensor, "rows inputs"] | None = None,
) -> FeatureMap:
    """A map of rows of `inputs` numbers whose products estimate the kernel.

    `features` is the number of projections (or landmarks); cosines and sines, or both signs, make
    two columns of each. `cut` ends normal draws at that many standard deviations. `data` are rows
    from which the samplers 'leverage' and 'nystroem' choose. The same seed gives the same bits.
    Raises: OptionError for sizes, samplers and cuts that do not exist or do not fit together;
    InputError for data that is missing, too short or of another width.
    """
    allowed = samplers_of(kernel)
    sampler = allowed[0] if sampler is None else sampler
    if sampler not in allowed:
        raise OptionError(
            f"there are no features of the kernel {type(kernel).__name__} by the sampler "
            f"{sampler!r}; there are {', '.join(allowed)}"
        )
    check_sizes(inputs, features)
    check_cut(sampler, cut)
    check_seed(seed)
    recipe = Recipe(kernel, inputs, features, sampler, cut)
    match sampler:
        case "nystroem":
            return NystroemFeatures(recipe, seed, _checked(data, recipe))
        case "leverage":
            return ProjectedFeatures(recipe, seed, _checked(data, recipe))
        case "rademacher":
            return ProductFeatures(recipe, seed)
        case "spherical":
            return SphericalFeatures(recipe, seed)
    return NtkFeatures(recipe, seed) if isinstance(kernel, Ntk) else ProjectedFeatures(recipe, seed)


def _checked(data: Tensor | None, recipe: Recipe) -> Tensor:
    """The rows to choose from."""
    where = f"sampler {recipe.sampler!r}"
    if data is None:
        raise InputError(f"{where} chooses from data; give the training rows as data=...")
    if data.ndim != 2 or data.shape[1] != recipe.inputs:
        raise InputError(
            f"{where}: data has the shape {tuple(data.shape)}; it must be rows of {recipe.inputs} "
            "inputs"
        )
    least = recipe.features if recipe.sampler == "nystroem" else 1
    if len(data) < least:
        raise InputError(
            f"{where}: data has {len(data)} rows; it needs {least} or more, one for each feature"
        )
    return data
