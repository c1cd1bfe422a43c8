"""ONNX operations value by value, reductions, and products."""

import math
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from onnx import TensorProto
from torch import Tensor

from hermesc.frontend.onnx.node import (
    DTYPES,
    OnnxNode,
    OnnxOp,
    OnnxValue,
    RefusedNode,
    ints,
    number,
    tensor,
)


def on_tensors(function: Callable[..., Any], *attributes: str, **more: Any) -> OnnxOp:
    """An operation whose inputs are all tensors; `function` takes the node first."""

    def run(node: OnnxNode, *values: OnnxValue | None) -> Any:
        return function(node, *(None if v is None else tensor(v) for v in values))

    return OnnxOp(run, attributes, **more)


def _plain(function: Callable[..., Any]) -> OnnxOp:
    return on_tensors(lambda _, *values: function(*values))


def _mod(node: OnnxNode, a: Tensor, b: Tensor) -> Tensor:
    return torch.fmod(a, b) if node.get("fmod", 0) else torch.remainder(a, b)


def _div(_: OnnxNode, a: Tensor, b: Tensor) -> Tensor:
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _pow(_: OnnxNode, a: Tensor, b: Tensor) -> Tensor:
    return torch.pow(a, b).to(a.dtype)


def _clip(_: OnnxNode, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    x = x if low is None else torch.maximum(x, low)
    return x if high is None else torch.minimum(x, high)


def _gelu(node: OnnxNode, x: Tensor) -> Tensor:
    return F.gelu(x, approximate=node.get("approximate", "none"))


def _elu(node: OnnxNode, x: Tensor) -> Tensor:
    return torch.where(x > 0, x, node.get("alpha", 1.0) * torch.expm1(x.clamp(max=0)))


def _selu(node: OnnxNode, x: Tensor) -> Tensor:
    alpha = node.get("alpha", 1.6732632423543772)
    negative = alpha * torch.expm1(x.clamp(max=0))
    return float(node.get("gamma", 1.0507009873554805)) * torch.where(x > 0, x, negative)


def _hard_sigmoid(node: OnnxNode, x: Tensor) -> Tensor:
    return (float(node.get("alpha", 0.2)) * x + float(node.get("beta", 0.5))).clamp(0.0, 1.0)


def _leaky_relu(node: OnnxNode, x: Tensor) -> Tensor:
    return torch.where(x >= 0, x, node.get("alpha", 0.01) * x)


def _cast(node: OnnxNode, value: OnnxValue, *_: Any) -> Tensor:
    return tensor(value).to(DTYPES[node.get("to")])


def _no_such_type(node: OnnxNode) -> str | None:
    kind = node.get("to")
    if kind in DTYPES:
        return None
    name = TensorProto.DataType.Name(kind) if kind in TensorProto.DataType.values() else kind
    return f"it casts to the ONNX type {name}, which no program holds"


def _is_inf(node: OnnxNode, x: Tensor) -> Tensor:
    found = x.isinf()
    if not node.get("detect_positive", 1):
        found = found & (x < 0)
    return found if node.get("detect_negative", 1) else found & (x > 0)


def _reduction(function: Callable[[Tensor, list[int], bool], Tensor]) -> OnnxOp:
    """Over the axes of an attribute (older opsets) or of an input; over all if there are none."""

    def run(node: OnnxNode, value: OnnxValue, axes: OnnxValue | None = None) -> Tensor:
        x = tensor(value)
        found = node.get("axes") if axes is None else ints(axes, "axes")
        if not found and node.get("noop_with_empty_axes", 0):
            return x
        chosen = list(found) if found else list(range(x.dim()))
        return function(x, chosen, bool(node.get("keepdims", 1))) if chosen else x

    return OnnxOp(run, ("axes", "keepdims", "noop_with_empty_axes"))


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted((a % x.dim() for a in axes), reverse=True):
        x = x.prod(axis, keepdim=keep, dtype=x.dtype)
    return x


def _sum(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return x.sum(axes, keepdim=keep, dtype=x.dtype)


def _mean(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    if x.is_floating_point():
        return x.mean(axes, keepdim=keep)
    count = math.prod(x.shape[a] for a in axes)
    return torch.div(_sum(x, axes, keep), count, rounding_mode="trunc")


def _extreme(name: str) -> Callable[[Tensor, list[int], bool], Tensor]:
    """The largest or smallest; of none at all, what each number beats."""

    def run(x: Tensor, axes: list[int], keep: bool) -> Tensor:
        if all(not isinstance(s, int) or s for s in x.shape):
            found: Tensor = getattr(x, name)(axes, keepdim=keep)
            return found
        one = x.new_full((), _beaten(x.dtype, largest=name == "amax"))
        shape = x.sum(axes, keepdim=keep).shape
        return one.expand(shape)

    return run


def _beaten(dtype: torch.dtype, *, largest: bool) -> float | int | bool:
    if dtype == torch.bool:
        return not largest
    if dtype.is_floating_point:
        return -math.inf if largest else math.inf
    return torch.iinfo(dtype).min if largest else torch.iinfo(dtype).max


def _l2(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    result: Tensor = torch.linalg.vector_norm(x, 2.0, axes, keepdim=keep)
    return result


def _arg(function: Callable[..., Tensor]) -> OnnxOp:
    def run(node: OnnxNode, x: Tensor) -> Tensor:
        axis, keep = node.get("axis", 0), bool(node.get("keepdims", 1))
        if node.get("select_last_index", 0):  # the last of equal values is the first from behind
            last: Tensor = x.shape[axis] - 1 - function(x.flip(axis), axis, keepdim=keep)
            return last
        return function(x, axis, keepdim=keep)

    return on_tensors(run, "axis", "keepdims", "select_last_index")


def _cumsum(node: OnnxNode, value: OnnxValue, axis: OnnxValue) -> Tensor:
    x, (dim,) = tensor(value), ints(axis, "axis")
    x = x.flip(dim) if node.get("reverse", 0) else x
    total = x.cumsum(dim, dtype=x.dtype)
    total = total - x if node.get("exclusive", 0) else total
    return total.flip(dim) if node.get("reverse", 0) else total


def _gemm(node: OnnxNode, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    """Written as F.linear where it is one, so that the bias goes with the product."""
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    c = None if beta == 0.0 else c
    a = a.mT if node.get("transA", 0) else a
    b = b if node.get("transB", 0) else b.mT
    b = b if alpha == 1.0 else b * alpha
    if c is not None and beta != 1.0:
        c = c * beta
    if c is not None and c.dim() == 1 and c.shape[0] == b.shape[0]:
        return F.linear(a, b, c)
    y = F.linear(a, b)
    return y if c is None else y + c


def _topk(node: OnnxNode, value: OnnxValue, count: OnnxValue) -> tuple[Tensor, Tensor]:
    """Sorted, so that of equal values the first come first, as in ONNX; torch.topk takes any."""
    x, (k,) = tensor(value), ints(count, "number of values")
    axis = node.get("axis", -1) % x.dim()
    if isinstance(k, int) and isinstance(x.shape[axis], int) and not 0 <= k <= x.shape[axis]:
        raise RefusedNode(f"it takes {k} of {x.shape[axis]} values")
    values, places = torch.sort(x, stable=True, dim=axis, descending=bool(node.get("largest", 1)))
    return values.narrow(axis, 0, k), places.narrow(axis, 0, k)


def _mean_of(*values: Tensor) -> Tensor:
    return reduce(torch.add, values) / len(values)


def _dropout(
    node: OnnxNode,
    value: OnnxValue,
    _ratio: OnnxValue | None = None,
    training: OnnxValue | None = None,
) -> Any:
    """In evaluation it drops nothing."""
    if training is not None and number(node, 2, training, "training mode"):
        raise RefusedNode("it is in training mode, which draws random numbers")
    if node.outputs == 1:
        return value
    return value, torch.ones_like(tensor(value), dtype=torch.bool)


def _swish(node: OnnxNode, x: Tensor) -> Tensor:
    return x * torch.sigmoid(node.get("alpha", 1.0) * x)


ELEMENTWISE: Mapping[str, OnnxOp] = {
    **{
        name: _plain(getattr(torch, name.lower()))
        for name in (
            "Abs",
            "Acos",
            "Acosh",
            "Asin",
            "Asinh",
            "Atan",
            "Atanh",
            "Ceil",
            "Cos",
            "Cosh",
            "Erf",
            "Exp",
            "Floor",
            "IsNaN",
            "Log",
            "Neg",
            "Reciprocal",
            "Relu",
            "Round",
            "Sigmoid",
            "Sign",
            "Sin",
            "Sinh",
            "Sqrt",
            "Tan",
            "Tanh",
        )
    },
    "Not": _plain(torch.logical_not),
    "And": _plain(torch.logical_and),
    "Or": _plain(torch.logical_or),
    "Xor": _plain(torch.logical_xor),
    "Add": _plain(torch.add),
    "Sub": _plain(torch.sub),
    "Mul": _plain(torch.mul),
    "Div": on_tensors(_div),
    "Mod": on_tensors(_mod, "fmod"),
    "Pow": on_tensors(_pow),
    "Equal": _plain(torch.eq),
    "Greater": _plain(torch.gt),
    "GreaterOrEqual": _plain(torch.ge),
    "Less": _plain(torch.lt),
    "LessOrEqual": _plain(torch.le),
    "Where": _plain(torch.where),
    "Min": _plain(lambda *values: reduce(torch.minimum, values)),
    "Max": _plain(lambda *values: reduce(torch.maximum, values)),
    "Sum": _plain(lambda *values: reduce(torch.add, values)),
    "Mean": _plain(_mean_of),
    "Clip": on_tensors(_clip),
    "Softplus": _plain(lambda x: F.softplus(x, threshold=1e4)),
    "Softsign": _plain(lambda x: x / (1 + x.abs())),
    "HardSwish": _plain(F.hardswish),
    "Mish": _plain(F.mish),
    "Swish": on_tensors(_swish, "alpha"),
    "Gelu": on_tensors(_gelu, "approximate"),
    "Elu": on_tensors(_elu, "alpha"),
    "Selu": on_tensors(_selu, "alpha", "gamma"),
    "Celu": on_tensors(lambda n, x: F.celu(x, n.get("alpha", 1.0)), "alpha"),
    "HardSigmoid": on_tensors(_hard_sigmoid, "alpha", "beta"),
    "LeakyRelu": on_tensors(_leaky_relu, "alpha"),
    "PRelu": _plain(lambda x, slope: torch.where(x >= 0, x, slope * x)),
    "ThresholdedRelu": on_tensors(lambda n, x: x * (x > n.get("alpha", 1.0)), "alpha"),
    "IsInf": on_tensors(_is_inf, "detect_negative", "detect_positive"),
    "Identity": OnnxOp(lambda _, value: value),
    "Dropout": OnnxOp(_dropout, ("seed",)),
    "Cast": OnnxOp(_cast, ("to", "saturate"), _no_such_type),
    "CastLike": on_tensors(lambda _, x, like: x.to(like.dtype), "saturate"),
    "ReduceSum": _reduction(_sum),
    "ReduceMean": _reduction(_mean),
    "ReduceMax": _reduction(_extreme("amax")),
    "ReduceMin": _reduction(_extreme("amin")),
    "ReduceProd": _reduction(_product),
    "ReduceL1": _reduction(lambda x, axes, keep: _sum(x.abs(), axes, keep)),
    "ReduceL2": _reduction(_l2),
    "ReduceSumSquare": _reduction(lambda x, axes, keep: _sum(x.square(), axes, keep)),
    "ReduceLogSum": _reduction(lambda x, axes, keep: x.sum(axes, keepdim=keep).log()),
    "ReduceLogSumExp": _reduction(lambda x, axes, keep: x.logsumexp(axes, keepdim=keep)),
    "ArgMax": _arg(torch.argmax),
    "ArgMin": _arg(torch.argmin),
    "CumSum": OnnxOp(_cumsum, ("exclusive", "reverse")),
    "TopK": OnnxOp(_topk, ("axis", "largest", "sorted")),
    "MatMul": _plain(torch.matmul),
    "Gemm": on_tensors(_gemm, "alpha", "beta", "transA", "transB"),
    "Einsum": on_tensors(lambda n, *values: torch.einsum(n.get("equation"), *values), "equation"),
}
