"""ONNX Resize: each axis on its own, as sums of neighbours that are looked up. On the host."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hermesc.frontend.onnx.node import OnnxNode, OnnxOp, OnnxValue, RefusedNode, ints, tensor

_MODES = ("nearest", "linear", "cubic")
_PLACES = (
    *("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "asymmetric", "align_corners"),
)


def _resize(
    node: OnnxNode,
    value: OnnxValue,
    _roi: OnnxValue | None = None,
    scales: OnnxValue | None = None,
    sizes: OnnxValue | None = None,
) -> Tensor:
    x = tensor(value)
    axes = [a % x.dim() for a in node.get("axes") or range(x.dim())]
    factors = _factors(node, scales)
    wanted = ints(sizes, "sizes") if sizes is not None else [None] * len(axes)
    for i, axis in enumerate(axes):
        size = x.shape[axis]
        if factors:
            _check_corners(node, size * factors[i])
            x = _axis(node, x, axis, math.floor(size * factors[i]), factors[i])
        else:
            x = _axis(node, x, axis, wanted[i], None)
    return x


def _check_corners(node: OnnxNode, size: Any) -> None:
    """Raises: RefusedNode where the standard and onnxruntime disagree."""
    mode = node.get("coordinate_transformation_mode")
    if mode == "align_corners" and isinstance(size, float) and not size.is_integer():
        raise RefusedNode(
            f"its scales give the size {size:g}, and what align_corners means there the standard "
            "and onnxruntime say differently; give sizes instead"
        )


def _factors(node: OnnxNode, scales: OnnxValue | None) -> list[float]:
    if 2 in node.constants:
        return [float(f) for f in node.constants[2].reshape(-1)]
    if isinstance(scales, Tensor) and scales.numel() == 0:
        return []
    if scales is not None:
        raise RefusedNode("its scales depend on the data; they must be known before the run")
    return []


def _axis(node: OnnxNode, x: Tensor, axis: int, wanted: Any, factor: float | None) -> Tensor:
    """Another size of one axis."""
    size = x.shape[axis]
    if factor == 1.0 or (isinstance(wanted, int) and isinstance(size, int) and wanted == size):
        return x
    scale = wanted / size if factor is None else factor
    at = _places(node, size, wanted, scale)
    if node.get("mode", "nearest") == "nearest":
        return x.index_select(axis, _nearest(node, at).clamp(0, size - 1))
    reach = (0, 1) if node.get("mode") == "linear" else (-1, 0, 1, 2)
    first = at.floor()
    weights = _weights(node, at - first)
    if node.get("exclude_outside", 0):
        inside = [((first + r >= 0) & (first + r < size)).to(at.dtype) for r in reach]
        weights = [w * i for w, i in zip(weights, inside, strict=True)]
        total = sum(weights[1:], weights[0])
        weights = [w / total for w in weights]
    shape = [-1 if a == axis else 1 for a in range(x.dim())]
    parts = [
        x.index_select(axis, (first.long() + r).clamp(0, size - 1)) * w.to(x.dtype).reshape(shape)
        for r, w in zip(reach, weights, strict=True)
    ]
    result: Tensor = sum(parts[1:], parts[0])
    return result


def _places(node: OnnxNode, size: int, wanted: int, scale: float) -> Tensor:
    """Where each place of the result lies in the input."""
    i = torch.arange(wanted, dtype=torch.float32)
    match node.get("coordinate_transformation_mode", "half_pixel"):
        case "asymmetric":
            return i / scale
        case "align_corners":
            return i * ((size - 1) / (wanted - 1)) if wanted > 1 else i * 0
        case "pytorch_half_pixel":
            return (i + 0.5) / scale - 0.5 if wanted > 1 else i * 0
        case "half_pixel_symmetric":
            return size / 2 * (1 - wanted / (scale * size)) + (i + 0.5) / scale - 0.5
    return (i + 0.5) / scale - 0.5


def _nearest(node: OnnxNode, at: Tensor) -> Tensor:
    match node.get("nearest_mode", "round_prefer_floor"):
        case "round_prefer_ceil":
            found = (at + 0.5).floor()
        case "floor":
            found = at.floor()
        case "ceil":
            found = at.ceil()
        case _:
            found = (at - 0.5).ceil()
    return found.long()


def _weights(node: OnnxNode, t: Tensor) -> list[Tensor]:
    """Of the neighbours of a place that lies `t` behind the first one."""
    if node.get("mode") == "linear":
        return [1 - t, t]
    a = float(node.get("cubic_coeff_a", -0.75))
    outer = [((a * d - 5 * a) * d + 8 * a) * d - 4 * a for d in (t + 1, 2 - t)]
    inner = [((a + 2) * d - (a + 3)) * d * d + 1 for d in (t, 1 - t)]
    return [outer[0], *inner, outer[1]]


def _odd(node: OnnxNode) -> str | None:
    place, mode = node.get("coordinate_transformation_mode", "half_pixel"), node.get("mode")
    if place not in _PLACES:
        return f"its coordinate_transformation_mode is {place}; known are {', '.join(_PLACES)}"
    if mode is not None and mode not in _MODES:
        return f"its mode is {mode}; known are {', '.join(_MODES)}"
    if node.get("antialias", 0) or node.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        return "its antialias and keep_aspect_ratio_policy are not read"
    return None


RESIZE: Mapping[str, OnnxOp] = {
    "Resize": OnnxOp(
        _resize,
        (
            *("antialias", "axes", "coordinate_transformation_mode", "cubic_coeff_a"),
            *("exclude_outside", "extrapolation_value", "keep_aspect_ratio_policy"),
            *("mode", "nearest_mode"),
        ),
        _odd,
    )
}
