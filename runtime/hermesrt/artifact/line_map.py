"""What a program knows of its chip's defects: the lines of each core, and stuck devices.

Kept as tensors beside the weights, for all cores in use in order: `wiring:rows` and
`wiring:columns`, the physical line of each logical one, and `wiring:stuck` [n, 4] (core, logical
row and column, device) with `wiring:siemens` [n]. A program that knows of no defect has none of
them, and its logical lines are the physical ones.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS, COLUMNS, STUCK, SIEMENS = (f"wiring:{n}" for n in ("rows", "columns", "stuck", "siemens"))
_NAMES = (ROWS, COLUMNS, STUCK, SIEMENS)
_DEVICES = 4
_MOST_SIEMENS = 1.0

Tensors = Mapping[str, NDArray[Any]]


def lines_of(tensors: Tensors, cores: tuple[int, ...], core: int) -> tuple[Any, Any] | None:
    """Physical rows and columns of a core in use; None where they are its logical ones."""
    if ROWS not in tensors:
        return None
    place = cores.index(core)
    return tensors[ROWS][place], tensors[COLUMNS][place]


def known_of(tensors: Tensors, core: int, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """Conductance that each device of a core is known to be stuck at, [devices, polarity, rows,
    columns] of logical lines, NaN where it is free; None where nothing is known."""
    if STUCK not in tensors:
        return None
    mine = tensors[STUCK][:, 0] == core
    if not mine.any():
        return None
    held = np.full((2, 2, *shape), np.nan, dtype=np.float32)
    _, row, column, device = tensors[STUCK][mine].T
    held[device & 1, device >> 1, row, column] = tensors[SIEMENS][mine]
    return held


def fault_of(tensors: Tensors, cores: tuple[int, ...], shape: tuple[int, int]) -> str | None:
    """What is wrong with them, None where they are sound; they may come from anywhere."""
    found = [name for name in _NAMES if name in tensors]
    if not found:
        return None
    if len(found) < len(_NAMES):
        return "its wiring is not whole"
    for name, size in ((ROWS, shape[0]), (COLUMNS, shape[1])):
        lines = tensors[name]
        whole = lines.shape == (len(cores), size) and lines.dtype == np.int16
        if not whole or not np.array_equal(
            np.sort(lines, 1), np.tile(np.arange(size), (len(lines), 1))
        ):
            return f"{name} is no order of the lines of each core"
    stuck, siemens = tensors[STUCK], tensors[SIEMENS]
    sound = stuck.ndim == 2 and stuck.shape[1:] == (4,) and stuck.dtype == np.int32
    sound = sound and siemens.shape == stuck.shape[:1] and siemens.dtype == np.float32
    if not sound:
        return f"{STUCK} does not list devices"
    inside = np.isin(stuck[:, 0], cores).all() and (stuck[:, 1:] >= 0).all()
    inside = inside and (stuck[:, 1:] < (*shape, _DEVICES)).all()
    if not inside or not ((siemens >= 0) & (siemens <= _MOST_SIEMENS)).all():
        return f"{STUCK} lists a device that the chip does not have"
    return None
