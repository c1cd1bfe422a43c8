"""ONNX operations that are whole layers: norms, softmax, convolutions, pooling, attention."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hermesc.frontend.onnx.elementwise import on_tensors
from hermesc.frontend.onnx.node import OnnxNode, OnnxOp, RefusedNode

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_MAX_POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_MEAN_POOLS: Mapping[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def _layer_norm(node: OnnxNode, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    axis = node.get("axis", -1) % x.dim()
    shape = [int(s) for s in x.shape[axis:]]
    scale = scale.expand(shape)
    bias = None if bias is None else bias.expand(shape)
    return F.layer_norm(x, shape, scale, bias, node.get("epsilon", 1e-5))


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


def _conv(node: OnnxNode, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    rank = x.dim() - 2
    x, padding = _padded(node, x, [int(s) for s in weight.shape[2:]], 0.0)
    strides, dilations = node.get("strides") or [1] * rank, node.get("dilations") or [1] * rank
    result: Tensor = _CONVOLUTIONS[rank](
        x, weight, bias, strides, padding, dilations, node.get("group", 1)
    )
    return result


def _conv_transpose(
    node: OnnxNode, x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    rank = x.dim() - 2
    pads = node.get("pads") or [0] * 2 * rank
    both = [min(pair) for pair in zip(pads[:rank], pads[rank:], strict=True)]
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
        both[axis] - pads[axis + end] for axis in reversed(range(rank)) for end in (0, rank)
    ]  # torch pads both sides alike; the rest is cut off
    return F.pad(result, cut) if any(cut) else result


def _padded(
    node: OnnxNode, x: Tensor, kernel: Sequence[int], fill: float
) -> tuple[Tensor, list[int]]:
    """The input and what is left to pad: on both sides alike torch pads by itself."""
    rank = len(kernel)
    pads = list(node.get("pads") or [0] * 2 * rank)
    mode = node.get("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        pads = _same(node, x, kernel, upper=mode == "SAME_UPPER")
    if pads[:rank] == pads[rank:] and fill == 0.0:
        return x, pads[:rank]
    widths = [w for axis in reversed(range(rank)) for w in (pads[axis], pads[rank + axis])]
    return (F.pad(x, widths, value=fill) if any(widths) else x), [0] * rank


def _same(node: OnnxNode, x: Tensor, kernel: Sequence[int], *, upper: bool) -> list[int]:
    rank = len(kernel)
    strides, dilations = node.get("strides") or [1] * rank, node.get("dilations") or [1] * rank
    before, after = [], []
    for i in range(rank):
        size = x.shape[2 + i]
        reach = (kernel[i] - 1) * dilations[i] + 1
        total = max(0, (-(-size // strides[i]) - 1) * strides[i] + reach - size)
        small, large = total // 2, total - total // 2
        before.append(small if upper else large)
        after.append(large if upper else small)
    return before + after


def _max_pool(node: OnnxNode, x: Tensor) -> Tensor:
    kernel = node.get("kernel_shape")
    rank = len(kernel)
    x, _ = _padded(node, x, kernel, float("-inf"))
    result: Tensor = _MAX_POOLS[rank](
        x,
        kernel,
        node.get("strides") or [1] * rank,
        0,
        node.get("dilations") or [1] * rank,
        bool(node.get("ceil_mode", 0)),
    )
    return result


def _mean_pool(node: OnnxNode, x: Tensor) -> Tensor:
    kernel = node.get("kernel_shape")
    rank = len(kernel)
    x, padding = _padded(node, x, kernel, 0.0)
    counts_pads = bool(node.get("count_include_pad", 0))
    if padding == [0] * rank and any(node.get("pads") or []) and not counts_pads:
        raise RefusedNode("its pads are not the same on both sides")
    result: Tensor = _MEAN_POOLS[rank](
        x,
        kernel,
        node.get("strides") or [1] * rank,
        padding,
        bool(node.get("ceil_mode", 0)),
        counts_pads,
    )
    return result


def _attention(
    node: OnnxNode,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    *past: Tensor | None,
) -> Tensor:
    """Softmax attention over [batch, heads, tokens, size] or [batch, tokens, heads x size]."""
    if any(p is not None for p in past):
        raise RefusedNode("it keeps keys and values of earlier calls; a program keeps no state")
    flat = q.dim() == 3
    if flat:
        heads, kv_heads = node.get("q_num_heads"), node.get("kv_num_heads")
        q, k, v = (
            t.unflatten(2, (n, -1)).transpose(1, 2)  # type: ignore[no-untyped-call]
            for t, n in ((q, heads), (k, kv_heads), (v, kv_heads))
        )
    scale = node.get("scale", float(q.shape[-1]) ** -0.5)
    if q.shape[1] != k.shape[1]:  # several query heads share one of the keys
        repeats = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(repeats, 1), v.repeat_interleave(repeats, 1)
    scores = q @ k.transpose(-1, -2) * scale
    if node.get("is_causal", 0):
        causal = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril()
        scores = torch.where(causal, scores, float("-inf"))
    if mask is not None:
        hidden = mask.dtype == torch.bool
        scores = torch.where(mask, scores, float("-inf")) if hidden else scores + mask
    y: Tensor = scores.softmax(-1) @ v
    return y.transpose(1, 2).flatten(2) if flat else y


def _plain_attention(node: OnnxNode) -> str | None:
    if node.get("softcap", 0.0) != 0.0:
        return "its softcap is not read"
    return _one_output(node)


def _dilated(node: OnnxNode) -> str | None:
    dilations = node.get("dilations") or [1]
    return "it is dilated" if any(d != 1 for d in dilations) else None


def _one_output(node: OnnxNode) -> str | None:
    return "its further outputs are not read" if node.outputs > 1 else None


def _either(*rules: Any) -> Any:
    return lambda node: next((reason for rule in rules if (reason := rule(node))), None)


def _odd_padding(node: OnnxNode) -> str | None:
    found = node.get("auto_pad", "NOTSET") != "NOTSET" or node.get("output_shape") is not None
    return "its auto_pad and output_shape are not read" if found else None


_WINDOW = ("auto_pad", "dilations", "kernel_shape", "pads", "strides")
LAYERS: Mapping[str, OnnxOp] = {
    "Softmax": on_tensors(lambda n, x: x.softmax(n.get("axis", -1)), "axis"),
    "LogSoftmax": on_tensors(lambda n, x: x.log_softmax(n.get("axis", -1)), "axis"),
    "LayerNormalization": on_tensors(
        _layer_norm, "axis", "epsilon", "stash_type", refuse=_one_output
    ),
    "RMSNormalization": on_tensors(_rms_norm, "axis", "epsilon", "stash_type"),
    "BatchNormalization": on_tensors(
        _batch_norm, "epsilon", "momentum", "training_mode", refuse=_either(_trains, _one_output)
    ),
    "InstanceNormalization": on_tensors(_instance_norm, "epsilon"),
    "GroupNormalization": on_tensors(_group_norm, "epsilon", "num_groups", "stash_type"),
    "LpNormalization": on_tensors(_lp_norm, "axis", "p"),
    "Attention": on_tensors(
        _attention,
        *("is_causal", "kv_num_heads", "q_num_heads", "scale", "softcap", "softmax_precision"),
        "qk_matmul_output_mode",
        refuse=_plain_attention,
    ),
    "Conv": on_tensors(_conv, *_WINDOW, "group"),
    "ConvTranspose": on_tensors(
        _conv_transpose, *_WINDOW, "group", "output_padding", "output_shape", refuse=_odd_padding
    ),
    "MaxPool": on_tensors(_max_pool, *_WINDOW, "ceil_mode", "storage_order", refuse=_one_output),
    "AveragePool": on_tensors(
        _mean_pool, *_WINDOW, "ceil_mode", "count_include_pad", refuse=_dilated
    ),
    "GlobalAveragePool": on_tensors(lambda _, x: x.mean(list(range(2, x.dim())), keepdim=True)),
    "GlobalMaxPool": on_tensors(lambda _, x: x.amax(list(range(2, x.dim())), keepdim=True)),
}
