"""The compiled functions of `native/programming.c`."""

import ctypes
from functools import cache
from pathlib import Path

from hermesrt.native import build

_P, _L, _F, _I = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float, ctypes.c_int32


class CoreFields(ctypes.Structure):
    """`core_t` of programming.c."""

    _fields_ = (
        ("pending", _P), ("target", _P), ("slope", _P), ("ampere", _P), ("device", _P),
        ("tuned", _P), ("saturated", _P), ("cells", _L), ("threshold", _F), ("low", _F),
        ("high", _F), ("patience", _I),
    )  # fmt: skip


@cache
def functions() -> ctypes.CDLL | None:
    """The library; None without."""
    arguments = {
        "hermes_waiting": (_P,),
        "hermes_corrections": (_P, _P, _P, _P),
        "hermes_fitted": (_P, _P, _P, _L, _L, _I, _P),
    }
    results = {"hermes_waiting": _L, "hermes_corrections": _L}
    return build.functions(Path(build.__file__).with_name("programming.c"), arguments, results)
