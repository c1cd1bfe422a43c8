"""Slices as a pass: the graph means the same, and each slice is a matrix of its own."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesc.ir.interpret import interpret
from hermesc.ir.text import graph_text
from hermesc.ir.verify import verify_graph
from hermesc.passes.slice_matrices import slice_matrices
from hermesc.placement.options import LayerOptions, TileOptions
from hermesrt.errors import OptionError

Graphs = Callable[..., Any]


@pytest.mark.parametrize("fill", ["equal", "max", "corrected"])
@pytest.mark.parametrize("weights", ["equal", "significance"])
def test_the_sliced_graph_computes_the_same(mvm_graph: Graphs, fill: Any, weights: Any) -> None:
    partitioned, held = mvm_graph(torch.randn(6, 4), relu=True, bias="b", scale="s")
    held |= {"b": torch.randn(4), "s": torch.rand(4)}
    options = TileOptions(slices=3, slice_weights=weights, slice_fill=fill)
    changed, matrices = slice_matrices(partitioned, held, options, LayerOptions())
    verify_graph(changed.graph, matrices, "slice")
    x = {"x0": torch.randn(5, 6)}
    (wanted,), (found,) = (
        interpret(partitioned.graph, held, x),
        interpret(changed.graph, matrices, x),
    )
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    assert [op.slice.number for op in changed.graph.mvms if op.slice] == [0, 1, 2]
    assert {op.label for op in changed.graph.mvms} == {"layer0"}
    assert set(changed.graph.slots().values()) == {"layer0"}


def test_the_host_adds_what_the_slices_give(mvm_graph: Graphs) -> None:
    partitioned, held = mvm_graph(torch.ones(2, 2))
    changed, _ = slice_matrices(partitioned, held, TileOptions(slices=2), LayerOptions())
    text = graph_text(changed.graph)
    assert "%y0.slice1 = mvm(%x0, w0.slice1, scale=y0.scale1, slice 2 of 2)" in text
    assert "%y0 = aten.add.Tensor(%y0.slice0, %y0.slice1)" in text


def test_one_slice_changes_nothing(mvm_graph: Graphs) -> None:
    partitioned, held = mvm_graph(torch.ones(2, 2))
    changed, matrices = slice_matrices(partitioned, held, TileOptions(), LayerOptions())
    assert changed == partitioned
    assert matrices.keys() == held.keys()


@pytest.fixture(scope="module")
def program() -> hermesc.Program:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3))
    settings = {"tile.slices": 2, "layers.3.slices": 3, "layers.3.slice_weights": "significance"}
    return hermesc.compile(net, torch.randn(8, 2, 8), options=settings)


def test_layers_have_slices_of_their_own_and_inspect_shows_them(program: hermesc.Program) -> None:
    parts = {m.label: m.slice.count for m in program.artifact.manifest.matrices if m.slice}
    assert parts == {"0": 2, "3": 3}
    lines = str(program.inspect()).splitlines()
    assert next(line for line in lines if line.startswith("  3 ")).split()[-5:] == [
        "1", "of", "3", "57.1", "%", "equal",
    ][-5:]  # fmt: skip
    assert any("follows the sum of the slices of 0" in line for line in lines)


def test_slices_survive_the_file_and_cost_what_layers_cost(
    program: hermesc.Program, tmp_path: Any
) -> None:
    program.save(tmp_path / "p.hermes")
    again = hermesc.load(tmp_path / "p.hermes")
    assert again.artifact.manifest == program.artifact.manifest
    assert len(program.artifact.cores) == 3
    report = program.cost()
    assert {layer.label for layer in report.cost.layers if layer.analog} == {"0", "3"}
    assert sum(layer.label == "3" for layer in report.cost.layers if layer.analog) == 3


def test_an_ideal_chip_computes_the_model(program: hermesc.Program) -> None:
    report = program.run(ideal=True).report
    assert report.outputs["output_0"].relative_error < 1e-6


def test_a_projection_stays_whole_with_its_layer() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.LSTM(3, 4, batch_first=True, proj_size=2)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.cell(x)[0]
            return found

    settings = {"layers.cell.l0.projection.slices": 2}
    with pytest.raises(OptionError, match=r"give .* and layers\.cell\.l0\.projection\.slices=1"):
        hermesc.compile(Net(), torch.randn(2, 4, 3), options=settings)


def test_a_recurrent_layer_is_told_to_stay_whole() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.LSTM(3, 4, batch_first=True)
            self.head = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.cell(x)[0])

    x = torch.randn(2, 4, 3)
    with pytest.raises(OptionError, match=r"cell\.l0 is recurrent.*give layers\.cell\.l0"):
        hermesc.compile(Net(), x, options={"tile.slices": 2})
    program = hermesc.compile(Net(), x, options={"tile.slices": 2, "layers.cell.*.slices": 1})
    assert [m.slice is None for m in program.artifact.manifest.matrices] == [True, False, False]
