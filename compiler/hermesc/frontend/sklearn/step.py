"""A fitted estimator as a torch module: a function of its arrays and the rows."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class RefusedStep(Exception):
    """Why a step has no torch form."""


class EstimatorStep(nn.Module):
    """`function(step, x)` over named arrays, kept in FP64 until the whole model is checked.

    Arrays that are None are left out; x is [rows, features].
    """

    def __init__(self, function: Callable[[Any, Tensor], Tensor], **arrays: Any) -> None:
        super().__init__()
        self._function = function
        for name, value in arrays.items():
            if value is not None:
                self.register_buffer(name, dense(value))

    def forward(self, x: Tensor) -> Tensor:
        """The step's output for some rows."""
        return self._function(self, x)


class StepChain(nn.Sequential):
    """One step after the other; the input is called x, as everywhere."""

    def forward(self, x: Tensor) -> Tensor:
        """The last step's output for some rows."""
        for step in self:
            x = step(x)
        return x


def chain(steps: Sequence[tuple[str, nn.Module]]) -> StepChain:
    """Steps by name; a name that no module may have is changed a little."""
    made = StepChain()
    for name, step in steps:
        made.add_module(plain_name(name), step)
    return made


def plain_name(name: str) -> str:
    """The name as an attribute of a module."""
    plain = name.replace(".", "_") or "step"
    return f"{plain}_" if hasattr(StepChain, plain) or hasattr(StepChain(), plain) else plain


def dense(value: Any) -> Tensor:
    """An array of a fitted estimator, sparse or not: FP64, or whole numbers for indices."""
    array = np.array(value.toarray() if hasattr(value, "toarray") else value)
    if array.dtype.kind not in "fiub":
        raise RefusedStep(f"it holds values of the dtype {array.dtype}, not numbers")
    indices = array.dtype.kind == "i" and array.dtype.itemsize == 8
    return torch.from_numpy(array if indices else array.astype(np.float64))
