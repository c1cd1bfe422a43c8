"""Operations on numbers that are known before the run: shapes, axes, indices.

They are the ONNX operations by which exporters compute sizes, on arrays of ints and symbolic sizes.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from hermesc.frontend.onnx.node import Known, OnnxNode, RefusedNode, known

Array = NDArray[Any]
_LARGEST = 2**16
_WHOLE = (TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL)


def run_known(node: OnnxNode, values: tuple[Known | None, ...]) -> Any:
    """The result for known inputs; None where the operation is not one on sizes."""
    function = _FUNCTIONS.get(node.op) if node.domain in ("", "ai.onnx") else None
    if function is None:
        return None
    arrays = [None if v is None else v.array for v in values]
    result = function(node, *arrays)
    if result is None or isinstance(result, tuple):
        return result if result is None else tuple(known(r) for r in result)
    if np.size(result) > _LARGEST:
        return None
    return known(result)


def _elementwise(function: Callable[[Any, Any], Any]) -> Callable[..., Array]:
    def run(_: OnnxNode, first: Array, *others: Array) -> Array:
        result = first.astype(object)
        for other in others:
            a, b = np.broadcast_arrays(result, other.astype(object))
            flat = [function(x, y) for x, y in zip(a.reshape(-1), b.reshape(-1), strict=True)]
            result = _objects(flat).reshape(a.shape)
        return result

    return run


def _objects(values: list[Any]) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _divided(a: Any, b: Any) -> Any:
    """ONNX cuts towards zero."""
    if isinstance(b, int) and b == 0:
        raise RefusedNode("it divides a size by zero")
    return (
        -((-a) // b) if isinstance(a, int) and isinstance(b, int) and (a < 0) != (b < 0) else a // b
    )


def _mod(node: OnnxNode, a: Array, b: Array) -> Array:
    """With `fmod` the sign is the dividend's, else the divisor's."""
    if not node.get("fmod", 0):
        return _elementwise(_modulo)(node, a, b)
    return _elementwise(lambda x, y: x - y * _divided(x, y))(node, a, b)


def _modulo(a: Any, b: Any) -> Any:
    if isinstance(b, int) and b == 0:
        raise RefusedNode("it divides a size by zero")
    return a % b


def _cast(node: OnnxNode, a: Array) -> Array | None:
    if node.get("to") not in _WHOLE:
        return None
    if node.get("to") == TensorProto.BOOL:
        return _objects([bool(v) for v in a.reshape(-1)]).reshape(a.shape)
    return _objects([int(v) if isinstance(v, bool) else v for v in a.reshape(-1)]).reshape(a.shape)


def _gather(node: OnnxNode, a: Array, index: Array) -> Array:
    axis = node.get("axis", 0)
    return np.take(a, index.astype(np.int64), axis=axis)


def _slice(
    _: OnnxNode, a: Array, starts: Array, ends: Array, axes: Any = None, steps: Any = None
) -> Any:
    chosen = range(len(starts)) if axes is None else axes.tolist()
    strides = [1] * len(starts) if steps is None else steps.tolist()
    cut = [slice(None)] * a.ndim
    for axis, start, end, step in zip(chosen, starts.tolist(), ends.tolist(), strides, strict=True):
        size = a.shape[axis]
        stop = None if step < 0 and end < -size else end
        cut[axis] = slice(start, stop, step)
    return a[tuple(cut)]


def _axes(node: OnnxNode, axes: Array | None) -> tuple[int, ...] | None:
    found = node.get("axes") if axes is None else axes.tolist()
    return None if found is None else tuple(found)


def _unsqueeze(node: OnnxNode, a: Array, axes: Array | None = None) -> Array:
    return np.expand_dims(a, _axes(node, axes) or (0,))


def _squeeze(node: OnnxNode, a: Array, axes: Array | None = None) -> Array:
    return np.squeeze(a, _axes(node, axes))


def _reduced(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def run(node: OnnxNode, a: Array, axes: Array | None = None) -> Any:
        chosen = _axes(node, axes)
        if a.ndim != 1 or chosen not in (None, (0,), (-1,)) or not a.size:
            return None
        total = a[0]
        for value in a[1:]:
            total = function(total, value)
        return _objects([total]) if node.get("keepdims", 1) else total

    return run


def _split(node: OnnxNode, a: Array, sizes: Array | None = None) -> tuple[Array, ...]:
    parts = node.outputs if sizes is None else np.cumsum(sizes.astype(np.int64))[:-1]
    return tuple(np.split(a, parts, axis=node.get("axis", 0)))


def _full(node: OnnxNode, shape: Array) -> Array | None:
    value = node.get("value")
    plain = all(isinstance(s, int | np.integer) for s in shape.tolist())
    if value is None or value.dtype.kind not in "ib" or not plain:
        return None
    return np.full([int(s) for s in shape], value.reshape(-1)[0].item(), dtype=object)


def _range(_: OnnxNode, start: Array, limit: Array, delta: Array) -> Array | None:
    ends = [start.item(), limit.item(), delta.item()]
    if not all(isinstance(e, int) for e in ends) or len(range(*ends)) > _LARGEST:
        return None
    return np.arange(*ends).astype(object)


def _smallest(a: Any, b: Any) -> Any:
    return min(a, b)


def _largest(a: Any, b: Any) -> Any:
    return max(a, b)


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "Add": _elementwise(operator.add),
    "Sub": _elementwise(operator.sub),
    "Mul": _elementwise(operator.mul),
    "Div": _elementwise(_divided),
    "Mod": _mod,
    "Min": _elementwise(_smallest),
    "Max": _elementwise(_largest),
    "Equal": _elementwise(lambda a, b: bool(a == b)),
    "Greater": _elementwise(lambda a, b: bool(a > b)),
    "GreaterOrEqual": _elementwise(lambda a, b: bool(a >= b)),
    "Less": _elementwise(lambda a, b: bool(a < b)),
    "LessOrEqual": _elementwise(lambda a, b: bool(a <= b)),
    "And": _elementwise(lambda a, b: a and b),
    "Or": _elementwise(lambda a, b: a or b),
    "Not": lambda _, a: _objects([not v for v in a.reshape(-1)]).reshape(a.shape),
    "Neg": lambda _, a: -a.astype(object),
    "Identity": lambda _, a: a,
    "Cast": _cast,
    "Concat": lambda n, *parts: np.concatenate(parts, axis=n.get("axis")),
    "Gather": _gather,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Reshape": lambda _, a, shape: a.reshape([int(s) for s in shape]),
    "Transpose": lambda n, a: np.transpose(a, n.get("perm")),
    "Split": _split,
    "ReduceProd": _reduced(operator.mul),
    "ReduceSum": _reduced(operator.add),
    "ReduceMax": _reduced(_largest),
    "ReduceMin": _reduced(_smallest),
    "Where": lambda _, c, a, b: np.where(c.astype(np.bool_), a.astype(object), b.astype(object)),
    "ConstantOfShape": _full,
    "Range": _range,
    "Shape": lambda _, a: np.array(a.shape),
    "Size": lambda _, a: np.array(a.size),
}
