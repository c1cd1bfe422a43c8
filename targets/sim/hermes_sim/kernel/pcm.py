"""The compiled functions of `pcm.c`, for tensors that they can take."""

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from hermes_sim.kernel.load import kernel
from hermesrt.chip.tables.devices import Curve
from hermesrt.native import build

_P, _L, _F, _I = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float, ctypes.c_int32


class CurveFields(ctypes.Structure):
    """`curve_t` of pcm.c."""

    _fields_ = (
        ("below", _F), ("log_slope", _F), ("log_offset", _F), ("low", _F), ("high", _F),
        ("powers", _I), ("polynomial", _P),
    )  # fmt: skip


@cache
def functions() -> ctypes.CDLL | None:
    """The library; None without."""
    arguments = {
        "hermes_read_noise": (_P, _F, _F, _P, _P, _L, _P),
        "hermes_exponents": (_P, _P, _F, _P, _L, _P),
        "hermes_programmed": (_P, _I, _F, _P, _P, _L, _P),
        "hermes_drift": (_P, _P, _F, _L, _P),
        "hermes_fill": (_P, ctypes.c_uint64, _L, _P),
        "hermes_wander": (_P, _P, _P, _L, _L, _P),
    }
    return build.functions(Path(__file__).with_name("pcm.c"), arguments, {})


def fits(first: Tensor, *others: Tensor | None) -> ctypes.CDLL | None:
    """The library, if there is one and it takes these, which are of one shape; None otherwise."""
    for t in (first, *others):
        if t is not None and not (t.is_cpu and t.dtype == torch.float32 and t.shape == first.shape):
            return None
    return functions()


def read_noise(
    library: ctypes.CDLL, strength: Curve, most: float, root: float, aged: Tensor, written: Tensor
) -> Tensor:
    """As `device_noise.read_noise`; `root` is that of the logarithm."""
    aged, written = aged.contiguous(), written.contiguous()
    out, fields = torch.empty_like(aged), _fields(strength)[0]
    places = aged.data_ptr(), written.data_ptr(), out.numel(), out.data_ptr()
    library.hermes_read_noise(ctypes.addressof(fields), most, root, *places)
    return out


def exponents(
    library: ctypes.CDLL, mean: Curve, spread: Curve, most: float, g: Tensor, normal: Tensor
) -> Tensor:
    """As `pcm.drift_exponent`, in place of normal numbers."""
    g, curves = g.contiguous(), [ctypes.addressof(_fields(c)[0]) for c in (mean, spread)]
    library.hermes_exponents(*curves, most, g.data_ptr(), g.numel(), normal.data_ptr())
    return normal


def programmed(
    library: ctypes.CDLL,
    microsiemens: tuple[float, ...],
    most: float,
    target: Tensor,
    read: Tensor | None,
    normal: Tensor,
) -> Tensor:
    """As `pcm.program_devices`, in place of normal numbers."""
    target = target.contiguous()
    read = None if read is None else read.contiguous()
    noise = 0 if read is None else read.data_ptr()
    shape = _array(microsiemens), len(microsiemens), most
    places = target.data_ptr(), noise, target.numel(), normal.data_ptr()
    library.hermes_programmed(*shape, *places)
    return normal


def drift(library: ctypes.CDLL, g: Tensor, nu: Tensor, power: float) -> Tensor:
    """As `pcm.drift`."""
    g, nu = g.contiguous(), nu.contiguous()
    out = torch.empty_like(g)
    library.hermes_drift(g.data_ptr(), nu.data_ptr(), power, g.numel(), out.data_ptr())
    return out


def filled(stream: int, out: Tensor) -> bool:
    """Fill a contiguous tensor with the normal numbers of a stream; whether there are functions
    that can."""
    library, place = fits(out), _normals()
    if library is not None and place is not None:
        library.hermes_fill(place, stream, out.numel(), out.data_ptr())
    return library is not None and place is not None


def weighted(streams: Sequence[int], weights: Sequence[float], out: Tensor) -> bool:
    """The same with a weighted sum of the numbers of some streams."""
    library, place = fits(out), _normals()
    if library is None or place is None:
        return False
    numbers = (ctypes.c_uint64 * len(streams))(*streams)
    more = _array(tuple(weights)), len(streams), out.numel(), out.data_ptr()
    library.hermes_wander(place, numbers, *more)
    return True


@cache
def _normals() -> ctypes.c_void_p | None:
    """Where the layer kernel's function for normal numbers is."""
    found = kernel()
    return None if found is None else ctypes.cast(found.fill, _P)


@cache
def _fields(c: Curve) -> tuple[CurveFields, ctypes.Array[ctypes.c_float]]:
    """A curve, and what its field points to."""
    held = _array(c.polynomial)
    limits = c.below, c.log_slope, c.log_offset, c.low, c.high
    return CurveFields(*limits, len(held), ctypes.addressof(held)), held


@cache
def _array(values: tuple[float, ...]) -> ctypes.Array[ctypes.c_float]:
    return (_F * len(values))(*values)
