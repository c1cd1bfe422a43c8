"""ONNX operations that move, cut, join and make tensors."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hermesc.frontend.onnx.elementwise import on_tensors
from hermesc.frontend.onnx.node import (
    DTYPES,
    Known,
    OnnxNode,
    OnnxOp,
    OnnxValue,
    RefusedNode,
    bounded,
    ints,
    known,
    number,
    tensor,
)

_ENDLESS = 2**31 - 1
_REDUCTIONS = {"none": "", "add": "sum", "mul": "prod", "min": "amin", "max": "amax"}


def _reshape(node: OnnxNode, value: OnnxValue, shape: OnnxValue) -> Tensor:
    x = tensor(value)
    sizes = ints(shape, "sizes")
    if not node.get("allowzero", 0):
        sizes = [x.shape[i] if _is(s, 0) else s for i, s in enumerate(sizes)]
    return x.reshape(sizes)


def _is(size: Any, whole: int) -> bool:
    return isinstance(size, int | float) and size == whole


def _transpose(node: OnnxNode, x: Tensor) -> Tensor:
    return x.permute(node.get("perm") or tuple(range(x.dim()))[::-1])


def _flatten(node: OnnxNode, x: Tensor) -> Tensor:
    axis = node.get("axis", 1)
    axis = axis + x.dim() if axis < 0 else axis
    if axis == 0:
        return x.reshape(1, -1)
    return x.flatten(0, axis - 1).flatten(1) if axis < x.dim() else x.reshape(-1, 1)


def _squeeze(node: OnnxNode, value: OnnxValue, axes: OnnxValue | None = None) -> Tensor:
    x = tensor(value)
    found = node.get("axes") if axes is None else ints(axes, "axes")
    return x.squeeze() if found is None else x.squeeze(tuple(found))


def _unsqueeze(node: OnnxNode, value: OnnxValue, axes: OnnxValue | None = None) -> Tensor:
    x = tensor(value)
    found = list(node.get("axes") or ints(axes, "axes"))
    rank = x.dim() + len(found)
    for axis in sorted(a % rank for a in found):
        x = x.unsqueeze(axis)
    return x


def _concat(node: OnnxNode, *values: OnnxValue) -> Tensor:
    return torch.cat([tensor(v) for v in values], node.get("axis"))


def _split(node: OnnxNode, value: OnnxValue, sizes: OnnxValue | None = None) -> tuple[Tensor, ...]:
    x, axis = tensor(value), node.get("axis", 0)
    if sizes is not None:
        return tuple(torch.split(x, ints(sizes, "sizes"), axis))
    each = -(-x.shape[axis] // node.outputs)
    return tuple(torch.split(x, each, axis))


def _slice(
    _: OnnxNode,
    value: OnnxValue,
    starts: OnnxValue,
    ends: OnnxValue,
    axes: OnnxValue | None = None,
    steps: OnnxValue | None = None,
) -> Tensor:
    x, begin, end = tensor(value), ints(starts, "starts"), ints(ends, "ends")
    chosen = list(range(len(begin))) if axes is None else ints(axes, "axes")
    strides = [1] * len(begin) if steps is None else ints(steps, "steps")
    for axis, start, stop, step in zip(chosen, begin, end, strides, strict=True):
        x = _cut(x, axis, start, stop, step)
    return x


def _cut(x: Tensor, axis: int, start: Any, stop: Any, step: int) -> Tensor:
    cut = [slice(None)] * x.dim()
    if step > 0:
        cut[axis] = slice(start, None if isinstance(stop, int) and stop >= _ENDLESS else stop, step)
        return x[tuple(cut)]
    # Torch has no negative strides: turn the axis round, and count from its other end.
    size = x.shape[axis]
    first = size - 1 - min(start if start >= 0 else start + size, size - 1)
    last = size if stop < -size else size - 1 - (stop if stop >= 0 else stop + size)
    cut[axis] = slice(first, last, -step)
    return x.flip(axis)[tuple(cut)]


def _gather(node: OnnxNode, value: OnnxValue, index: OnnxValue) -> Tensor:
    x, axis = tensor(value), node.get("axis", 0)
    if isinstance(index, Known) and index.array.ndim == 0:
        (place,) = index.ints()
        return x.select(axis, place)
    places = tensor(index)
    places = torch.where(places < 0, places + x.shape[axis], places)
    axis = axis % x.dim()
    if axis == 0 and x.dim() == 2 and places.dim() > 0:
        return F.embedding(places.long(), x)
    found = x.index_select(axis, places.reshape(-1).long())
    return found.reshape(*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])


def _gather_elements(node: OnnxNode, x: Tensor, index: Tensor) -> Tensor:
    axis = node.get("axis", 0)
    return x.gather(axis, torch.where(index < 0, index + x.shape[axis], index))


def _expand(_: OnnxNode, value: OnnxValue, shape: OnnxValue) -> Tensor:
    x, sizes = tensor(value), bounded(ints(shape, "sizes"))
    lead = len(sizes) - x.dim()
    if lead < 0:
        sizes, lead = [1] * -lead + sizes, 0
    for i, size in enumerate(x.shape):  # a size of 1 on either side takes the other's
        if _is(sizes[lead + i], 1):
            sizes[lead + i] = size
    return x.expand(sizes)


def _tile(_: OnnxNode, value: OnnxValue, repeats: OnnxValue) -> Tensor:
    x, counts = tensor(value), ints(repeats, "repeats")
    bounded([*x.shape, *counts])
    return x.repeat(counts)


def _pad(
    node: OnnxNode,
    value: OnnxValue,
    pads: OnnxValue,
    fill: OnnxValue | None = None,
    axes: OnnxValue | None = None,
) -> Tensor:
    x, sizes = tensor(value), ints(pads, "pads")
    chosen = list(range(x.dim())) if axes is None else ints(axes, "axes")
    before, after = sizes[: len(chosen)], sizes[len(chosen) :]
    widths = [0] * (2 * x.dim())
    for axis, b, a in zip(chosen, before, after, strict=True):
        at = 2 * (x.dim() - 1 - axis % x.dim())
        widths[at], widths[at + 1] = b, a
    mode = node.get("mode", "constant")
    if mode == "constant":
        return _filled(node, x, widths, fill)
    if mode == "wrap":
        return _wrapped(x, widths)
    while len(widths) > 2 and widths[-2:] == [0, 0]:
        widths = widths[:-2]
    return F.pad(x, widths, mode={"edge": "replicate"}.get(mode, mode))


def _filled(node: OnnxNode, x: Tensor, widths: list[Any], fill: OnnxValue | None) -> Tensor:
    if fill is None:
        return F.pad(x, widths)
    if 2 in node.constants or isinstance(fill, Known):
        return F.pad(x, widths, value=float(number(node, 2, fill, "value")))
    inside = F.pad(torch.ones_like(x, dtype=torch.bool), widths)
    return torch.where(inside, F.pad(x, widths), tensor(fill).reshape(()))


def _wrapped(x: Tensor, widths: list[Any]) -> Tensor:
    for axis in range(x.dim()):
        at = 2 * (x.dim() - 1 - axis)
        places = torch.arange(-widths[at], x.shape[axis] + widths[at + 1])
        x = x.index_select(axis, places % x.shape[axis])
    return x


def _shape(node: OnnxNode, value: OnnxValue) -> Known:
    sizes = list(value.shape if isinstance(value, Tensor) else value.array.shape)
    return known(sizes[node.get("start", 0) : node.get("end")])


def _constant_of_shape(node: OnnxNode, shape: OnnxValue) -> Tensor:
    value = node.get("value")
    fill = np.zeros(1, np.float32) if value is None else np.array(value).reshape(-1)
    kind = torch.from_numpy(fill).dtype
    return torch.full(bounded(ints(shape, "sizes")), fill[0].item(), dtype=kind)


def _range(node: OnnxNode, start: OnnxValue, limit: OnnxValue, delta: OnnxValue) -> Tensor:
    ends = [number(node, i, v, "range") for i, v in enumerate((start, limit, delta))]
    first, last, step = ends
    if _is(step, 0):
        raise RefusedNode("its step is 0")
    if all(isinstance(end, int | float) for end in ends):
        bounded([max(0, math.ceil((last - first) / step))])
    kind = start.dtype if isinstance(start, Tensor) else None
    return torch.arange(first, last, step, dtype=kind)


def _trilu(node: OnnxNode, value: OnnxValue, diagonal: OnnxValue | None = None) -> Tensor:
    (k,) = [0] if diagonal is None else ints(diagonal, "diagonal")
    return tensor(value).triu(k) if node.get("upper", 1) else tensor(value).tril(k)


def _one_hot(node: OnnxNode, index: OnnxValue, depth: OnnxValue, values: OnnxValue) -> Tensor:
    size = number(node, 1, depth, "depth")
    (size,) = bounded([int(size) if isinstance(size, float) else size])
    places, (off, on) = tensor(index), tensor(values).unbind()
    places = torch.where(places < 0, places + size, places)
    axis = node.get("axis", -1)
    axis = axis if axis >= 0 else places.dim() + 1 + axis
    hot = places.unsqueeze(-1) == torch.arange(size)
    return torch.where(hot, on, off).movedim(-1, axis)


def _eye_like(node: OnnxNode, x: Tensor) -> Tensor:
    rows, columns = x.shape
    shift: int = node.get("k", 0)
    return (torch.arange(rows).unsqueeze(1) + shift == torch.arange(columns)).to(
        DTYPES.get(node.get("dtype"), x.dtype)
    )


def _scatter_elements(node: OnnxNode, x: Tensor, index: Tensor, updates: Tensor) -> Tensor:
    axis = node.get("axis", 0)
    places = torch.where(index < 0, index + x.shape[axis], index)
    kind = _REDUCTIONS[node.get("reduction", "none")]
    if not kind:
        return x.scatter(axis, places, updates)
    return x.scatter_reduce(axis, places, updates, kind)


def _adds(node: OnnxNode) -> str | None:
    kind = node.get("reduction", "none")
    return None if kind in _REDUCTIONS else f"its reduction is {kind!r}"


def _odd_mode(node: OnnxNode) -> str | None:
    mode = node.get("mode", "constant")
    return None if mode in ("constant", "edge", "reflect", "wrap") else f"its mode is {mode!r}"


LAYOUT: Mapping[str, OnnxOp] = {
    "Reshape": OnnxOp(_reshape, ("allowzero",)),
    "Transpose": on_tensors(_transpose, "perm"),
    "Flatten": on_tensors(_flatten, "axis"),
    "Squeeze": OnnxOp(_squeeze, ("axes",)),
    "Unsqueeze": OnnxOp(_unsqueeze, ("axes",)),
    "Concat": OnnxOp(_concat, ("axis",)),
    "Split": OnnxOp(_split, ("axis", "num_outputs")),
    "Slice": OnnxOp(_slice),
    "Gather": OnnxOp(_gather, ("axis",)),
    "GatherElements": on_tensors(_gather_elements, "axis"),
    "ScatterElements": on_tensors(_scatter_elements, "axis", "reduction", refuse=_adds),
    "Expand": OnnxOp(_expand),
    "Tile": OnnxOp(_tile),
    "Pad": OnnxOp(_pad, ("mode",), _odd_mode),
    "Shape": OnnxOp(_shape, ("start", "end")),
    "Size": OnnxOp(lambda _, v: known(v.numel() if isinstance(v, Tensor) else v.array.size)),
    "ConstantOfShape": OnnxOp(_constant_of_shape, ("value",)),
    "Range": OnnxOp(_range),
    "Trilu": OnnxOp(_trilu, ("upper",)),
    "OneHot": OnnxOp(_one_hot, ("axis",)),
    "EyeLike": on_tensors(_eye_like, "dtype", "k"),
}
