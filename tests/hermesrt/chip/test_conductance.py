"""The one way from weights to conductances."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hermesrt.chip.conductance import column_max, g_max_siemens, g_shares

MATRIX = torch.tensor([[0.0, -3.0, 1.0], [-0.0, 1.5, -4.0]])


def test_a_column_s_largest_weight_takes_all_of_g_max_and_zeros_take_nothing():
    assert column_max(MATRIX).tolist() == [0.0, 3.0, 4.0]
    assert g_shares(MATRIX, column_max(MATRIX)).tolist() == [[0.0, -1.0, 0.25], [0.0, 0.5, -1.0]]


@given(st.integers(0, 2**31), st.sampled_from([torch.float16, torch.float32, torch.float64]))
def test_column_max_has_the_bits_of_the_magnitudes_largest(seed, dtype):
    matrix = torch.randn(5, 4, generator=torch.Generator().manual_seed(seed)).to(dtype)
    matrix[:, 0] = -0.0
    found = column_max(matrix)
    assert torch.equal(found, matrix.abs().amax(0))
    assert not bool(found.signbit().any())


def test_a_block_is_scaled_by_its_whole_column():
    whole = g_shares(MATRIX, column_max(MATRIX))
    assert torch.equal(g_shares(MATRIX[1:], column_max(MATRIX)), whole[1:])


def test_g_max_is_the_devices_limit_or_what_the_converter_takes(chip):
    limit = chip.pcm.g_max_siemens
    at_limit = chip.line_siemens / limit
    assert g_max_siemens(chip, 0.0) == limit
    assert g_max_siemens(chip, at_limit / 2) == limit
    assert g_max_siemens(chip, 2 * at_limit) == pytest.approx(limit / 2)


def test_without_a_current_limit_g_max_is_the_devices(chip_with):
    chip = chip_with(effects_current_limit="false")
    assert g_max_siemens(chip, 1e9) == chip.pcm.g_max_siemens
