"""Graphs of a few products for the passes that come after the partition."""

from collections.abc import Callable
from typing import Any

import pytest
from torch import Tensor

from hermesc.ir.graph import Captured, Graph, Weights
from hermesc.ir.ops import Input, Mvm
from hermesc.ir.stages import MvmWorkload, Partitioned, Tiled
from hermesc.ir.types import TensorType
from hermesc.passes.tile import tile
from hermesc.placement.options import PlaceOptions
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import Location


@pytest.fixture(scope="session")
def mvm_graph() -> Callable[..., tuple[Partitioned, dict[str, Tensor]]]:
    """A graph of one Mvm for each given matrix, each with an input of its own."""

    def make(*matrices: Tensor, **changes: Any) -> tuple[Partitioned, dict[str, Tensor]]:
        ops: list[Input | Mvm] = []
        weights: dict[str, Tensor] = {}
        for i, matrix in enumerate(matrices):
            rows, columns = matrix.shape
            ops.append(Input(f"x{i}", TensorType(("s0", rows), "float32")))
            out = TensorType(("s0", columns), "float32")
            where = Location(file="model.py", line=i + 1)
            ops.append(
                Mvm(f"y{i}", f"x{i}", f"w{i}", out, f"n{i}", where, label=f"layer{i}", **changes)
            )
            weights[f"w{i}"] = matrix
        captured = tuple(
            Captured(f"n{i}", "aten.linear.default", Location()) for i in range(len(matrices))
        )
        outputs = tuple(f"y{i}" for i in range(len(matrices)))
        return Partitioned(Graph(tuple(ops), outputs, captured), ()), weights

    return make


@pytest.fixture(scope="session")
def tiled_of() -> Callable[..., Tiled]:
    """A partitioned graph, tiled; each MVM serves one vector a sample unless more are given."""

    def make(
        partitioned: Partitioned,
        weights: Weights,
        chip: ChipSpec,
        options: PlaceOptions | None = None,
        vectors: int = 1,
    ) -> Tiled:
        counts = tuple(MvmWorkload(vectors, ()) for _ in partitioned.graph.mvms)
        return tile(partitioned, weights, counts, chip, options or PlaceOptions(), {})

    return make
