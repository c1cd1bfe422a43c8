"""A linear layer of several row blocks; each takes an output code before the next is added.

Codes pass gradients on, so those of the blocks are those of the whole product: they are computed at
once, and nothing of the blocks is kept for them.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from hermesc.training.codes import batch_range, coded

Rows = tuple[tuple[int, int], ...]


def staged_linear(
    x: Tensor, weight: Tensor, bias: Tensor | None, ranges: Rows, levels: int, rounding: str
) -> Tensor:
    """x weight^T + bias, the rows of the sum in these ranges one after the other."""
    found: Tensor = _Staged.apply(x, weight, bias, ranges, levels, rounding)  # type: ignore[no-untyped-call]
    return found


class _Staged(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        ranges: Rows,
        levels: int,
        rounding: str,
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        *before, (start, stop) = ranges
        total: Tensor | float = 0.0
        for first, end in before:
            total = total + functional.linear(x[..., first:end], weight[:, first:end])
            total = coded(total, batch_range(total, ()), levels, rounding)
        return functional.linear(x[..., start:stop], weight[:, start:stop], bias) + total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        (gradient,) = gradients
        for_x, for_weight, for_bias, *_ = ctx.needs_input_grad
        rows, inputs = (t.reshape(-1, t.shape[-1]) for t in (gradient, x))
        return (
            gradient @ weight if for_x else None,
            rows.T @ inputs if for_weight else None,
            rows.sum(0) if for_bias else None,
            None, None, None,
        )  # fmt: skip
