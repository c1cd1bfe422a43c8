"""Find the kernel for this processor, and call it without Python's own interface for C."""

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from hermes_sim.kernel import build
from hermesrt.reads import Keys

_P, _L, _F, _I = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float, ctypes.c_int32
_NEEDED = {  # what torch calls the instructions that a kernel uses
    "avx512-vnni": ("avx512_f", "avx512_bw", "avx512_vl", "avx512_dq", "avx512_vnni"),
    "avx2": ("avx2",),
}


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
        ("inputs", _L), ("columns", _L), ("stages", _L), ("stage", _P), ("input_scale", _F),
        ("levels", _F), ("output_levels", _F), ("output_step", _F), ("asymmetry", _F),
        ("limit", _F), ("count_code", _I), ("rounding", _I), ("relu", _I), ("four_phase", _I),
    )  # fmt: skip


@dataclass(frozen=True)
class Kernel:
    """A loaded library.

    instructions: the set that it is compiled for.
    layer: its function for a layer.
    fill: its function for normal numbers.
    """

    instructions: str
    layer: Any
    fill: Any

    def normals(self, stream: int, reads: Keys, out: Tensor) -> Tensor:
        """Fill with the normal numbers of some reads, [vectors, columns]."""
        reads = reads if reads.flags.c_contiguous else reads.copy()
        self.fill(stream, reads.ctypes.data, *out.shape, out.data_ptr())
        return out


@cache
def kernel() -> Kernel | None:
    """The best kernel that this processor runs and that is or can be compiled; None without."""
    found = (load(name) for name in build.INSTRUCTIONS if runs(name))
    return next((one for one in found if one is not None), None)


def runs(instructions: str) -> bool:
    """Whether this processor has the instructions."""
    has = torch.cpu.get_capabilities()
    return all(has.get(name, False) for name in _NEEDED[instructions])


def load(instructions: str) -> Kernel | None:
    """The kernel for an instruction set that the processor has."""
    path = build.library(instructions)
    if path is None:
        return None
    try:
        library = ctypes.CDLL(str(path))
    except OSError:  # of another system, or on a file system without the right to run
        return None
    library.hermes_layer.argtypes = (_P, _P, _P, _L, _P)
    library.hermes_normals.argtypes = (ctypes.c_uint64, _P, _L, _L, _P)
    library.hermes_normals.restype = None
    return Kernel(instructions, library.hermes_layer, library.hermes_normals)
