"""ONNX operations on quantized numbers, in floating point: the chip quantizes by itself.

A weight that a model stores as whole numbers becomes the matrix that they stand for.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from hermesc.frontend.onnx.elementwise import on_tensors
from hermesc.frontend.onnx.layers import convolved
from hermesc.frontend.onnx.node import DTYPES, OnnxNode, OnnxOp
from hermesc.frontend.onnx.windows import WINDOW

_WHOLE = (torch.int8, torch.uint8, torch.int16)


def _along(value: Tensor, x: Tensor, axis: int) -> Tensor:
    """A number for each place of an axis, in the shape that it is taken by all others."""
    if value.dim() != 1 or value.shape[0] == 1:
        return value.reshape(()) if value.numel() == 1 else value
    shape = [1] * x.dim()
    shape[axis % x.dim()] = -1
    return value.reshape(shape)


def _dequantize(node: OnnxNode, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    return _value(x, scale, zero, node.get("axis", 1))


def _value(x: Tensor, scale: Tensor, zero: Tensor | None, axis: int) -> Tensor:
    wide = x.to(scale.dtype)
    if zero is not None:
        wide = wide - _along(zero, x, axis).to(scale.dtype)
    return wide * _along(scale, x, axis)


def _quantize(node: OnnxNode, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    kind = zero.dtype if zero is not None else DTYPES.get(node.get("output_dtype", 0), torch.uint8)
    return _code(x, scale, zero, kind, node.get("axis", 1))


def _code(x: Tensor, scale: Tensor, zero: Tensor | None, kind: torch.dtype, axis: int) -> Tensor:
    """The nearest whole number, half to even, within its type."""
    code = (x / _along(scale, x, axis)).round()
    if zero is not None:
        code = code + _along(zero, x, axis).to(code.dtype)
    limits = torch.iinfo(kind)
    return code.clamp(limits.min, limits.max).to(kind)


def _dynamic(_: OnnxNode, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Codes of 8 bits over the range of the whole tensor, zero in it."""
    low, high = x.amin().clamp(max=0), x.amax().clamp(min=0)
    scale = (high - low) / 255
    safe = torch.where(scale == 0, torch.ones_like(scale), scale)
    zero = (-low / safe).clamp(0, 255).round()
    code = ((x / safe).round() + zero).clamp(0, 255)
    return code.to(torch.uint8), scale, zero.to(torch.uint8)


def _product(
    _: OnnxNode, a: Tensor, b: Tensor, a_zero: Tensor | None = None, b_zero: Tensor | None = None
) -> Tensor:
    """The whole numbers of the product, computed in FP32."""
    left, right = _less(a, a_zero, -2), _less(b, b_zero, -1)
    return torch.matmul(left, right).round().to(torch.int32)


def _less(x: Tensor, zero: Tensor | None, axis: int) -> Tensor:
    return x.float() if zero is None else x.float() - _along(zero, x, axis).float()


def _linear_product(_: OnnxNode, *v: Tensor) -> Tensor:
    a, a_scale, a_zero, b, b_scale, b_zero, scale, zero = v
    y = torch.matmul(_value(a, a_scale, a_zero, -2), _value(b, b_scale, b_zero, -1))
    return _code(y, scale, zero, zero.dtype, -1)


def _linear_convolution(
    node: OnnxNode,
    x: Tensor,
    x_scale: Tensor,
    x_zero: Tensor,
    w: Tensor,
    w_scale: Tensor,
    w_zero: Tensor,
    scale: Tensor,
    zero: Tensor,
    bias: Tensor | None = None,
) -> Tensor:
    weight = _value(w, w_scale, w_zero, 0)
    offset = None if bias is None else bias.to(x_scale.dtype) * (x_scale * w_scale).reshape(-1)
    if offset is not None:
        offset = offset.expand(weight.shape[0])
    y = convolved(node, _value(x, x_scale, x_zero, 1), weight, offset)
    return _code(y, scale, zero, zero.dtype, 1)


def _convolution(
    node: OnnxNode,
    x: Tensor,
    w: Tensor,
    x_zero: Tensor | None = None,
    w_zero: Tensor | None = None,
) -> Tensor:
    return convolved(node, _less(x, x_zero, 1), _less(w, w_zero, 0)).round().to(torch.int32)


def _in_blocks(node: OnnxNode) -> str | None:
    if node.get("block_size", 0):
        return "it has a scale for each block of an axis; one a tensor or a channel is read"
    kind = node.get("output_dtype", 0)
    if node.op == "QuantizeLinear" and kind and DTYPES.get(kind) not in _WHOLE:
        return "it makes numbers that are no whole ones of 8 or 16 bits"
    return None


QUANTIZED: Mapping[str, OnnxOp] = {
    "DequantizeLinear": on_tensors(
        _dequantize, "axis", "block_size", "output_dtype", refuse=_in_blocks
    ),
    "QuantizeLinear": on_tensors(
        *(_quantize, "axis", "block_size", "output_dtype", "saturate", "precision"),
        refuse=_in_blocks,
    ),
    "DynamicQuantizeLinear": on_tensors(_dynamic),
    "MatMulInteger": on_tensors(_product),
    "QLinearMatMul": on_tensors(_linear_product),
    "QLinearConv": on_tensors(_linear_convolution, *WINDOW, "group"),
    "ConvInteger": on_tensors(_convolution, *WINDOW, "group"),
}
