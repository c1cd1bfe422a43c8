"""One time step of a recurrence against torch's own cells, and what its gates cost."""

import pytest
import torch
from torch import nn

from hermesrt.ops.recurrence import GateWork, Recurrence, gate_work
from hermesrt.ops.time_steps import advance, fault_of_inputs, recur

LSTM = Recurrence("lstm", ("h", "c"), hidden=3)


def test_an_lstms_step_is_torchs() -> None:
    cell, x, h, c = nn.LSTMCell(2, 3), torch.randn(4, 2), torch.randn(4, 3), torch.randn(4, 3)
    sums = x @ cell.weight_ih.t() + h @ cell.weight_hh.t() + cell.bias_ih + cell.bias_hh
    for ours, torchs in zip(advance(LSTM, sums, (h, c)), cell(x, (h, c)), strict=True):
        torch.testing.assert_close(ours, torchs)


def test_the_gate_units_columns_are_those_of_one_value_beside_each_other() -> None:
    sums, states = torch.randn(4, 12), (torch.randn(4, 3), torch.randn(4, 3))
    enter, forget, cell, out = sums.chunk(4, 1)
    beside = torch.stack([enter, cell, forget, out], -1).flatten(1)
    unit = Recurrence("lstm", ("h", "c"), unit="gdpu", hidden=3)
    for ours, theirs in zip(
        advance(unit, beside, states), advance(LSTM, sums, states), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_a_grus_step_is_torchs() -> None:
    cell, x, h = nn.GRUCell(2, 3), torch.randn(4, 2), torch.randn(4, 3)
    of_x, of_h = x @ cell.weight_ih.t() + cell.bias_ih, h @ cell.weight_hh.t() + cell.bias_hh
    sums = torch.cat([of_x[:, :6] + of_h[:, :6], of_x[:, 6:], of_h[:, 6:]], 1)
    (ours,) = advance(Recurrence("gru", ("h",), hidden=3), sums, (h,))
    torch.testing.assert_close(ours, cell(x, h))


def test_a_reverse_recurrence_begins_with_the_last_step() -> None:
    x = torch.tensor([[[1.0], [10.0], [100.0]]])
    kept = {}
    for back in (False, True):
        found = Recurrence("rnn_relu", ("h",), back)
        kept[back] = recur(
            found, x, [torch.zeros(1, 1)], lambda v: v.sum(1, keepdim=True), lambda s, _: (s,)
        )
    assert kept[False].flatten().tolist() == [1, 11, 111]
    assert kept[True].flatten().tolist() == [111, 110, 100]


@pytest.mark.parametrize(
    ("recurrence", "outputs", "work"),
    [
        (LSTM, 3, GateWork(12, 15)),
        (Recurrence("lstm", ("h", "c"), projection="p", hidden=3), 2, GateWork(12, 15, 6)),
        (Recurrence("gru", ("h",), hidden=3), 3, GateWork(15, 9)),
        (Recurrence("rnn_tanh", ("h",), hidden=3), 3, GateWork(0, 3)),
        (Recurrence("rnn_relu", ("h",), hidden=3), 3, GateWork(0, 0)),
        (Recurrence("lstm", ("h", "c"), unit="gdpu", hidden=3), 3, GateWork(0, 0)),
    ],
)
def test_gates_are_counted_as_they_are_written(
    recurrence: Recurrence, outputs: int, work: GateWork
) -> None:
    """f c + i g and o tanh(c): four elements and five functions of each hidden value."""
    assert gate_work(recurrence, outputs) == work


@pytest.mark.parametrize(
    ("recurrence", "fault"),
    [
        (Recurrence("lstm", ("h",)), "first states"),
        (Recurrence("gru", ("h", "c")), "first states"),
        (Recurrence("gru", ("h",), cells=True), "only an LSTM"),
        (Recurrence("rnn_tanh", ("h",), projection="p"), "only an LSTM"),
        (Recurrence("rnn_relu", ("h",), unit="gdpu"), "only an LSTM"),
        (Recurrence("lstm", ("h", "c"), projection="p", unit="gdpu"), "no projection"),
    ],
)
def test_what_does_not_go_together_is_a_fault(recurrence: Recurrence, fault: str) -> None:
    assert fault in (recurrence.fault() or "")
    assert LSTM.fault() is None


@pytest.mark.parametrize(
    ("x", "h", "c", "fault"),
    [
        ((4, 7, 2), (4, 3), (4, 3), None),
        ((4, 7, 3), (4, 3), (4, 3), "not time steps of 2 numbers"),
        ((4, 2), (4, 3), (4, 3), "not time steps"),
        ((4, 0, 2), (4, 3), (4, 3), "not time steps"),
        ((4, 7, 2), (3, 3), (4, 3), "first states"),
        ((4, 7, 2), (4, 3), (4, 4), "first states"),
    ],
)
def test_inputs_that_do_not_fit_are_named(
    x: tuple[int, ...], h: tuple[int, ...], c: tuple[int, ...], fault: str | None
) -> None:
    found = fault_of_inputs(LSTM, 5, 3, torch.zeros(x), [torch.zeros(h), torch.zeros(c)])
    assert found is None if fault is None else fault in (found or "")
