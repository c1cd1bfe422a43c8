"""Whether a model treats each row of its batch alone.

In: a graph, its weights and inputs. Out: yes or no. Method: the rows in parts must give the parts
of the whole's outputs. Tried, not proven. Cost: a few runs of the graph.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hermesc.ir.graph import Graph, Weights
from hermesc.ir.interpret import interpret


def rows_are_independent(graph: Graph, weights: Weights, inputs: Mapping[str, Tensor]) -> bool:
    """Whether each output row depends on its own input row alone, tried on the given inputs.

    Such a program can be run on part of the rows after another. Compares the outputs of each half
    of the rows, of every other row and of one row, each run alone, with those of all rows.
    """
    rows = {t.shape[0] if t.dim() else 0 for t in inputs.values()}
    if len(rows) != 1 or (count := rows.pop()) < 2:
        return False
    middle = count // 2
    parts = (slice(0, middle), slice(middle, None), slice(1, None, 2), slice(middle, middle + 1))
    try:
        whole = interpret(graph, weights, inputs)
        return all(
            _same_rows(whole, interpret(graph, weights, {n: t[p] for n, t in inputs.items()}), p)
            for p in parts
        )
    except (RuntimeError, ValueError, IndexError):
        return False  # the model insists on the example's number of rows


def _same_rows(whole: Sequence[Tensor], part: Sequence[Tensor], rows: slice) -> bool:
    return all(
        a.dim() > 0
        and b.shape == a[rows].shape
        and torch.allclose(_wide(a[rows]), _wide(b), rtol=1e-3, atol=1e-4, equal_nan=True)
        for a, b in zip(whole, part, strict=True)
    )


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.complex128 if x.is_complex() else torch.float64)
