"""Shapes of the results of common operations, where torch's own shape functions are dear.

On torch's meta device many operations run in Python behind its compiler, whose import alone takes a
second. The rules here give the same shapes, dtypes and strides for operands whose layout leaves no
doubt; for all others torch is asked.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hermesrt.ops.recurrent_shapes import NAMES, blank_results
from hermesrt.ops.table import base_name, row_of

Operation = Callable[..., Any]
Arguments = Sequence[Any]
Named = Mapping[str, Any]
Shape = tuple[int, ...]


def known_result(op: str, function: Operation, args: Arguments, named: Named) -> Any | None:
    """What an operation makes of operands without data, or None where torch must be asked."""
    row = row_of(op)
    if row is None or op.startswith("size."):
        return None
    if op in NAMES and len(args) == 9:  # all arguments of a recurrent layer
        return blank_results(args)
    if any(isinstance(value, Tensor) for value in named.values()):
        return None
    if row.kind in ("elementwise", "transcendental") and row.stream == "each":
        return _elementwise(function, args, named)
    match base_name(op):
        case "cat" | "concat" | "concatenate":
            return _joined(function, args, named)
        case "stack" if isinstance(args[0], list):
            raised = [part.unsqueeze(_dim(args, named)) for part in args[0]]
            return _joined(torch.ops.aten.cat.default, (raised, *args[1:]), named)
        case "log_softmax" | "_log_softmax" | "cumsum" | "cumprod" if args[0].is_contiguous():
            return _elementwise(function, args, named)
        case "mm" | "bmm" | "matmul" if len(args) == 2:
            return _product(*args)
        case "linear" if args[1].dim() == 2:
            fits = all(t.shape == args[1].shape[:1] for t in _tensors(args[2:]))
            return _product(args[0], args[1].T) if fits else None
        case "sum" | "mean" | "amax" | "amin":
            return _reduced(function, args, named)
        case "layer_norm" | "batch_norm":
            return _normalised(base_name(op), args)
    return None


def _elementwise(function: Operation, args: Arguments, named: Named) -> Tensor | None:
    """Sizes are broadcast; the dtype is that which torch finds for one element of each operand."""
    layout = _layout_of(list(_tensors(args)))
    if layout is None:
        return None
    made = _on_one_element(function, args, named)
    if not isinstance(made, Tensor) or made.numel() != 1 or made.dim() != len(layout[0]):
        return None
    return torch.empty_strided(*layout, dtype=made.dtype, device="meta")


def _layout_of(operands: Sequence[Tensor]) -> tuple[Shape, Shape] | None:
    """The result's sizes and strides, where the operands' layouts leave no doubt."""
    if not operands or not all(t.is_meta for t in operands):
        return None
    try:
        shape = np.broadcast_shapes(*(tuple(t.shape) for t in operands))  # torch's imports sympy
    except ValueError:  # torch says what does not fit
        return None
    if all(t.is_contiguous() for t in operands):
        return shape, _strides(shape, range(len(shape)))
    dims = [dim for dim, size in enumerate(shape) if size != 1]
    layouts = {tuple(t.stride(dim) for dim in dims) for t in operands if t.shape == shape}
    lines = all(sum(size > 1 for size in t.shape) <= 1 for t in operands if t.shape != shape)
    return _dense(shape, dims, *layouts) if len(layouts) == 1 and lines else None


def _dense(shape: Shape, dims: Sequence[int], strides: Shape) -> tuple[Shape, Shape] | None:
    """The layout without holes whose dimensions lie in the order of an operand's; `strides` are
    those of `dims`, which are all but the ones of size 1."""
    order = sorted(range(len(dims)), key=lambda i: -strides[i])
    sound = len(set(strides)) == len(dims) and min(strides, default=1) > 0 and 0 not in shape
    return (shape, _strides(shape, [dims[i] for i in order])) if sound else None


def _strides(shape: Shape, order: Sequence[int]) -> Shape:
    """Of dimensions that lie in this order, the last the closest; 1 of those that are left out."""
    strides, step = [1] * len(shape), 1
    for dim in reversed(order):
        strides[dim], step = step, step * max(1, shape[dim])
    return tuple(strides)


def _on_one_element(function: Operation, args: Arguments, named: Named) -> Any | None:
    try:
        return function(*(_one_element(a) for a in args), **named)
    except Exception:  # whatever is wrong, torch says it better of the real operands
        return None


def _one_element(arg: Any) -> Any:
    if isinstance(arg, Tensor):
        return torch.ones([1] * arg.dim(), dtype=arg.dtype)
    return [_one_element(part) for part in arg] if isinstance(arg, list) else arg


def _joined(function: Operation, args: Arguments, named: Named) -> Tensor | None:
    parts = args[0] if isinstance(args[0], list) else []
    shapes = [list(t.shape) for t in parts if isinstance(t, Tensor) and t.is_contiguous()]
    if not shapes or len(shapes) < len(parts) or len({len(s) for s in shapes}) > 1:
        return None
    made, dim, rank = _on_one_element(function, args, named), _dim(args, named), len(shapes[0])
    if not isinstance(made, Tensor) or not -rank <= dim < rank:
        return None
    along = [shape.pop(dim) for shape in shapes]
    if any(shape != shapes[0] for shape in shapes):
        return None
    whole = dim % rank
    sizes = (*shapes[0][:whole], sum(along), *shapes[0][whole:])
    return torch.empty(sizes, dtype=made.dtype, device="meta")


def _dim(args: Arguments, named: Named) -> int:
    return int(args[1] if len(args) > 1 else named.get("dim", 0))


def _product(x: Tensor, y: Tensor) -> Tensor | None:
    """Of matrices, the second perhaps one for all."""
    rank, lead = min(x.dim(), y.dim()), x.shape[:-2]
    if rank < 2 or x.shape[-1] != y.shape[-2] or x.dtype != y.dtype:
        return None
    if y.dim() > 2:
        if x.dim() == 2:
            return None
        try:
            lead = torch.Size(np.broadcast_shapes(tuple(lead), tuple(y.shape[:-2])))
        except ValueError:
            return None
    return torch.empty((*lead, x.shape[-2], y.shape[-1]), dtype=x.dtype, device="meta")


def _reduced(function: Operation, args: Arguments, named: Named) -> Tensor | None:
    """Without the dimensions that are named, or any; torch makes such results contiguous."""
    x, made = args[0], _on_one_element(function, args, named)
    given = args[1] if len(args) > 1 else named.get("dim")
    dims = [given] if isinstance(given, int) else list(given or range(x.dim()))
    rank, keep = x.dim(), args[2] if len(args) > 2 else named.get("keepdim", False)
    if not isinstance(made, Tensor) or 0 in x.shape or not all(-rank <= d < rank for d in dims):
        return None
    gone = {dim % rank for dim in dims}
    kept = ((dim in gone, size) for dim, size in enumerate(x.shape))
    sizes = [1 if reduced else size for reduced, size in kept if keep or not reduced]
    return torch.empty(sizes, dtype=made.dtype, device="meta")


def _normalised(name: str, args: Arguments) -> Tensor | None:
    x, *others = args
    tensors = list(_tensors(others))
    if name == "layer_norm":
        sizes = tuple(others[0])
        fits = tuple(x.shape[-len(sizes) :]) == sizes and all(t.shape == sizes for t in tensors)
    else:
        training = others[4]
        fits = x.dim() > 1 and not training and all(t.shape == x.shape[1:2] for t in tensors)
    alike = all(t.dtype == x.dtype for t in tensors)
    known = fits and alike and x.is_contiguous()
    return torch.empty(x.shape, dtype=x.dtype, device="meta") if known else None


def _tensors(args: Arguments) -> Iterator[Tensor]:
    for arg in args:
        if isinstance(arg, Tensor):
            yield arg
        elif isinstance(arg, list):
            yield from _tensors(arg)
