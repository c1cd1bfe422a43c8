"""Cells of a core in whole steps, as few as a picture needs: what a page reads back.

Code 0 is a cell that is not in use, `MIDDLE` is zero; so many less one steps go up and down.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hermesrt.programming.conductances import CoreCells

MIDDLE = 61
_STEPS = MIDDLE - 1
_SHOWN_SHARE = 0.995  # of the cells are within the colours of an error map
_MICRO = 1e6


@dataclass(frozen=True, slots=True)
class CellScales:
    """How large conductances and errors are over all cores.

    cores: how many there are.
    target_step: one step of a wanted conductance, uS.
    error_step: one step of an error, uS.
    error_shown: where the colours of errors end, uS.
    smallest_side: the fewest rows or columns of a core.
    """

    cores: int
    target_step: float
    error_step: float
    error_shown: float
    smallest_side: int


def scales_of(cores: Iterable[CoreCells]) -> CellScales:
    """Steps that hold the largest values; goes through the cores once and never holds all."""
    largest = worst = shown = 0.0
    smallest, count = 1 << 30, 0
    for core in cores:
        count += 1
        largest = max(largest, float(abs(core.target).max()) * _MICRO)
        worst = max(worst, float(abs(core.error).max()) * _MICRO)
        shown = max(shown, shown_error(core))
        smallest = min(smallest, *core.used.shape)
    return CellScales(
        count, (largest or 1.0) / _STEPS, (worst or 1.0) / _STEPS, shown or 1.0, smallest
    )


def shown_error(cells: CoreCells) -> float:
    """The error in microsiemens that nearly all cells in use keep within."""
    wrong = abs(cells.error[cells.used])
    return float(np.quantile(wrong, _SHOWN_SHARE)) * _MICRO if wrong.size else 0.0


def codes(
    cells: CoreCells, scales: CellScales, stride: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Wanted conductances and errors in steps, each [rows / stride, columns / stride]: of each
    square of cells the one of largest error, so that no fault is hidden."""
    at = _worst(cells, stride)
    used = cells.used[at]

    def coded(values: NDArray[np.float32], step: float) -> NDArray[np.uint8]:
        steps = np.rint(values[at] * _MICRO / step) + MIDDLE
        return np.where(used, steps, 0).astype(np.uint8)

    return coded(cells.target, scales.target_step), coded(cells.error, scales.error_step)


def _worst(cells: CoreCells, stride: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows and columns of the cell of largest error in each square of cells."""
    rows, columns = (s // stride for s in cells.used.shape)
    size = np.where(cells.used, abs(cells.error), -1.0)[: rows * stride, : columns * stride]
    blocks = size.reshape(rows, stride, columns, stride).swapaxes(1, 2).reshape(rows, columns, -1)
    down, across = np.divmod(blocks.argmax(-1), stride)
    return (
        np.arange(rows)[:, None] * stride + down,
        np.arange(columns)[None, :] * stride + across,
    )
