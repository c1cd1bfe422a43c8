"""Slices of a matrix: they add up to it, in their range, and average errors as published."""

import math

import pytest
import torch

from hermesrt.chip.fields import Fill
from hermesrt.chip.slices import averaged_error, slice_of, slice_shares, sliced


@pytest.mark.parametrize("base", [2.0, 3.0])
@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_equally_filled_slices_average_as_equation_8_says(base: float, count: int) -> None:
    """Le Gallo 2022, equation 8."""
    published = ((1 - base) * (1 + base**count)) / ((1 + base) * (1 - base**count))
    assert averaged_error(count, base) == pytest.approx(math.sqrt(published), rel=1e-12)
    assert averaged_error(count, 1.0) == pytest.approx(1 / math.sqrt(count), rel=1e-12)


@pytest.mark.parametrize("fill", ["equal", "max", "corrected"])
@pytest.mark.parametrize("base", [1.0, 2.0, 2.5])
def test_slices_add_up_to_the_matrix_and_none_leaves_its_range(fill: Fill, base: float) -> None:
    matrix = torch.randn(40, 12, generator=torch.Generator().manual_seed(0))
    matrix[:, 3] = 0.0
    shares = slice_shares(5, base)
    assert sum(shares) == pytest.approx(1.0)
    found = sliced(matrix, shares, fill)
    whole = sum(share * part for share, part in zip(shares, found, strict=True))
    torch.testing.assert_close(whole, matrix, atol=1e-5, rtol=1e-5)
    for part in found:
        assert (part.abs().amax(0) <= matrix.abs().amax(0) * (1 + 1e-5)).all()


def test_a_filled_slice_is_full_or_empty_where_significances_are_equal() -> None:
    matrix = torch.tensor([[1.0], [0.6], [0.5], [0.2], [-0.8]])
    first, second = sliced(matrix, slice_shares(2, 1.0), "max")
    assert first.flatten().tolist() == [1.0, 1.0, 1.0, 0.0, -1.0]
    torch.testing.assert_close(second.flatten(), torch.tensor([1.0, 0.2, 0.0, 0.4, -0.6]))


def test_the_last_slice_takes_what_is_left_of_either_sign() -> None:
    left, largest = torch.tensor([[0.1, -0.2]]), torch.ones(2)
    torch.testing.assert_close(
        slice_of(left, largest, slice_shares(2, 1.0), 1), torch.tensor([[0.2, -0.4]])
    )
