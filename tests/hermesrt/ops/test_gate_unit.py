"""The chip's own gates for LSTMs: a table's tanh, FP16 inside, INT8 out."""

import numpy as np
import torch

from hermesrt.ops.gate_unit import gate_unit_states, table_tanh, tanh_table
from hermesrt.ops.recurrence import Recurrence
from hermesrt.ops.time_steps import advance

BINS = 18  # Le Gallo 2023
GRID = torch.linspace(-9, 9, 20_001, dtype=torch.float64)


def test_the_published_number_of_bins_is_off_by_less_than_an_output_step() -> None:
    assert float((table_tanh(GRID, BINS) - GRID.tanh()).abs().max()) < 1 / 127


def test_twice_the_bins_are_off_by_about_a_quarter() -> None:
    errors = [float((table_tanh(GRID, n) - GRID.tanh()).abs().max()) for n in (18, 36)]
    assert 3 < errors[0] / errors[1] < 5


def test_the_table_is_odd_rises_and_ends_flat() -> None:
    y = table_tanh(GRID, BINS)
    torch.testing.assert_close(y, -y.flip(0))
    assert bool((y.diff() >= 0).all())
    assert y[0] == y[100]
    edges, values = tanh_table(BINS)
    assert len(edges) == len(values) == BINS - 1  # 17 comparators
    assert np.all(np.diff(edges) > 0)


def test_its_states_are_near_the_exact_ones_and_its_output_has_eight_bits() -> None:
    unit = Recurrence("lstm", ("h", "c"), unit="gdpu", hidden=50)
    torch.manual_seed(0)
    sums, states = 2 * torch.randn(40, 200), (torch.randn(40, 50), torch.randn(40, 50))
    h, c = gate_unit_states(unit, sums, states, BINS)
    exact_h, exact_c = advance(unit, sums, states)
    assert 0 < float((h - exact_h).abs().max()) < 0.03
    assert 0 < float((c - exact_c).abs().max()) < 0.03
    assert torch.equal(h * 127, (h * 127).round())
    assert torch.equal(c, c.half().float())
