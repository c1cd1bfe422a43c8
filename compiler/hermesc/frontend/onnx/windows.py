"""The windows of ONNX convolutions and pooling: strides, dilations and padding of each axis."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from hermesc.frontend.onnx.node import OnnxNode

WINDOW = ("auto_pad", "dilations", "kernel_shape", "pads", "strides")


def every(node: OnnxNode, name: str, rank: int) -> list[int]:
    """An attribute of one number an axis, or ones."""
    return list(node.get(name) or [1] * rank)


def pads(node: OnnxNode, x: Tensor, kernel: Sequence[int]) -> list[Any]:
    """The padding before each axis, then that after each."""
    rank = len(kernel)
    match node.get("auto_pad", "NOTSET"):
        case "SAME_UPPER":
            return _same(node, x, kernel, upper=True)
        case "SAME_LOWER":
            return _same(node, x, kernel, upper=False)
        case "VALID":
            return [0] * 2 * rank
    return list(node.get("pads") or [0] * 2 * rank)


def _same(node: OnnxNode, x: Tensor, kernel: Sequence[int], *, upper: bool) -> list[Any]:
    rank = len(kernel)
    strides, dilations = every(node, "strides", rank), every(node, "dilations", rank)
    before, after = [], []
    for i in range(rank):
        size = x.shape[2 + i]
        reach = (kernel[i] - 1) * dilations[i] + 1
        total = max(0, (-(-size // strides[i]) - 1) * strides[i] + reach - size)
        small, large = total // 2, total - total // 2
        before.append(small if upper else large)
        after.append(large if upper else small)
    return before + after


def widths(amounts: Sequence[Any]) -> list[Any]:
    """The same padding in the order that torch takes: the last axis first, both sides of each."""
    rank = len(amounts) // 2
    return [w for axis in reversed(range(rank)) for w in (amounts[axis], amounts[rank + axis])]
