"""Grouped products, by which mixtures of experts are written: each row meets one of the matrices.

Which one depends on the data, and a program does the same for every row. So all experts are
computed, which is one product with a fixed matrix, and each row takes the result of its own.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

ALL_EXPERTS = (
    "a mixture of experts: every expert is computed for each row that is sorted to one, and that "
    "one's result is taken; time and energy count all of them"
)
# torch's own, and that by which transformers replaces it where torch's takes no FP32
_NAMES = ("aten._grouped_mm.default", "transformers.grouped_mm_fallback.default")


def grouped(name: str, node: Node) -> bool:
    """Whether a node is a product of rows with one matrix for each group of them."""
    if name not in _NAMES:
        return False
    x, weight = (node.args[i].meta["val"] for i in (0, 1))  # type: ignore[union-attr]
    return bool(x.dim() == 2 and weight.dim() == 3)


def forms(targets: set[Any]) -> Mapping[Any, Callable[..., Tensor]]:
    """How each of these grouped products is written."""
    return dict.fromkeys(targets, every_expert)


def every_expert(
    x: Tensor, weight: Tensor, offs: Tensor, bias: Tensor | None = None, out_dtype: Any = None
) -> Tensor:
    """The rows [rows, inputs] with the matrices [experts, inputs, outputs]; `offs` are where each
    expert's rows end. Rows behind the last end are zero."""
    experts, inputs, outputs = weight.shape
    flat = weight.permute(1, 0, 2).reshape(inputs, experts * outputs)
    results = torch.mm(x, flat).reshape(-1, experts, outputs)
    if bias is not None:
        results = results + bias
    ends_before = torch.arange(x.shape[0], device=x.device).unsqueeze(1) >= offs
    expert = ends_before.sum(1)
    index = expert.clamp(max=experts - 1).reshape(-1, 1, 1).expand(-1, 1, outputs)
    own = results.gather(1, index).squeeze(1)
    own = torch.where((expert < experts).unsqueeze(1), own, torch.zeros_like(own))
    return own if out_dtype is None else own.to(out_dtype)
