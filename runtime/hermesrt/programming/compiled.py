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
    found = build.best(Path(build.__file__).with_name("programming.c"))
    if found is None:
        return None
    library = found[1]
    library.hermes_waiting.argtypes = (_P,)
    library.hermes_corrections.argtypes = (_P, _P, _P, _P)
    library.hermes_waiting.restype = library.hermes_corrections.restype = _L
    library.hermes_fitted.argtypes = (_P, _P, _P, _L, _L, _I, _P)
    library.hermes_fitted.restype = None
    return library
