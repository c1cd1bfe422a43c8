"""ONNX pooling: a window that would start behind the data and its padding in front is dropped."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hermesc.frontend.onnx.elementwise import on_tensors
from hermesc.frontend.onnx.node import OnnxNode, OnnxOp, RefusedNode
from hermesc.frontend.onnx.windows import WINDOW, every, pads, widths

_MAX_POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_MEAN_POOLS: Mapping[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def _max_pool(node: OnnxNode, x: Tensor) -> Tensor:
    kernel = _kernel(node, x)
    rank = len(kernel)
    strides, dilations = every(node, "strides", rank), every(node, "dilations", rank)
    amounts, ceil = pads(node, x, kernel), _rounds_up(node)
    if not _is_torchs(amounts, kernel):
        amounts, ceil = _needed(node, x, kernel), False
        x, amounts = _filled(x, amounts), [0] * rank
    result: Tensor = _MAX_POOLS[rank](x, kernel, strides, amounts[:rank], dilations, ceil)
    return result


def _filled(x: Tensor, amounts: Sequence[Any]) -> Tensor:
    """Padding that no value is smaller than."""
    if not any(amounts):
        return x
    lowest = -torch.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
    return F.pad(x, widths(amounts), value=lowest)


def _mean_pool(node: OnnxNode, x: Tensor) -> Tensor:
    """Sums by counts; the padding counts if `count_include_pad`, what lies behind it never."""
    kernel = _kernel(node, x)
    rank = len(kernel)
    strides, counts_pads = every(node, "strides", rank), bool(node.get("count_include_pad", 0))
    amounts, pool = pads(node, x, kernel), _MEAN_POOLS[rank]
    if _is_torchs(amounts, kernel):
        result: Tensor = pool(x, kernel, strides, amounts[:rank], _rounds_up(node), counts_pads)
        return result
    needed = _needed(node, x, kernel)
    counted = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype)
    if counts_pads:
        counted = F.pad(counted, widths(amounts), value=1.0)
        rest = [0] * rank + [n - a for n, a in zip(needed[rank:], amounts[rank:], strict=True)]
        counted = F.pad(counted, widths(rest))
    else:
        counted = F.pad(counted, widths(needed))
    sums: Tensor = pool(F.pad(x, widths(needed)), kernel, strides)
    counts: Tensor = pool(counted, kernel, strides)
    return sums / counts


def _kernel(node: OnnxNode, x: Tensor) -> list[int]:
    kernel = list(node.get("kernel_shape"))
    if len(kernel) != x.dim() - 2 or len(kernel) not in _MAX_POOLS:
        raise RefusedNode(
            f"its kernel has {len(kernel)} axes and its input {x.dim()}; pooling of 1 to 3 axes "
            "behind a batch and channels is read"
        )
    return kernel


def _rounds_up(node: OnnxNode) -> bool:
    return bool(node.get("ceil_mode", 0)) and node.get("auto_pad", "NOTSET") in ("NOTSET", "VALID")


def _is_torchs(amounts: Sequence[Any], kernel: Sequence[int]) -> bool:
    """Whether torch pads so by itself: alike on both sides, by at most half a window."""
    rank = len(kernel)
    before, after = list(amounts[:rank]), list(amounts[rank:])
    return before == after and all(2 * b <= k for b, k in zip(before, kernel, strict=True))


def _needed(node: OnnxNode, x: Tensor, kernel: Sequence[int]) -> list[Any]:
    """The padding with which the windows that count fill each axis exactly or less."""
    rank = len(kernel)
    strides, dilations = every(node, "strides", rank), every(node, "dilations", rank)
    amounts = pads(node, x, kernel)
    if not _rounds_up(node):
        return amounts
    after = []
    for i in range(rank):
        size, before, stride = x.shape[2 + i], amounts[i], strides[i]
        reach = (kernel[i] - 1) * dilations[i] + 1
        count = -(-(size + before + amounts[rank + i] - reach) // stride) + 1
        count -= (count - 1) * stride >= size + before
        after.append((count - 1) * stride + reach - size - before)
    return [*amounts[:rank], *after]


def _dilated(node: OnnxNode) -> str | None:
    dilations = node.get("dilations") or [1]
    return "it is dilated" if any(d != 1 for d in dilations) else None


def _indices(node: OnnxNode) -> str | None:
    return "its indices, a further output, are not read" if node.outputs > 1 else None


POOLING: Mapping[str, OnnxOp] = {
    "MaxPool": on_tensors(_max_pool, *WINDOW, "ceil_mode", "storage_order", refuse=_indices),
    "AveragePool": on_tensors(
        _mean_pool, *WINDOW, "ceil_mode", "count_include_pad", refuse=_dilated
    ),
    "GlobalAveragePool": on_tensors(lambda _, x: x.mean(list(range(2, x.dim())), keepdim=True)),
    "GlobalMaxPool": on_tensors(lambda _, x: x.amax(list(range(2, x.dim())), keepdim=True)),
}
