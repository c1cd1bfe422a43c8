"""Which LSTMs get the chip's own gate unit, and where they lie."""

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesc.pipeline import parse_options
from hermesrt.chip.load import load_chip
from hermesrt.program import Program

X = torch.randn(2, 5, 8)


class Model(nn.Module):
    """A recurrent layer, its last cell state too if wanted, and begun as given."""

    def __init__(self, layer: nn.RNNBase, *, cells: bool = False, begun: bool = False) -> None:
        super().__init__()
        self.layer, self.cells, self.begun = layer, cells, begun

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        states = None
        if self.begun:
            states = (x[:, 0, :8][None].contiguous(), x[:, 1, :8][None].contiguous())
        y, last = self.layer(x, states)
        return (y, last[1][0]) if self.cells else y


def units(program: Program) -> list[str]:
    """Who makes the gates of each layer."""
    return [s.recurrence.unit for s in program.artifact.mvms if s.recurrence]


def lstm(hidden: int = 8, layers: int = 1, **more: bool | int) -> nn.LSTM:
    return nn.LSTM(8, hidden, layers, batch_first=True, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (Model(lstm()), ["gdpu"]),
        (Model(lstm(8, 3)), ["gdpu"] * 3),
        (Model(lstm(8, 5, bidirectional=True)), ["gdpu"] * 8 + ["host"] * 2),
        (Model(lstm(70, 4)), ["gdpu"] * 4),
        (Model(lstm(140, 3)), ["gdpu"] * 2 + ["host"]),
        (Model(lstm(proj_size=3)), ["gdpu"]),
        (Model(lstm(), cells=True), ["host"]),
        (Model(lstm(), begun=True), ["host"]),
        (Model(nn.GRU(8, 8, batch_first=True)), ["host"]),
        (Model(nn.RNN(8, 8, batch_first=True)), ["host"]),
    ],
    ids=[
        "lstm", "stacked", "more layers than slices", "two slices each", "three slices each",
        "projected", "its cells are asked for", "cells that do not begin at zero", "gru", "rnn",
    ],
)  # fmt: skip
def test_a_slice_serves_one_lstm_whose_cells_begin_at_zero(
    model: nn.Module, found: list[str]
) -> None:
    program = hermesc.compile(model, (X,))
    assert units(program) == found
    chip = program.deploy(hermesc.simulate("hermes")).configure(ideal=True)
    x = torch.randn(3, 5, 8)
    with torch.no_grad():
        ours, torchs = chip(x), model(x)
    for a, b in zip(*((y if isinstance(y, tuple) else (y,)) for y in (ours, torchs)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_cascades_run_down_the_columns_of_cores_to_row_four() -> None:
    """300 rows are two row blocks, 100 values two slices of 50: cores of rows 3 and 4."""
    program = hermesc.compile(Model(nn.LSTM(200, 100, batch_first=True)), (torch.randn(2, 3, 200),))
    (matrix,) = program.artifact.manifest.matrices
    found = [(t.stage, t.columns, divmod(t.core, 8)) for t in matrix.tiles]
    assert found == [
        (0, (0, 200), (2, 0)), (1, (0, 200), (3, 0)),
        (0, (200, 400), (2, 1)), (1, (200, 400), (3, 1)),
    ]  # fmt: skip


def test_a_layer_that_is_too_high_or_too_wide_has_its_gates_made_by_the_host() -> None:
    """1,024 rows are four row blocks; a fifth has no core above the unit. 8 slices hold 512
    values."""
    high = hermesc.compile(Model(nn.LSTM(1020, 8, batch_first=True)), (torch.randn(2, 3, 1020),))
    assert units(high) == ["host"]
    wide = hermesc.compile(Model(nn.LSTM(8, 520, batch_first=True)), (torch.randn(2, 3, 8),))
    assert units(wide) == ["host"]


def test_the_host_makes_the_gates_on_demand_and_on_chips_with_a_vector_unit() -> None:
    options = parse_options([("gates.unit", "host")])
    assert units(hermesc.compile(Model(lstm()), (X,), options=options)) == ["host"]
    assert units(hermesc.compile(Model(lstm()), (X,), chip="hermes-dpu")) == ["host"]


def test_the_reason_says_who_makes_the_gates() -> None:
    program = hermesc.compile(Model(lstm(8, 9)), (X,))
    (node,) = (a for a in program.artifact.manifest.account if "lstm" in a.op)
    assert node.reason.endswith("; gates in the GDPU and on the host")


def test_where_the_cores_above_the_unit_are_needed_the_host_makes_the_gates() -> None:
    """One core: a linear layer and an LSTM share it, which no layer with the unit does."""
    numbers = {"grid.rows": "1", "grid.columns": "1", "gdpu.row": "1", "gdpu.slices": "1"}
    chip = load_chip("hermes", list(numbers.items()))
    alone = hermesc.compile(Model(lstm()), (X,), chip=chip)
    assert units(alone) == ["gdpu"]
    both = hermesc.compile(nn.Sequential(nn.Linear(8, 8), Model(lstm())), (X,), chip=chip)
    assert units(both) == ["host"]
    assert len(both.artifact.cores) == 1
