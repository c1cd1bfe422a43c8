"""A window as C functions take it: `window_t` of native/window.h."""

import ctypes
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hermesrt.ops.window import Places, Window

_RANKS = 3  # dimensions that a window may have


class WindowFields(ctypes.Structure):
    """The struct itself."""

    _fields_ = (
        ("sizes", ctypes.c_int64 * _RANKS),
        ("taps", ctypes.c_int64 * _RANKS),
        ("outputs", ctypes.c_int64 * _RANKS),
        ("taken", ctypes.c_void_p * _RANKS),
    )


@dataclass(frozen=True, slots=True)
class HeldWindow:
    """A window over images of one size, of three dimensions: those that it lacks come first.

    address: of the fields.
    more: number of dimensions that it lacks.
    fields: themselves.
    taken: the tables that they point to.
    """

    address: int
    more: int
    fields: WindowFields
    taken: tuple[Places, ...]


@lru_cache(maxsize=256)
def held_window(window: Window, sizes: tuple[int, ...]) -> HeldWindow:
    """The window over images of these sizes."""
    more, outputs = _RANKS - window.rank, window.outputs(sizes)
    pairs = enumerate(zip(sizes, outputs, strict=True))
    taken = [np.zeros((1, 1), np.int64)] * more
    taken += [np.ascontiguousarray(window.taken(d, *pair)) for d, pair in pairs]
    ones, three = (1,) * more, ctypes.c_int64 * _RANKS
    fields = WindowFields(
        three(*ones, *sizes),
        three(*(t.shape[1] for t in taken)),
        three(*ones, *outputs),
        (ctypes.c_void_p * _RANKS)(*(t.ctypes.data for t in taken)),
    )
    return HeldWindow(ctypes.addressof(fields), more, fields, tuple(taken))
