"""The compiled functions of `native/programming.c`."""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch

from hermesrt.chip.spec import ChipSpec
from hermesrt.device import Pulses
from hermesrt.native import build
from hermesrt.programming.core_programming import CoreProgramming

_P, _L, _F, _I = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float, ctypes.c_int32


class CoreFields(ctypes.Structure):
    """`core_t` of programming.c."""

    _fields_ = (
        ("pending", _P), ("target", _P), ("record", _P), ("cells", _L), ("low", _F), ("high", _F),
        ("patience", _I),
    )  # fmt: skip

    @classmethod
    def of(cls, chip: ChipSpec, core: CoreProgramming, patience: int) -> "CoreFields":
        """Those of a core."""
        table, target = chip.programming_pulses, core.target.siemens
        assert core.record.is_contiguous() and core.pending.is_contiguous()
        places = core.pending.data_ptr(), target.contiguous().data_ptr(), core.record.data_ptr()
        low, high = table.pulse_low_ampere, table.pulse_high_ampere
        return cls(*places, core.pending.numel(), low, high, patience)

    def pulses(self, function: Any, *more: float | int) -> Pulses:
        """Iterative pulses that a function asks for."""
        cells = torch.empty(self.cells, dtype=torch.int64)
        device, ampere = torch.empty_like(cells), torch.empty(self.cells)
        room = cells.data_ptr(), device.data_ptr(), ampere.data_ptr()
        count = function(ctypes.addressof(self), *more, *room)
        return Pulses("iterative", cells[:count], device[:count], ampere[:count])


@cache
def functions() -> ctypes.CDLL | None:
    """The library; None without."""
    arguments = {
        "hermes_descent": (_P, _F, _P, _P, _P),
        "hermes_verification": (_P, _P, _F, _F, _F, _F, _P, _P, _P),
        "hermes_fitted": (_P, _P, _P, _L, _L, _I, _F, _F, _P),
    }
    results = {"hermes_descent": _L, "hermes_verification": _L}
    return build.functions(Path(build.__file__).with_name("programming.c"), arguments, results)
