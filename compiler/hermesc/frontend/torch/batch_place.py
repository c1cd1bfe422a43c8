"""Whether a model's second size is its batch, as torch's own layers have it by default."""

import contextlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hermesc.frontend.torch.capture import called_on_tensors
from hermesrt.errors import ModelError


def refuse_sequence_first(model: nn.Module, inputs: Sequence[Tensor]) -> None:
    """The batch must come first: where the rows depend on each other and the columns do not, the
    model takes the sequence first.

    Tried on the examples, not proven. Cost: a few runs of the model.
    Raises: ModelError.
    """
    if any(t.dim() < 3 or min(t.shape[:2]) < 2 for t in inputs) or not inputs:
        return
    if _independent(model, inputs, 0) is False and _independent(model, inputs, 1):
        first = inputs[0]
        raise ModelError(
            f"the rows of the example, of shape {tuple(first.shape)}, depend on each other, and "
            f"what lies along its second size does not: the model takes the sequence first and the "
            f"batch, {first.shape[1]}, second. Say batch_dim=1 (in Python, or as a name in the "
            "model's file), or batch_dim=0 if the first size is the batch all the same"
        )


def _independent(model: nn.Module, inputs: Sequence[Tensor], dim: int) -> bool | None:
    """Whether part of the inputs along a dimension gives that part of the outputs; None where the
    model does not take a part."""
    with contextlib.suppress(ModelError):
        whole = called_on_tensors(model, inputs)
        part = called_on_tensors(model, [t.narrow(dim, 0, t.shape[dim] // 2) for t in inputs])
        size = inputs[0].shape[dim]
        pairs = zip(whole, part, strict=True)
        return all(_is_part(a, b, dim, size // 2) for a, b in pairs)
    return None


def _is_part(whole: Tensor, part: Tensor, dim: int, count: int) -> bool:
    """Whether a result is the first `count` along a dimension of another."""
    if whole.dim() <= dim or whole.shape[dim] < count:
        return False
    first = whole.narrow(dim, 0, count)
    same = first.shape == part.shape
    return same and torch.allclose(first, part, rtol=1e-3, atol=1e-4, equal_nan=True)
