"""Projections for feature maps: matrices whose columns follow a standard normal distribution.

Independent draws, orthogonal and structured ones, low-discrepancy points and quadrature nodes.
Structured projections (SORF, Fastfood, SSF) are returned as plain dense matrices, for a crossbar
holds any matrix. With `cut`, draws end at that many standard deviations, as published for the chip:
the largest weight sets the precision of all others. A cut makes estimates slightly biased.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from hermesc.kernels.options import check_seed, check_sizes, import_optional
from hermesc.kernels.orthogonal import fastfood, orf, sorf
from hermesc.kernels.sphere import ssf
from hermesrt.errors import OptionError

NORMAL_SAMPLERS = (
    "rff", "orf", "sorf", "fastfood", "sobol", "halton", "ssf", "quadrature", "grid",
)  # fmt: skip
CAUCHY_SAMPLERS = ("rff", "sobol", "halton")
CUT_SAMPLERS = ("rff", "orf", "sobol", "halton")  # the others have no unbounded draws
_NODES = 12  # of a Gauss-Hermite rule in each coordinate
_SOBOL_BITS = 30
_MOST_SOBOL_INPUTS = 21_201


def draw(
    sampler: str,
    inputs: int,
    features: int,
    *,
    seed: int = 0,
    cut: float | None = None,
    distribution: str = "normal",
) -> Float[Tensor, "inputs features"]:
    """A projection of unit variance; the same seed gives the same bits.

    rff: independent draws (Rahimi and Recht 2007). orf: orthogonal blocks with the lengths of
    normal draws (Yu et al. 2016). sorf: products of Hadamard matrices and signs, padded (ibid.).
    fastfood: Le, Sarlos and Smola 2013, padded. sobol, halton: scrambled quasi-Monte Carlo points
    (Avron et al. 2016). ssf: spherical structured points (Lyu 2017). quadrature: nodes of a
    Gauss-Hermite rule in each coordinate, drawn by their weights (Dao, De Sa and Ré 2017, the
    subsampled grid); grid: all of them, which has weights (see `grid_weights`).
    With distribution="cauchy" columns are standard Cauchy in each coordinate.
    Raises: OptionError for sizes, a sampler or a cut that do not exist or do not fit together.
    """
    check_sizes(inputs, features)
    check_cut(sampler, cut)
    allowed = NORMAL_SAMPLERS if distribution == "normal" else CAUCHY_SAMPLERS
    if sampler not in allowed:
        raise OptionError(
            f"sampler {sampler!r} has no {distribution} draws; there are {', '.join(allowed)}"
        )
    generator = torch.Generator().manual_seed(check_seed(seed))
    match sampler:
        case "rff" | "sobol" | "halton":
            uniform = _uniform(sampler, inputs, features, seed, generator)
            found = _quantile(uniform, distribution, cut)
        case "orf":
            found = orf(inputs, features, generator, cut)
        case "sorf":
            found = sorf(inputs, features, generator)
        case "fastfood":
            found = fastfood(inputs, features, generator)
        case "ssf":
            gamma_quantile = import_optional("scipy.special", "sampler 'ssf'").gammaincinv
            found = ssf(inputs, features, generator, gamma_quantile)
        case "quadrature":
            nodes, weights = _gauss_hermite(_NODES)
            picks = torch.multinomial(
                weights, inputs * features, replacement=True, generator=generator
            )
            found = nodes[picks].reshape(inputs, features)
        case _:
            found = _grid(inputs, _grid_side(inputs, features))[0]
    return found.float()


def grid_weights(inputs: int, features: int) -> Float[Tensor, " features"]:
    """The weights of the nodes of sampler 'grid'; their sum is 1."""
    return _grid(inputs, _grid_side(inputs, features))[1].float()


def _uniform(
    sampler: str, inputs: int, features: int, seed: int, generator: torch.Generator
) -> Float[Tensor, "inputs features"]:
    """Uniform numbers within 0 to 1, both left out."""
    if sampler == "halton":
        engine = import_optional("scipy.stats.qmc", "sampler 'halton'").Halton(inputs, rng=seed)
        return torch.from_numpy(engine.random(features)).T
    if sampler == "sobol":
        if inputs > _MOST_SOBOL_INPUTS:
            raise OptionError(
                f"sampler 'sobol': inputs is {inputs}; Sobol points have at most "
                f"{_MOST_SOBOL_INPUTS}; take 'halton'"
            )
        points = torch.quasirandom.SobolEngine(inputs, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
        return points.draw(features, dtype=torch.float64).T + 0.5**_SOBOL_BITS / 2
    steps = torch.randint(2**52, (inputs, features), generator=generator)
    return (steps.double() + 0.5) / 2**52


def _quantile(uniform: Tensor, distribution: str, cut: float | None) -> Tensor:
    """Uniform numbers as draws; a cut keeps the probability that it has in a normal one."""
    if cut is not None:
        uniform = 0.5 + (uniform - 0.5) * math.erf(cut / math.sqrt(2))
    if distribution == "cauchy":
        return torch.tan(math.pi * (uniform - 0.5))
    found: Tensor = torch.special.ndtri(uniform)
    return found if cut is None else found.clamp(-cut, cut)  # of rounding alone


def _gauss_hermite(count: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights that integrate against a standard normal density.

    Source: Golub and Welsch 1969, for the recurrence of the Hermite polynomials.
    """
    side = torch.arange(1, count, dtype=torch.float64).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(side, 1) + torch.diag(side, -1))
    return nodes, vectors[0].square()


def _grid_side(inputs: int, features: int) -> int:
    side: int = round(float(features) ** (1 / inputs))
    if side < 2 or side**inputs != features:
        raise OptionError(
            f"sampler 'grid': features is {features}; a full grid over {inputs} inputs has "
            f"L^{inputs} points, such as {2**inputs}; "
            "sampler='quadrature' draws as many of them as you like"
        )
    return side


def _grid(inputs: int, side: int) -> tuple[Tensor, Tensor]:
    nodes, weights = _gauss_hermite(side)
    places = torch.cartesian_prod(*[torch.arange(side)] * inputs).reshape(-1, inputs)
    return nodes[places].T, weights[places].prod(-1)


def check_cut(sampler: str, cut: float | None) -> None:
    """Raises: OptionError for a cut that is not positive or that the sampler cannot take."""
    if cut is None:
        return
    if sampler not in (*CUT_SAMPLERS, "leverage"):
        raise OptionError(
            f"cut is {cut:g}, but sampler {sampler!r} has no draws to cut; leave it out, or take "
            f"one of {', '.join(CUT_SAMPLERS)}"
        )
    if not (math.isfinite(cut) and cut > 0):
        raise OptionError(f"cut is {cut}; it must be a number of standard deviations above 0")
