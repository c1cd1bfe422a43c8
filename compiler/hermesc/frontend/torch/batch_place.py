"""Where a model's batch lies, where its examples do not say so: first, second, or nowhere."""

import contextlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hermesc.frontend.torch.capture import called_on_tensors
from hermesrt.errors import ModelError

_SAY = (
    "Say batch_dim={0} (--batch-dim {0}; or batch_dim in Python or as a name in the model's file)"
)


def refuse_ambiguous(model: nn.Module, inputs: Sequence[Tensor]) -> None:
    """The batch must come first: where the rows depend on each other, the examples may have the
    sequence first, as torch's own layers take it, or be one sample without a batch.

    Tried on the examples, not proven. Cost: a few runs of the model.
    Raises: ModelError.
    """
    if not inputs or any(t.dim() < 2 for t in inputs):
        return
    first = inputs[0]
    if len(first) > 1 and _independent(model, inputs, 0) is not False:
        return
    if all(t.dim() >= 3 for t in inputs) and _independent(model, inputs, 1):
        raise ModelError(
            f"the rows of the example, of shape {tuple(first.shape)}, depend on each other, and "
            f"what lies along its second size does not: the model takes the sequence first and the "
            f"batch, {first.shape[1]}, second. {_SAY.format(1)}, or batch_dim=0 if the first size "
            "is the batch all the same"
        )
    if all(t.is_floating_point() for t in inputs) and _takes_a_batch(model, inputs):
        raise ModelError(
            f"the rows of the example, of shape {tuple(first.shape)}, depend on each other, and "
            "the model takes a batch of such examples: they are one sample each. Give them with "
            f"their batch, such as x[None]. {_SAY.format(0)} if the first size is the batch all "
            "the same"
        )


def _independent(model: nn.Module, inputs: Sequence[Tensor], dim: int) -> bool | None:
    """Whether part of the inputs along a dimension gives that part of the outputs, along the same
    dimension or, where an output has fewer, the first; None where the model does not take a part.
    Of a size of 1 the other way round: once and twice."""
    sizes = {t.shape[dim] for t in inputs}
    with contextlib.suppress(ModelError):
        if sizes == {1}:
            whole = called_on_tensors(model, [torch.cat([t, t.flip(-1)], dim) for t in inputs])
            part = called_on_tensors(model, inputs)
            return _are_parts(whole, part, dim, 1, inputs[0].dim())
        if min(sizes) < 2:
            return None
        whole = called_on_tensors(model, inputs)
        part = called_on_tensors(model, [t.narrow(dim, 0, t.shape[dim] // 2) for t in inputs])
        return _are_parts(whole, part, dim, inputs[0].shape[dim] // 2, inputs[0].dim())
    return None


def _takes_a_batch(model: nn.Module, inputs: Sequence[Tensor]) -> bool:
    """Whether the model's first result for two examples, one upon the other, is that of each."""
    others = [t.flip(-1) for t in inputs]
    with contextlib.suppress(ModelError):
        pairs = zip(inputs, others, strict=True)
        both = called_on_tensors(model, [torch.stack(pair) for pair in pairs])[0]
        one, other = (called_on_tensors(model, given)[0] for given in (inputs, others))
        return both.shape == (2, *one.shape) and _close(both[0], one) and _close(both[1], other)
    return False


def _are_parts(
    whole: Sequence[Tensor], part: Sequence[Tensor], dim: int, count: int, rank: int
) -> bool:
    """Whether results are the first `count` of others along that dimension, or of results with
    fewer than `rank` dimensions along the first."""
    for a, b in zip(whole, part, strict=True):
        shorter = a.dim() < rank and _is_part(a, b, 0, count)
        if not shorter and not _is_part(a, b, dim, count):
            return False
    return True


def _is_part(whole: Tensor, part: Tensor, dim: int, count: int) -> bool:
    """Whether a result is the first `count` along a dimension of another."""
    if whole.dim() <= dim or whole.shape[dim] < count:
        return False
    first = whole.narrow(dim, 0, count)
    return first.shape == part.shape and _close(first, part)


def _close(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-3, atol=1e-4, equal_nan=True)
