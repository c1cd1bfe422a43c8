"""One time step of a recurrence against torch's own cells, and what its gates cost."""

import pytest
import torch
from torch import nn

from hermesrt.ops.recurrence import GateWork, Recurrence, gate_work, second_gate_work
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


def test_the_second_product_of_a_projected_lstm_makes_its_h() -> None:
    layer, x = nn.LSTM(2, 3, proj_size=2, batch_first=True), torch.randn(4, 5, 2)
    firsts = (torch.randn(4, 2), torch.randn(4, 3))
    matrix = torch.cat([layer.weight_ih_l0, layer.weight_hh_l0], 1).t()
    bias = layer.bias_ih_l0 + layer.bias_hh_l0
    y = recur(
        LSTM,
        x,
        firsts,
        lambda v: v @ matrix + bias,
        lambda sums, now: advance(LSTM, sums, now),
        lambda v: v @ layer.weight_hr_l0.t(),
    )
    torch.testing.assert_close(y, layer(x, tuple(s[None] for s in firsts))[0])


def test_a_gru_that_resets_first_takes_the_reset_h_to_its_second_product() -> None:
    """ONNX's words: ht = g(Xt Wh + (rt . Ht-1) Rh + Rbh + Wbh), Ht = (1 - zt) . ht + zt . Ht-1."""
    of_x, of_h, x, h = (
        torch.randn(3, 2, 3),
        torch.randn(3, 3, 3),
        torch.randn(4, 2),
        torch.randn(4, 3),
    )
    gru = Recurrence("gru_reset_first", ("h",), hidden=3)
    both = torch.cat([torch.cat([of_x[i], of_h[i]]) for i in (0, 1)], 1)
    last = torch.cat([of_x[2], of_h[2]])
    found = recur(
        gru,
        x[:, None],
        (h,),
        lambda v: v @ both,
        lambda sums, now: advance(gru, sums, now),
        lambda v: v @ last,
    )
    reset, update = ((x @ of_x[i] + h @ of_h[i]).sigmoid() for i in (0, 1))
    new = (x @ of_x[2] + (reset * h) @ of_h[2]).tanh()
    torch.testing.assert_close(found[:, 0], (1 - update) * new + update * h)


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
        (Recurrence("gru_reset_first", ("h",), hidden=3), 3, GateWork(3, 6)),
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


def test_a_time_step_has_the_products_of_its_kind() -> None:
    reset_first = Recurrence("gru_reset_first", ("h",), hidden=3)
    assert reset_first.fault() is not None
    assert reset_first.fault(second=True) is None
    assert LSTM.fault(second=True) is None
    assert Recurrence("gru", ("h",)).fault(second=True) is not None
    assert Recurrence("lstm", ("h", "c"), projection="p").fault(second=True) is not None
    assert second_gate_work(reset_first) == GateWork(9, 3)
    assert second_gate_work(LSTM) == GateWork(0, 0)


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
