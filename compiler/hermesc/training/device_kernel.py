"""The compiled pass of `device_curves` over a matrix, where there is a C compiler or a wheel's
library: the same bits as torch's operations, which go over memory a dozen times.
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from hermesrt.native import build

SOURCE = Path(__file__).with_name("devices.c")
_P, _L, _I = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32
_MEAN, _DEVIATION, _VARIANCE = 3, 4, 5  # coefficients that it is compiled for


def errors(
    weight: Tensor,
    unit: Tensor,
    normal: Tensor,
    mean: Sequence[float],
    deviation: Sequence[float],
) -> bool:
    """Make normal numbers errors, in place; False where it cannot be done here."""
    library, shape = _library(), _shape(weight, unit)
    known = (len(mean), len(deviation)) == (_MEAN, _DEVIATION) and normal.is_contiguous()
    if library is None or shape is None or not known:
        return False
    pointers = (weight.data_ptr(), unit.data_ptr(), normal.data_ptr())
    library.hermes_errors(*pointers, *shape, _floats(mean), _floats(deviation))
    return True


def variances(weight: Tensor, unit: Tensor, found: Tensor, read: Sequence[float]) -> bool:
    """Fill with the variances of reads; False where it cannot be done here."""
    library, shape = _library(), _shape(weight, unit)
    if library is None or shape is None or len(read) != _VARIANCE or not found.is_contiguous():
        return False
    pointers = (weight.data_ptr(), unit.data_ptr(), found.data_ptr())
    library.hermes_variances(*pointers, *shape, _floats(read))
    return True


def _shape(weight: Tensor, unit: Tensor) -> tuple[int, int, int] | None:
    """Rows, columns, and whether there is a unit for each column; None for other layouts."""
    plain = all(t.is_cpu and t.dtype == torch.float32 and t.is_contiguous() for t in (weight, unit))
    if not plain or not weight.numel():
        return None
    if unit.numel() == 1:
        return 1, weight.numel(), 0
    if unit.dim() != weight.dim():
        return None
    if unit.numel() == len(unit) == len(weight):
        return len(weight), weight.numel() // len(weight), 0
    if unit.numel() == unit.shape[-1] == weight.shape[-1]:
        return weight.numel() // weight.shape[-1], weight.shape[-1], 1
    return None


def _floats(values: Sequence[float]) -> ctypes.Array[ctypes.c_float]:
    return (ctypes.c_float * len(values))(*values)


@cache
def _library() -> ctypes.CDLL | None:
    arguments = {
        "hermes_errors": (_P, _P, _P, _L, _L, _I, _P, _P),
        "hermes_variances": (_P, _P, _P, _L, _L, _I, _P),
    }
    return build.functions(SOURCE, arguments, {})
