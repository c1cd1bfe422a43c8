"""Which dimensions of a product's operands are rows, columns and matrices of their own."""

import torch
from torch import Tensor

from hermesc.training.plan import CONVOLUTIONS, TRANSPOSED, ProductPlan


def column_largest(weight: Tensor, plan: ProductPlan) -> Tensor:
    """The largest magnitude of each column, without a copy of the operand."""
    if plan.op in CONVOLUTIONS:
        over = list(range(1, weight.dim()))
    elif plan.op in TRANSPOSED:
        over = [0, *range(2, weight.dim())]
    elif plan.labels is not None and len(plan.labels.weight) <= weight.dim():
        labels = plan.labels
        over = [labels.weight.index(d) - len(labels.weight) for d in labels.summed]
    else:
        over = list(range(weight.dim()))
    return torch.maximum(weight.amax(over, keepdim=True), -weight.amin(over, keepdim=True))


def own_dims(plan: ProductPlan, x: Tensor, operand: Tensor) -> tuple[int, ...]:
    """The dimensions of the operand that the result alone has too; none where they cannot be of
    size 1, or are not known."""
    if plan.op in CONVOLUTIONS:
        in_groups = x.shape[1 - operand.dim()] != operand.shape[1]
        return () if in_groups else (-operand.dim(),)
    labels = plan.labels
    if labels is None or plan.op in (*TRANSPOSED, "addmm", "addmv", "baddbmm"):
        return ()
    own = (d for d in labels.weight if d not in labels.x)
    return tuple(labels.weight.index(d) - len(labels.weight) for d in own)


def summed_dims(plan: ProductPlan, operand: Tensor) -> tuple[int, ...]:
    """The dimensions of the operand that are summed over."""
    labels = plan.labels
    if plan.op in CONVOLUTIONS or labels is None:
        return tuple(range(1 - operand.dim(), 0))
    return tuple(labels.weight.index(d) - len(labels.weight) for d in labels.summed)


def row_dims(plan: ProductPlan) -> tuple[int, int] | None:
    """The dimension of rows in x and in the weights, where it is one."""
    labels = plan.labels
    if labels is None or len(labels.summed) != 1 or plan.op in (*CONVOLUTIONS, *TRANSPOSED):
        return None
    rows = labels.weight.index(labels.summed) - len(labels.weight)
    return labels.x.index(labels.summed), rows


def broadcast_onto(values: Tensor, labels: str, onto: str, like: Tensor) -> Tensor:
    """Values with labelled dimensions as a view that broadcasts against `like`."""
    order = sorted(range(len(labels)), key=lambda i: onto.index(labels[i]))
    shape = [1] * like.dim()
    for i in order:
        shape[onto.index(labels[i])] = values.shape[i]
    return values.permute(order).reshape(shape)


def matrix_of(operand: Tensor, labels: str) -> Tensor:
    """The matrix itself, where the model spreads it over a batch."""
    while operand.dim() > len(labels):
        operand = operand[0]
    return operand
