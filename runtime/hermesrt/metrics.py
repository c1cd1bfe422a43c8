"""How good the outputs are: accuracy against labels, error against the FP32 reference."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hermesrt.errors import InputError


class RelativeError:
    """||y - reference|| / ||reference|| over all rows, gathered block by block.

    Where the reference itself is not finite nothing is compared; where only y is not, the error is
    infinite.
    """

    def __init__(self) -> None:
        self._error = 0.0
        self._norm = 0.0

    def add(self, y: Tensor, reference: Tensor) -> None:
        """Take one block of rows."""
        y, reference = _real(y), _real(reference)
        finite = reference.isfinite()
        difference = (y - reference)[finite]
        self._error += float(difference.square().nan_to_num(float("inf")).sum())
        self._norm += float(reference[finite].square().sum())

    @property
    def value(self) -> float:
        """The error so far; 0 when both are zero."""
        if self._norm == 0:
            return 0.0 if self._error == 0 else float("inf")
        return float((self._error / self._norm) ** 0.5)


def _real(values: Tensor) -> Tensor:
    """As FP64; complex numbers as pairs, so that the imaginary part counts too."""
    if values.is_complex():
        return torch.view_as_real(values.resolve_conj().to(torch.complex128))
    return values.double()


def nonfinite_rows(values: Tensor) -> int:
    """Rows that hold NaN or infinity; a scalar is one row."""
    bad = ~values.isfinite()
    return int(bad.reshape(len(bad), -1).any(1).sum()) if bad.dim() else int(bad)


def tells_a_class(values: Tensor) -> NDArray[np.bool_]:
    """Rows whose largest value is a number: no NaN, no plus infinity, not minus infinity alone."""
    largest = values.detach().reshape(len(values), -1).amax(1)
    return np.asarray(largest.isfinite().numpy())


def predictions(
    output: Tensor, labels: NDArray[Any], classes: tuple[int | float | str, ...] = ()
) -> NDArray[Any] | None:
    """Classes that an output says, or None where it does not classify; `labels` are all there are,
    `classes` those that the model has learnt, if it tells.

    One whole number a row: the class itself. Several columns: the largest one's class, or index.
    One column: of two classes the sign; else the sign for labels -1 and 1, and a threshold of 0.5
    for labels 0 and 1.
    Raises: InputError for labels that are no class.
    """
    values = output.detach().double().numpy()
    if classes:
        return _class_of(values, labels, classes)
    if not output.is_floating_point() and values.size == len(values):
        return values.reshape(-1)
    if labels.dtype.kind not in "iub" and not np.array_equal(labels, np.round(labels)):
        return None
    flat = values.reshape(len(values), -1)
    if values.ndim == 2 and flat.shape[1] > 1:
        if labels.min() < 0 or labels.max() >= flat.shape[1]:
            raise InputError(
                f"labels run from {labels.min():g} to {labels.max():g}; output_0 has "
                f"{flat.shape[1]} columns, so they must be 0 to {flat.shape[1] - 1}"
            )
        return np.asarray(flat.argmax(1))
    if flat.shape[1] != 1 or values.ndim > 2:
        return None
    found = set(np.unique(labels).tolist())
    if found <= {-1, 1} and -1 in found:
        return np.where(flat[:, 0] >= 0, 1, -1)
    return np.asarray((flat[:, 0] >= 0.5).astype(np.int64)) if found <= {0, 1} else None


def _class_of(
    values: NDArray[Any], labels: NDArray[Any], classes: tuple[int | float | str, ...]
) -> NDArray[Any] | None:
    unknown = sorted(str(label) for label in set(labels.tolist()) - set(classes))
    if unknown:
        raise InputError(
            f"labels hold {', '.join(unknown[:5])}, which the model has not learnt; its classes "
            f"are {', '.join(map(str, classes))}"
        )
    flat = values.reshape(len(values), -1)
    if len(classes) == 2 and flat.shape[1] == 1:
        return np.array(classes)[(flat[:, 0] > 0).astype(np.int64)]
    return np.array(classes)[flat.argmax(1)] if flat.shape[1] == len(classes) else None
