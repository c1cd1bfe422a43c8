"""ONNX operations value by value, reductions, and products."""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hermesc.frontend.onnx.node import DTYPES, OnnxNode, OnnxOp, OnnxValue, ints, tensor


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
    return None if kind in DTYPES else f"it casts to the ONNX type {kind}, which is no torch dtype"


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
        x = x.prod(axis, keepdim=keep)
    return x


def _l2(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    result: Tensor = torch.linalg.vector_norm(x, 2.0, axes, keepdim=keep)
    return result


def _arg(function: Callable[..., Tensor]) -> OnnxOp:
    def run(node: OnnxNode, x: Tensor) -> Tensor:
        return function(x, node.get("axis", 0), keepdim=bool(node.get("keepdims", 1)))

    def refuse(node: OnnxNode) -> str | None:
        return "it takes the last of equal values" if node.get("select_last_index", 0) else None

    return on_tensors(run, "axis", "keepdims", "select_last_index", refuse=refuse)


def _cumsum(node: OnnxNode, value: OnnxValue, axis: OnnxValue) -> Tensor:
    x, (dim,) = tensor(value), ints(axis, "axis")
    x = x.flip(dim) if node.get("reverse", 0) else x
    total = x.cumsum(dim)
    total = total - x if node.get("exclusive", 0) else total
    return total.flip(dim) if node.get("reverse", 0) else total


def _gemm(node: OnnxNode, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    """Written as F.linear where it is one, so that the bias goes with the product."""
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
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
    (k,) = ints(count, "number of values")
    found = torch.topk(
        tensor(value),
        k,
        node.get("axis", -1),
        largest=bool(node.get("largest", 1)),
        sorted=bool(node.get("sorted", 1)),
    )
    return found.values, found.indices


def _mean_of(*values: Tensor) -> Tensor:
    return reduce(torch.add, values) / len(values)


def _first(_: OnnxNode, value: OnnxValue, *__: Any) -> Any:
    return value


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
    "Dropout": OnnxOp(_first, ("seed",)),
    "Cast": OnnxOp(_cast, ("to", "saturate"), _no_such_type),
    "CastLike": _plain(lambda x, like: x.to(like.dtype)),
    "ReduceSum": _reduction(lambda x, axes, keep: x.sum(axes, keepdim=keep)),
    "ReduceMean": _reduction(lambda x, axes, keep: x.mean(axes, keepdim=keep)),
    "ReduceMax": _reduction(lambda x, axes, keep: x.amax(axes, keepdim=keep)),
    "ReduceMin": _reduction(lambda x, axes, keep: x.amin(axes, keepdim=keep)),
    "ReduceProd": _reduction(_product),
    "ReduceL1": _reduction(lambda x, axes, keep: x.abs().sum(axes, keepdim=keep)),
    "ReduceL2": _reduction(_l2),
    "ReduceSumSquare": _reduction(lambda x, axes, keep: x.square().sum(axes, keepdim=keep)),
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
