"""The published experiment, apart from its data: draws, ridge head and kernel error.

Source: Büchel et al., Nature Machine Intelligence 6, 1605 (2024), and its code
IBM/kernel-approximation-using-analog-in-memory-computing (imka-ridge-regression), from which the
constants and the order of the random draws are taken; so the published FP32 errors repeat seed by
seed. The random phase of its RBF features is left out: it is drawn last, and both the kernel's
approximation and the ridge head are the same for every phase.
"""

import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

KERNELS = ("rbf", "arccos0")
GAMMA = 0.05  # of the RBF kernel
SAMPLERS = ("rff", "orf", "sorf")
ERROR_ROWS = 1000  # test points whose kernel is compared
RIDGE = 0.5
_CUT = 3.0  # standard deviations at which the normal draws end


def feature_count(inputs: int, log2_ratio: int) -> int:
    """Random features of an experiment: s = 2^L d - L."""
    return int(2**log2_ratio * inputs - log2_ratio)


def draw(sampler: str, inputs: int, features: int, seed: int) -> Float[Tensor, "features inputs"]:
    """The published projection of a seed, for unit variance.

    torch and numpy are seeded alike; a linear layer of the projection's size is initialised before
    the projection is drawn.
    """
    torch_draw = torch.Generator().manual_seed(seed)
    torch.empty(features, inputs).uniform_(generator=torch_draw)  # the layer's weight
    torch.empty(features).uniform_(generator=torch_draw)  # and its bias
    if sampler == "rff":
        return _cut_normal(features, inputs, torch_draw)
    if sampler == "orf":
        numpy_draw = np.random.RandomState(seed)
        radii = torch.from_numpy(np.sqrt(numpy_draw.chisquare(inputs, features))).float()
        return radii[:, None] * _stacked(_orthogonal, features, inputs, torch_draw)
    assert sampler == "sorf", sampler
    return _stacked(_hadamard_product, features, inputs, torch_draw)[:, :inputs]


def kernel_error(exact: Tensor, features: Float[Tensor, "rows features"]) -> float:
    """||K - Z Z^T|| / ||K||, Frobenius."""
    return float((exact - features @ features.T).norm() / exact.norm())


def ridge_head(blocks: Iterable[tuple[Tensor, Tensor]]) -> Float[Tensor, " *weights"]:
    """Weights of a ridge regression of 0/1 labels on features, the intercept first; with a column
    of labels for each class, a column of weights for each.

    `blocks` are features and labels of some rows each; the sums over rows are kept in FP64. The
    intercept is a feature of ones, penalised like any other, as published.
    """
    gram: Tensor | None = None
    moment: Tensor | None = None
    for features, labels in blocks:
        z = with_ones(features)
        part = (z.T @ z).double()
        side = (labels.float() @ z if labels.ndim == 1 else z.T @ labels.float()).double()
        gram = part if gram is None else gram + part
        moment = side if moment is None else moment + side
    assert gram is not None and moment is not None
    gram += RIDGE * torch.eye(len(gram), dtype=gram.dtype)
    sides = moment.reshape(len(gram), -1)
    solved = torch.cholesky_solve(sides, torch.linalg.cholesky(gram)).float()
    return solved.reshape(moment.shape)


def count_correct(head: Tensor, features: Tensor, labels: Tensor) -> int:
    """Rows that the head puts on the right side of one half, or in the right one of its classes."""
    found = with_ones(features) @ head
    decided = found > 0.5 if head.ndim == 1 else found.argmax(1)
    return int((decided == labels).sum())


def with_ones(features: Tensor) -> Tensor:
    """Features with a first column of ones, for the intercept."""
    return torch.cat([features.new_ones(len(features), 1), features], 1)


def _cut_normal(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Normal draws within the cut, by the inverse distribution function.

    torch's own trunc_normal_ drew so when the results were published; it has changed since.
    """
    bound = math.erf(_CUT / math.sqrt(2))
    uniform = torch.empty(rows, columns).uniform_(-bound, bound, generator=generator)
    return (uniform.erfinv() * math.sqrt(2)).clamp(-_CUT, _CUT)


def _stacked(
    block: Callable[[int, torch.Generator], Tensor],
    features: int,
    inputs: int,
    generator: torch.Generator,
) -> Tensor:
    """ceil(features / inputs) blocks below each other, cut to the number of features."""
    count = math.ceil(features / inputs)
    return torch.cat([block(inputs, generator) for _ in range(count)])[:features]


def _orthogonal(size: int, generator: torch.Generator) -> Tensor:
    orthogonal: Tensor = torch.linalg.qr(_cut_normal(size, size, generator)).Q
    return orthogonal.T


def _hadamard_product(size: int, generator: torch.Generator) -> Tensor:
    """sqrt(p) D1 H D2 H D3 H, with random signs D and p the next power of two."""
    power = 1 << (size - 1).bit_length()
    signs = 2 * (torch.rand(power, 3, generator=generator) < 0.5).float() - 1
    hadamard = torch.ones(1, 1)
    while len(hadamard) < power:
        hadamard = torch.kron(torch.tensor([[1.0, 1.0], [1.0, -1.0]]), hadamard)
    first, second, third = (signs[:, i, None] * hadamard / math.sqrt(power) for i in range(3))
    return math.sqrt(power) * (first @ second @ third)
