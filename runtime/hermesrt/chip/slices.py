"""Bit slicing: a matrix as several that add up to it, each with a significance.

Slice 0 is the most significant and is programmed first; the significance of each one after it is a
`base`-th. Shares are significances over their sum, so that a slice has the range of the matrix:
matrix = sum_j share_j slice_j. Fills, all of Le Gallo et al. 2022 (doi 10.1088/2634-4386/ac4fb7) as
its co-author L. Ciric publishes them (github.com/lciric/pcm-bitslicing):
- `equal`: every slice holds the matrix itself; errors are averaged.
- `max`: a slice is filled before the next gets anything, so that many cells hold nothing.
- `corrected`: as `max`, of what the slices before it did not reach as they were written.
Departure: a weight's range is that of its column, not of its matrix, as its conductance's is.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from hermesrt.chip.conductance import column_max
from hermesrt.chip.fields import Fill

Weights = Float[Tensor, "rows columns"]


def slice_shares(count: int, base: float) -> tuple[float, ...]:
    """Significances that add up to 1, the largest first."""
    powers = [base**-number for number in range(count)]
    whole = sum(powers)
    return tuple(power / whole for power in powers)


def averaged_error(count: int, base: float) -> float:
    """What `count` equally filled slices leave of the error of one, all errors being independent.

    Source: Le Gallo 2022, equation 8: 1/sqrt(n) for equal significances, else
    sqrt((1 - b)(1 + b^n) / ((1 + b)(1 - b^n))).
    """
    return math.sqrt(sum(share**2 for share in slice_shares(count, base)))


def slice_of(
    left: Weights, largest: Float[Tensor, " columns"], shares: tuple[float, ...], number: int
) -> Weights:
    """What the next slice holds of what is `left`, filled as far as it goes.

    left: what this slice and those after it are to add up to, with their shares.
    largest: magnitude of the columns, the range of every slice.
    shares: of all slices.
    number: of this one; the last one takes all that is left.
    """
    share = shares[number]
    if number == len(shares) - 1:
        return left / share
    size = left.abs()
    if share == shares[-1]:  # equal significances: full or empty
        full = (size >= share * largest) & (largest > 0)
        return torch.where(full, left.sign() * largest, 0.0)
    after = sum(shares[number + 1 :]) * largest  # what the others can hold
    filled = torch.minimum(size / share, largest)
    return torch.where(size > after, left.sign() * filled, 0.0)


def sliced(matrix: Weights, shares: tuple[float, ...], fill: Fill) -> list[Weights]:
    """All slices of a matrix, as if each were written exactly."""
    if fill == "equal":
        return [matrix for _ in shares]
    largest, left = column_max(matrix), matrix
    found = []
    for number, share in enumerate(shares):
        found.append(slice_of(left, largest, shares, number))
        left = left - share * found[-1]
    return found
