"""Which products are low-rank adapters of others: W x + B (A x), with a rank below both sizes of W.

Two products with fixed matrices, one behind the other, are the adapter of a third where all begin
at the same value, the results meet in a sum, and the inner size is the smallest. Between them may
be factors and offsets of a number or a constant. Models that peft or `harden(lora=...)` made look
so; a bottleneck that is added to its own input does not. Source: Hu et al., LoRA, ICLR 2022,
equation 3. Cost: linear in operations.
"""

from collections.abc import Iterator, Mapping

from hermesc.ir.graph import Graph, Weights
from hermesc.ir.ops import Constant, Digital, Mvm, Op
from hermesrt.ops.call import Ref
from hermesrt.ops.table import base_name

_FACTORS = ("mul", "multiply", "div", "divide", "true_divide", "neg")
_SUMS = ("add", "sub", "subtract")


def adapters(graph: Graph, weights: Weights) -> dict[str, str]:
    """Names of the Mvms that are part of an adapter, and the label of the layer it belongs to."""
    by_name = {op.name: op for op in graph.ops}
    users = graph.users()
    found: dict[str, str] = {}
    for op in graph.digital:
        for outer, layer in _meetings(op, by_name):
            inner = _product_before(outer.input, by_name, shifted=False)
            if inner is None or len(users[inner.name]) > 1 or inner.input != layer.input:
                continue
            if inner.window is None and _is_low(inner, outer, layer, weights):
                found |= {inner.name: layer.label, outer.name: layer.label}
    return found


def _meetings(op: Digital, by_name: Mapping[str, Op]) -> Iterator[tuple[Mvm, Mvm]]:
    """The products whose results a sum adds, in either order."""
    names = op.call.refs()
    if base_name(op.call.op).removesuffix("_") not in _SUMS or len(names) != 2:
        return
    parts = [_product_before(name, by_name, shifted=True) for name in names]
    one, other = parts
    if one is not None and other is not None and None is one.window is other.window:
        yield one, other
        yield other, one


def _product_before(name: str, by_name: Mapping[str, Op], *, shifted: bool) -> Mvm | None:
    """The product that a value is, up to factors and, where `shifted`, offsets."""
    while True:
        op = by_name[name]
        if isinstance(op, Mvm):
            return op if op.recurrence is None else None
        if not isinstance(op, Digital):
            return None
        kind = base_name(op.call.op).removesuffix("_")
        moving = [r for r in op.call.refs() if not isinstance(by_name[r], Constant)]
        if kind not in (*_FACTORS, *(_SUMS if shifted else ())) or len(moving) != 1:
            return None
        if op.call.args[0] != Ref(moving[0]) and kind in ("div", "divide", "true_divide"):
            return None
        name = moving[0]


def _is_low(inner: Mvm, outer: Mvm, layer: Mvm, weights: Weights) -> bool:
    rows, rank = weights[inner.matrix].shape
    columns = weights[outer.matrix].shape[1]
    whole = tuple(weights[layer.matrix].shape) == (rows, columns)
    return whole and rank < min(rows, columns) and weights[outer.matrix].shape[0] == rank
