"""Constants that a model repeats over its batch: the tensor behind them, stored once.

`omega.expand(batch, heads, -1, -1)` depends on an input only through its size, and so it is no
constant of the graph, though each of its slices is. Here such a value is its *seed*: a tensor with
a size of 1 wherever the value only repeats itself. The table of operations says which of them act
on the seed as they act on the value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from hermesc.ir.graph import Graph, Weights
from hermesc.ir.ops import Constant, Digital
from hermesc.ir.types import Dim, TensorType
from hermesrt.ops.call import Arg, Call, Ref, run
from hermesrt.ops.table import row_of

_LARGEST = 2**27  # elements; a larger product stays an operation


@dataclass(frozen=True, slots=True)
class BroadcastConstant:
    """A value that only repeats a constant.

    value: the constant, in sizes that broadcast to the value's.
    weight: the name of the weight that it was made from.
    dims: the value's own sizes.
    """

    value: Tensor
    weight: str
    dims: tuple[Dim, ...]


def broadcast_constants(graph: Graph, weights: Weights) -> dict[str, BroadcastConstant]:
    """The broadcast_constants of all constants, and of all values that only repeat one."""
    found: dict[str, BroadcastConstant] = {}
    for op in graph.ops:
        if isinstance(op, Constant):
            found[op.name] = BroadcastConstant(weights[op.weight], op.weight, op.type.dims)
        elif isinstance(op, Digital) and isinstance(op.type, TensorType):
            seed = _seed(op, op.type, found)
            if seed is not None and _fits(seed.value, op.type.dims):
                found[op.name] = replace(seed, dims=op.type.dims)
    return found


def _fits(value: Tensor, dims: tuple[Dim, ...]) -> bool:
    pairs = zip(value.shape, dims, strict=False)
    return value.dim() == len(dims) and all(have in (1, want) for have, want in pairs)


def _seed(
    op: Digital, result: TensorType, known: Mapping[str, BroadcastConstant]
) -> BroadcastConstant | None:
    row, args = row_of(op.call.op), op.call.args
    if row is None or not args:
        return None
    if row.constant == "each":
        return _elementwise(op, result, known)
    if row.constant == "multiplied":
        return _product(op, result, known)
    source = known.get(args[0].name) if isinstance(args[0], Ref) else None
    if source is None:
        return None
    match row.constant:
        case "cast":
            return replace(source, value=source.value.to(getattr(torch, result.dtype)))
        case "repeated":
            return replace(source, value=_leading_ones(source.value, len(result.dims)))
        case "tiled":
            return _tiled(source, args[1]) if isinstance(args[1], tuple) else None
        case "reshaped":
            return _reshaped(source, source.dims, result.dims)
        case "moved":
            alone = len(op.call.refs()) == 1
            return replace(source, value=_run(op.call, known)) if alone else None
        case _:
            return None


def _elementwise(
    op: Digital, result: TensorType, known: Mapping[str, BroadcastConstant]
) -> BroadcastConstant | None:
    """An operation on the elements of constants alone; it is named after the largest."""
    taken = [known.get(ref) for ref in op.call.refs()]
    if not taken or any(t is None for t in taken):
        return None
    largest = max((t for t in taken if t is not None), key=lambda t: t.value.numel())
    return BroadcastConstant(_run(op.call, known), f"{largest.weight}~{op.name}", result.dims)


def _product(
    op: Digital, result: TensorType, known: Mapping[str, BroadcastConstant]
) -> BroadcastConstant | None:
    """A product of constants that repeat themselves in other dimensions than it sums over."""
    pair = [known.get(arg.name) if isinstance(arg, Ref) else None for arg in op.call.args[:2]]
    left, right = pair
    sizes = [d for d in result.dims if isinstance(d, int)]
    if left is None or right is None or prod(sizes) > _LARGEST:
        return None
    whole = tuple(left.value.shape[-1:]) == left.dims[-1:]
    whole = whole and tuple(right.value.shape[-2:]) == right.dims[-2:]
    return _elementwise(op, result, known) if whole else None


def _run(call: Call, known: Mapping[str, BroadcastConstant]) -> Tensor:
    value = run(call, {ref: known[ref].value for ref in call.refs()})
    assert isinstance(value, Tensor)
    return value


def _leading_ones(value: Tensor, rank: int) -> Tensor:
    return value.reshape((1,) * (rank - value.dim()) + tuple(value.shape))


def _tiled(source: BroadcastConstant, times: tuple[Arg, ...]) -> BroadcastConstant | None:
    value = _leading_ones(source.value, len(times))
    counts = [1 if size == 1 else count for size, count in zip(value.shape, times, strict=True)]
    if not all(isinstance(count, int) for count in counts):
        return None
    return replace(source, value=value.repeat(counts))  # type: ignore[arg-type]


def _reshaped(
    source: BroadcastConstant, before: tuple[Dim, ...], after: tuple[Dim, ...]
) -> BroadcastConstant | None:
    """Leading dimensions that only repeat may be merged or split; the others must stay."""
    sizes = [have for have, want in zip(source.value.shape, before, strict=True) if want != 1]
    while sizes and sizes[0] == 1:
        sizes.pop(0)
    wanted = [d for d in after if d != 1]
    if 1 in sizes or wanted[len(wanted) - len(sizes) :] != sizes:
        return None
    shape = []
    for dim in reversed(after):
        shape.append(sizes.pop() if sizes and dim == sizes[-1] else 1)
    return replace(source, value=source.value.reshape(shape[::-1]))
