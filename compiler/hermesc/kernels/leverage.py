"""Random features drawn by their ridge leverage scores on data.

They serve regression on that data with fewer features; as an estimate of the kernel alone they are
unbiased and a little noisier than plain ones.
Source: Avron et al. 2017; Li et al. 2019, algorithm 1: the scores are those of a larger pool of
plain random features.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

POOL = 8  # frequencies in the pool for each that is kept
_MOST_ROWS = 1000  # of the data, for the scores
_RIDGE = 1e-3  # relative to the mean of the kernel's diagonal, for each row


def leverage_sample(
    pool: Float[Tensor, "inputs pooled"],
    features: Callable[[Tensor], Tensor],
    data: Float[Tensor, "rows inputs"],
    count: int,
    seed: int,
) -> tuple[Float[Tensor, "inputs count"], Float[Tensor, " count"]]:
    """Projections from a pool, drawn in proportion to their scores, and the weights that keep the
    estimate unbiased (their expected mean is 1)."""
    generator = torch.Generator().manual_seed(seed)
    rows = data[torch.randperm(len(data), generator=generator)[:_MOST_ROWS]]
    columns = features(rows @ pool).double()
    kernel = columns @ columns.T
    kernel.diagonal().add_(_RIDGE * kernel.trace())
    whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(kernel), columns, upper=False)
    scores = whitened.square().sum(0).reshape(-1, pool.shape[1]).sum(0)
    shares = scores / scores.sum()
    picks = torch.multinomial(shares, count, replacement=True, generator=generator)
    return pool[:, picks], (1 / (pool.shape[1] * shares[picks])).float()
