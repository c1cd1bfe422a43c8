"""Converters with straight-through gradients.

Rounding passes gradients on as if it were not there (Bengio et al., arXiv 1308.3432, 2013); where a
value clips, they go to the range instead of the value: y = r sign(x), so dy/dr = sign(x).
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def input_code(
    x: Tensor, limit: Tensor, levels: int, decay: float, inside: float, *, relative: bool
) -> Tensor:
    """x as the nearest of the codes -levels..levels, which stand for -limit..limit.

    `limit` is broadcast against x. While more than `inside` of the values lie within, `decay` times
    the limit is added to its gradient, so that it shrinks.
    """
    found: Tensor = _InputCode.apply(x, limit, levels, decay, inside, relative)  # type: ignore[no-untyped-call]
    return found


def output_code(y: Tensor, largest: Tensor, levels: int, rounding: str) -> Tensor:
    """y as one of the codes -levels..levels, which stand for -largest..largest."""
    found: Tensor = _OutputCode.apply(y, largest, levels, rounding)  # type: ignore[no-untyped-call]
    return found


class _InputCode(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, limit: Tensor, levels: int, decay: float, inside: float, relative: bool
    ) -> Tensor:
        ctx.save_for_backward(x, limit)
        ctx.decay, ctx.inside, ctx.relative = decay, inside, relative
        size = limit.clamp(min=torch.finfo(limit.dtype).tiny)
        return (x * (levels / size)).round_().clamp_(-levels, levels).mul_(size / levels)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, limit = ctx.saved_tensors
        (gradient,) = gradients
        outside = x.abs() > limit
        for_x = gradient.masked_fill(outside, 0) if ctx.needs_input_grad[0] else None
        for_limit = None
        if ctx.needs_input_grad[1]:
            held = gradient.masked_fill(outside, 0) if for_x is None else for_x
            for_limit = (gradient - held).mul_(x.sign()).sum_to_size(limit.shape)
            if ctx.relative:
                for_limit = for_limit * limit
            if ctx.decay:
                wide = (1 - outside.to(x.dtype).mean()) > ctx.inside
                for_limit = for_limit + ctx.decay * limit * wide
        return for_x, for_limit, None, None, None, None


class _OutputCode(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ARG004
        y: Tensor,
        largest: Tensor,
        levels: int,
        rounding: str,
    ) -> Tensor:
        return coded(y, largest, levels, rounding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ARG004
        return gradients[0], None, None, None


class _Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, perturbed: Tensor) -> Tensor:  # noqa: ARG004
        return perturbed.view_as(perturbed)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ARG004
        return gradients[0], None


def coded(y: Tensor, largest: Tensor, levels: int, rounding: str) -> Tensor:
    """The codes' values, without a gradient."""
    step = largest.clamp(min=torch.finfo(y.dtype).tiny) / levels
    if rounding == "truncate":  # ten times faster than trunc_
        codes = torch.div(y, step, rounding_mode="trunc")
    elif rounding == "floor":
        codes = (y / step).floor_()
    else:
        codes = (y / step).round_()
    return codes.clamp_(-levels, levels).mul_(step)


def straight(value: Tensor, perturbed: Tensor) -> Tensor:
    """The perturbed value, with the gradient to the value itself."""
    found: Tensor = _Straight.apply(value, perturbed)  # type: ignore[no-untyped-call]
    return found


def batch_range(y: Tensor, kept: tuple[int, ...]) -> Float[Tensor, "..."]:
    """The largest magnitude of y over all but some of its dimensions, which stay."""
    over = [d for d in range(y.dim()) if d not in kept]
    size = y.detach().abs()
    return size.amax(over, keepdim=True) if over else size
