"""ONNX operations that are whole layers: norms, softmax, convolutions."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hermesc.frontend.onnx.elementwise import on_tensors
from hermesc.frontend.onnx.node import OnnxNode, OnnxOp
from hermesc.frontend.onnx.windows import WINDOW, pads, widths

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def _layer_norm(node: OnnxNode, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Any:
    axis = node.get("axis", -1) % x.dim()
    shape = [int(s) for s in x.shape[axis:]]
    scale = scale.expand(shape)
    bias = None if bias is None else bias.expand(shape)
    epsilon = node.get("epsilon", 1e-5)
    y = F.layer_norm(x, shape, scale, bias, epsilon)
    if node.outputs == 1:
        return y
    variance, mean = torch.var_mean(
        x.float(), list(range(axis, x.dim())), correction=0, keepdim=True
    )
    return y, mean, torch.rsqrt(variance + epsilon)


def _rms_norm(node: OnnxNode, x: Tensor, scale: Tensor) -> Tensor:
    axes = list(range(node.get("axis", -1) % x.dim(), x.dim()))
    mean = x.square().mean(axes, keepdim=True)
    return x * torch.rsqrt(mean + node.get("epsilon", 1e-5)) * scale


def _batch_norm(
    node: OnnxNode, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    return F.batch_norm(x, mean, variance, scale, bias, False, 0.0, node.get("epsilon", 1e-5))


def _trains(node: OnnxNode) -> str | None:
    return "it is in training mode; export in evaluation" if node.get("training_mode", 0) else None


def _instance_norm(node: OnnxNode, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    axes = list(range(2, x.dim()))
    centred = x - x.mean(axes, keepdim=True)
    variance = centred.square().mean(axes, keepdim=True)
    shape = (1, -1, *[1] * len(axes))
    scaled = centred * torch.rsqrt(variance + node.get("epsilon", 1e-5))
    return scaled * scale.reshape(shape) + bias.reshape(shape)


def _group_norm(node: OnnxNode, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    groups = node.get("num_groups")
    if node.version < 21:  # one scale a group, not a channel
        each = x.shape[1] // groups
        scale, bias = scale.repeat_interleave(each), bias.repeat_interleave(each)
    return F.group_norm(x, groups, scale, bias, node.get("epsilon", 1e-5))


def _lp_norm(node: OnnxNode, x: Tensor) -> Tensor:
    axis = node.get("axis", -1)
    length = torch.linalg.vector_norm(x, float(node.get("p", 2)), axis, keepdim=True)
    return x / torch.where(length == 0, torch.ones_like(length), length)


def convolved(node: OnnxNode, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A convolution with the window that the node tells."""
    rank = x.dim() - 2
    x, padding = _padded(node, x, [int(s) for s in weight.shape[2:]])
    strides, dilations = node.get("strides") or [1] * rank, node.get("dilations") or [1] * rank
    result: Tensor = _CONVOLUTIONS[rank](
        x, weight, bias, strides, padding, dilations, node.get("group", 1)
    )
    return result


def _conv_transpose(
    node: OnnxNode, x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    rank = x.dim() - 2
    amounts = node.get("pads") or [0] * 2 * rank
    both = [min(pair) for pair in zip(amounts[:rank], amounts[rank:], strict=True)]
    result: Tensor = _TRANSPOSED[rank](
        x,
        weight,
        bias,
        node.get("strides") or [1] * rank,
        both,
        node.get("output_padding") or [0] * rank,
        node.get("group", 1),
        node.get("dilations") or [1] * rank,
    )
    cut = [
        both[axis] - amounts[axis + end] for axis in reversed(range(rank)) for end in (0, rank)
    ]  # torch pads both sides alike; the rest is cut off
    return F.pad(result, cut) if any(cut) else result


def _padded(node: OnnxNode, x: Tensor, kernel: Sequence[int]) -> tuple[Tensor, list[int]]:
    """The input and what is left to pad: on both sides alike torch pads by itself."""
    rank, amounts = len(kernel), pads(node, x, kernel)
    if amounts[:rank] == amounts[rank:]:
        return x, amounts[:rank]
    return F.pad(x, widths(amounts)), [0] * rank


def _one_output(node: OnnxNode) -> str | None:
    return "its further outputs are not read" if node.outputs > 1 else None


def _either(*rules: Any) -> Any:
    return lambda node: next((reason for rule in rules if (reason := rule(node))), None)


def _odd_padding(node: OnnxNode) -> str | None:
    found = node.get("auto_pad", "NOTSET") != "NOTSET" or node.get("output_shape") is not None
    return "its auto_pad and output_shape are not read" if found else None


LAYERS: Mapping[str, OnnxOp] = {
    "Softmax": on_tensors(lambda n, x: x.softmax(n.get("axis", -1)), "axis"),
    "LogSoftmax": on_tensors(lambda n, x: x.log_softmax(n.get("axis", -1)), "axis"),
    "LayerNormalization": on_tensors(_layer_norm, "axis", "epsilon", "stash_type"),
    "RMSNormalization": on_tensors(_rms_norm, "axis", "epsilon", "stash_type"),
    "BatchNormalization": on_tensors(
        _batch_norm, "epsilon", "momentum", "training_mode", refuse=_either(_trains, _one_output)
    ),
    "InstanceNormalization": on_tensors(_instance_norm, "epsilon"),
    "GroupNormalization": on_tensors(_group_norm, "epsilon", "num_groups", "stash_type"),
    "LpNormalization": on_tensors(_lp_norm, "axis", "p"),
    "Conv": on_tensors(convolved, *WINDOW, "group"),
    "ConvTranspose": on_tensors(
        _conv_transpose, *WINDOW, "group", "output_padding", "output_shape", refuse=_odd_padding
    ),
}
