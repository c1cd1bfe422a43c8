"""Whether a model treats each row of its batch alone.

In: a graph, its weights and inputs. Out: yes or no. Method: the rows in parts must give the parts
of the whole's outputs. Tried, not proven. Cost: a few runs of the graph.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hermesc.ir.graph import Graph, Weights, device_of
from hermesc.ir.interpret import in_turn, interpret, stepwise
from hermesc.ir.ops import Digital
from hermesc.ir.types import TensorType
from hermesrt.ops.call import Call, Ref
from hermesrt.ops.loop_rules import WHILE, inner_calls
from hermesrt.ops.table import base_name, is_loop


def rows_are_independent(
    graph: Graph,
    weights: Weights,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[Tensor] | None = None,
) -> bool:
    """Whether each output row depends on its own input row alone, tried on the given inputs.

    Such a program can be run on part of the rows after another. A choice that is made once for all
    rows, such as whether a loop goes on, depends on all of them. Otherwise compares the outputs of
    each half of the rows, of every other row and of one row, each run alone, with those of all
    rows, which are `outputs` if they are known; of shapes alone their shapes.
    """
    rows = {t.shape[0] if t.dim() else 0 for t in inputs.values()}
    if (
        len(rows) != 1
        or (count := rows.pop()) < 2
        or any(_chooses(op, graph) for op in graph.digital)
    ):
        return False
    middle = count // 2
    parts = (slice(0, middle), slice(middle, None), slice(1, None, 2), slice(middle, middle + 1))
    try:
        device = device_of(weights)
        whole = outputs or interpret(graph, weights, inputs, device=device)
        some = ({n: t[p] for n, t in inputs.items()} for p in parts)
        found = in_turn(*(stepwise(graph, weights, part, device=device) for part in some))
        return all(_same_rows(whole, part, rows) for part, rows in zip(found, parts, strict=True))
    except (RuntimeError, ValueError, IndexError):
        return False  # the model insists on the example's number of rows


def _chooses(op: Digital, graph: Graph) -> bool:
    """Whether an operation makes one choice for all rows: how long a loop goes on, or which of two
    results is taken by a single condition."""
    if is_loop(op.call.op):
        return _goes_on(op.call)
    if base_name(op.call.op) != "where" or not isinstance(op.call.args[0], Ref):
        return False
    condition = op.call.args[0].name
    kinds = [o.type for o in graph.digital if o.name == condition]
    return any(isinstance(kind, TensorType) and not kind.dims for kind in kinds)


def _goes_on(call: Call) -> bool:
    """Whether it is a loop with a condition, or holds one."""
    return call.op == WHILE or any(_goes_on(inner) for inner in inner_calls(call))


def _same_rows(whole: Sequence[Tensor], part: Sequence[Tensor], rows: slice) -> bool:
    return all(
        a.dim() > 0
        and b.shape == a[rows].shape
        and (
            a.is_meta
            or torch.allclose(_wide(a[rows]), _wide(b), rtol=1e-3, atol=1e-4, equal_nan=True)
        )
        for a, b in zip(whole, part, strict=True)
    )


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.complex128 if x.is_complex() else torch.float64)
