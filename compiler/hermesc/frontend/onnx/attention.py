"""ONNX's Attention: scaled products, capped, masked, normalised, and weighted values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hermesc.frontend.onnx.elementwise import on_tensors
from hermesc.frontend.onnx.node import DTYPES, OnnxNode, OnnxOp

_AFTER_CAP, _WITH_MASK, _SHARES = 1, 2, 3  # what the fourth output may hold; 0 are the products


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What an Attention node is given, each as [batch, heads, tokens, size].

    k, v: the keys and values of earlier calls go before those of this one
    before: the key that the first query stands at; one for each of the batch where keys are padded
    lengths: how many keys of each of the batch are no padding
    """

    q: Tensor
    k: Tensor
    v: Tensor
    mask: Tensor | None
    before: Any
    lengths: Tensor | None


def _attention(
    node: OnnxNode,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    past_key: Tensor | None = None,
    past_value: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Any:
    flat = q.dim() == 3
    if flat:
        q = _heads(q, node.get("q_num_heads"))
        k, v = (_heads(t, node.get("kv_num_heads")) for t in (k, v))
    before: Any = 0
    if past_key is not None and past_value is not None:
        before = past_key.shape[2]
        k, v = torch.cat([past_key, k], 2), torch.cat([past_value, v], 2)
    elif lengths is not None:
        before = (lengths.reshape(-1, 1, 1, 1) - q.shape[2]).to(torch.int64)
    y, shown = _attended(node, _Inputs(q, k, v, mask, before, lengths))
    y = y.transpose(1, 2).flatten(2) if flat else y
    return y if node.outputs == 1 else (y, k, v, shown)


def _heads(x: Tensor, count: int) -> Tensor:
    parts: Tensor = x.unflatten(2, (count, -1)).transpose(1, 2)  # type: ignore[no-untyped-call]
    return parts


def _attended(node: OnnxNode, given: _Inputs) -> tuple[Tensor, Tensor]:
    """The result, and what the node's fourth output shows."""
    q, k, v = given.q, given.k, given.v
    if q.shape[1] != k.shape[1]:  # several query heads share one of the keys
        repeats = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(repeats, 1), v.repeat_interleave(repeats, 1)
    scores = shown = q @ k.transpose(-1, -2) * node.get("scale", float(q.shape[-1]) ** -0.5)
    mode, cap = node.get("qk_matmul_output_mode", 0), node.get("softcap", 0.0)
    if cap > 0:
        scores = torch.tanh(scores / cap) * cap
    shown = scores if mode == _AFTER_CAP else shown
    scores = _masked(node, scores, given)
    shown = scores if mode == _WITH_MASK else shown
    kind = DTYPES.get(node.get("softmax_precision"), scores.dtype)
    shares = _shares(node, scores.to(kind), given).to(q.dtype)
    return shares @ v, shares if mode == _SHARES else shown


def _shares(node: OnnxNode, scores: Tensor, given: _Inputs) -> Tensor:
    """Softmax; a query that may look at no key at all gives 0."""
    hides = given.mask is not None or given.lengths is not None
    hides = hides or node.get("left_window_size", -1) >= 0
    hides = hides or node.get("right_window_size", -1) >= 0
    result: Tensor = torch.ops.aten._safe_softmax(scores, -1) if hides else scores.softmax(-1)
    return result


def _masked(node: OnnxNode, scores: Tensor, given: _Inputs) -> Tensor:
    queries, keys = scores.shape[-2], scores.shape[-1]
    mask = given.mask
    if mask is not None and mask.shape[-1] < keys:  # what it does not say is hidden
        mask = F.pad(mask, [0, keys - mask.shape[-1]], value=_hidden(mask))
    if mask is not None:
        scores = _hide(scores, mask) if mask.dtype == torch.bool else scores + mask
    for seen in _windows(node, given, queries, keys):
        scores = _hide(scores, seen)
    return scores


def _hidden(mask: Tensor) -> float:
    return 0.0 if mask.dtype == torch.bool else float("-inf")


def _hide(scores: Tensor, seen: Tensor) -> Tensor:
    return torch.where(seen, scores, float("-inf"))


def _windows(node: OnnxNode, given: _Inputs, queries: Any, keys: Any) -> list[Tensor]:
    """For each rule, which keys a query may look at."""
    left, right = node.get("left_window_size", -1), node.get("right_window_size", -1)
    seen: list[Tensor] = []
    if node.get("is_causal", 0) or left >= 0 or right >= 0:
        key = torch.arange(keys)
        at = torch.arange(queries).unsqueeze(1) + given.before
        seen += [key <= at] if node.get("is_causal", 0) else []
        seen += [key >= at - left] if left >= 0 else []
        seen += [key <= at + right] if right >= 0 else []
    if given.lengths is not None:
        seen.append(torch.arange(keys) < given.lengths.reshape(-1, 1, 1, 1))
    return seen


ATTENTION: Mapping[str, OnnxOp] = {
    "Attention": on_tensors(
        _attention,
        *("is_causal", "kv_num_heads", "q_num_heads", "scale", "softcap", "softmax_precision"),
        *("left_window_size", "qk_matmul_output_mode", "right_window_size"),
    ),
}
