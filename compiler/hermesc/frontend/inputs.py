"""Tensors from what users give as inputs: tensors, numpy arrays, data frames."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hermesrt.errors import ModelError

Labels = int | float | str


def tensors(value: Any, place: str) -> tuple[Tensor, ...]:
    """The inputs of a model; `place` says in messages what they are, such as
    "model.py: `example_inputs`".

    Raises: ModelError.
    """
    items = (value,) if is_array(value) else value
    if not isinstance(items, tuple | list) or not items:
        raise ModelError(f"{place} must be a tuple of tensors, not {type(value).__name__}")
    return tuple(as_tensor(item, f"{place[:-1]}[{i}]`") for i, item in enumerate(items))


def is_array(value: Any) -> bool:
    """Whether it is one input: a tensor, an array, a data frame or a sparse matrix."""
    return isinstance(value, Tensor | np.ndarray) or hasattr(value, "iloc") or _is_sparse(value)


def matrix(value: Any, place: str) -> Tensor:
    """The rows of one table of numbers, as FP64 [rows, columns].

    Raises: ModelError for sparse matrices, strings and other shapes.
    """
    if value is None:
        raise ModelError(f"{place} is missing; give some rows of real data: [rows, features]")
    if isinstance(value, tuple | list) and len(value) == 1 and is_array(value[0]):
        value = value[0]
    if _is_sparse(value):
        raise ModelError(f"{place} is a sparse matrix; a crossbar's input is dense: X.toarray()")
    if isinstance(value, Tensor):
        value = value.detach().numpy()
    if hasattr(value, "iloc"):
        _refuse_strings(value, place)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ModelError(f"{place} is no table of numbers: {error}") from None
    if array.dtype.kind not in "fiub":
        raise ModelError(
            f"{place} holds values of the dtype {array.dtype}, not numbers; encode them before"
        )
    if array.ndim != 2 or array.size == 0:
        raise ModelError(
            f"{place} has the shape {array.shape}; give rows by features, at least one row"
        )
    return torch.from_numpy(array.astype(np.float64))


def label_positions(labels: Any, classes: Sequence[Labels], place: str) -> Tensor:
    """The place of each label among the classes.

    Raises: ModelError for a label that is none of them.
    """
    positions = {c: i for i, c in enumerate(classes)}
    values = np.asarray(labels).reshape(-1).tolist()
    unknown = sorted({str(v) for v in values if v not in positions})
    if unknown:
        raise ModelError(
            f"{place} hold {', '.join(unknown[:5])}, which the model has not learnt; its classes "
            f"are {', '.join(map(str, classes))}"
        )
    return torch.tensor([positions[v] for v in values], dtype=torch.int64)


def as_tensor(item: Any, place: str) -> Tensor:
    """One input of a model as a tensor.

    Raises: ModelError for what is none.
    """
    if isinstance(item, np.ndarray) and item.dtype.kind in "fiub":
        item = torch.from_numpy(np.ascontiguousarray(item))
    if _is_sparse(item):
        raise ModelError(f"{place} is a sparse matrix; a crossbar's input is dense: X.toarray()")
    if not isinstance(item, Tensor):
        raise ModelError(
            f"{place} is a {type(item).__name__}, not a tensor; wrap a model that takes other "
            "things in an nn.Module that takes tensors"
        )
    return item.detach()


def _is_sparse(value: Any) -> bool:
    return hasattr(value, "toarray") and hasattr(value, "nnz")


def _refuse_strings(frame: Any, place: str) -> None:
    words = [
        str(name) for name in frame.columns if np.asarray(frame[name]).dtype.kind not in "fiub"
    ]
    if words:
        raise ModelError(
            f"{place}: the columns {', '.join(words)} do not hold numbers; encode them before the "
            "pipeline (the chip takes numbers only)"
        )
