"""Find the kernel for this processor, and call it without Python's own interface for C."""

import ctypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor

from hermesrt.native import build
from hermesrt.reads import Keys

_P, _L, _F, _I = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float, ctypes.c_int32
SOURCE = Path(__file__).with_name("layer.c")
PANEL = 16  # columns
COUNTINGS = {None: 0, "round": 1, "floor": 2, "truncate": 3}  # as layer_t has them


class StageFields(ctypes.Structure):
    """`stage_t` of layer.c."""

    _fields_ = (
        ("first", _L), ("rows", _L), ("weight", _P), ("cells", _P * 2), ("read", _P), ("count", _P),
        ("zero", _P), ("read_step", _P), ("scale", _P), ("offset", _P), ("white", _P),
        ("phase", _P), ("counter", _P), ("lines", _P), ("dither", _P), ("worst", _P),
        ("all", _F * 2), ("carry", _F), ("unused", ctypes.c_uint32), ("stream", ctypes.c_uint64),
    )  # fmt: skip


class LayerFields(ctypes.Structure):
    """`layer_t` of layer.c."""

    _fields_ = (
        ("inputs", _L), ("columns", _L), ("stages", _L), ("stage", _P), ("output_step", _P),
        ("input_scale", _F), ("levels", _F), ("output_levels", _F), ("asymmetry", _F),
        ("limit", _F), ("counting", _I), ("rounding", _I), ("relu", _I), ("four_phase", _I),
    )  # fmt: skip


@dataclass(frozen=True)
class Kernel:
    """A loaded library.

    instructions: the set that it is compiled for.
    layer: its function for a layer.
    windows: the same at all positions of a window.
    fill: its function for normal numbers.
    """

    instructions: str
    layer: Any
    windows: Any
    fill: Any

    def normals(self, stream: int, reads: Keys, out: Tensor) -> Tensor:
        """Fill with the normal numbers of some reads, [vectors, columns]."""
        reads = reads if reads.flags.c_contiguous else reads.copy()
        self.fill(stream, reads.ctypes.data, *out.shape, out.data_ptr())
        return out


@cache
def kernel() -> Kernel | None:
    """The best kernel that this processor runs and that is or can be compiled; None without."""
    found = build.best(SOURCE)
    return None if found is None else _kernel(*found)


def load(instructions: str) -> Kernel | None:
    """The kernel for instructions that the processor has."""
    found = build.load(SOURCE, instructions)
    return None if found is None else _kernel(instructions, found)


def _kernel(instructions: str, library: ctypes.CDLL) -> Kernel:
    library.hermes_layer.argtypes = (_P, _P, _P, _L, _P)
    library.hermes_windows.argtypes = (_P, _P, _L, _P, _P, _L, _P)
    library.hermes_normals.argtypes = (ctypes.c_uint64, _P, _L, _L, _P)
    library.hermes_normals.restype = None
    return Kernel(
        instructions, library.hermes_layer, library.hermes_windows, library.hermes_normals
    )
