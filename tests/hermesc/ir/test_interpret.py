"""Runs of a graph, one after the other and in turn."""

import torch

from hermesc.ir.graph import Graph
from hermesc.ir.interpret import in_turn, interpret, mvm, stepwise
from hermesc.ir.ops import Input, Mvm
from hermesc.ir.types import TensorType
from hermesrt.errors import Location

T = TensorType(("s0", 3), "float32")
GRAPH = Graph(
    (
        Input("x", T),
        Mvm("a", "x", "m", T, "a", Location()),
        Mvm("b", "a", "m", T, "b", Location()),
    ),
    ("b", "a"),
)
WEIGHTS = {"m": torch.randn(3, 3, generator=torch.Generator().manual_seed(0))}
INPUTS = [{"x": torch.full((rows, 3), 0.5 * rows)} for rows in (1, 2, 5)]


def test_runs_in_turn_give_what_each_gives_alone():
    found = in_turn(*(stepwise(GRAPH, WEIGHTS, x) for x in INPUTS))
    for outputs, x in zip(found, INPUTS, strict=True):
        for one, other in zip(outputs, interpret(GRAPH, WEIGHTS, x), strict=True):
            assert torch.equal(one, other)


def test_all_runs_do_an_operation_before_one_does_the_next():
    seen = []

    def product(op, x):
        seen.append((op.name, len(x)))
        return mvm(op, WEIGHTS, x)

    in_turn(*(stepwise(GRAPH, WEIGHTS, x, product=product) for x in INPUTS))
    assert seen == [(name, rows) for name in "ab" for rows in (1, 2, 5)]
