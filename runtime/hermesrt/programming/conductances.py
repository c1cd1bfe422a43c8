"""What every cell of every core holds, beside what it should hold."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hermesrt.artifact.schema import Artifact
from hermesrt.device import DeviceState
from hermesrt.programming.corrections import written_targets


@dataclass(frozen=True)
class CoreCells:
    """One core's signed conductances g+ - g-, all devices of a polarity together, before any drift.

    core: its number.
    target: wanted, [rows, columns], S.
    programmed: as they were written, [rows, columns], S.
    used: whether a cell is one of a tile, [rows, columns].
    """

    core: int
    target: NDArray[np.float32]
    programmed: NDArray[np.float32]
    used: NDArray[np.bool_]

    @property
    def error(self) -> NDArray[np.float32]:
        """Programmed less wanted, zero where a cell is not in use."""
        return np.where(self.used, self.programmed - self.target, np.float32(0))

    @property
    def used_share(self) -> float:
        """Cells in use over all, 0 to 1."""
        return float(self.used.mean())

    @property
    def rms_error(self) -> float:
        """Root of the mean square error of the cells in use."""
        wrong: NDArray[Any] = self.error[self.used]
        return float(np.sqrt(np.mean(np.square(wrong, dtype=np.float64)))) if wrong.size else 0.0


ReadConductances = Callable[[], Iterable[CoreCells]]  # all cores, read when asked for


def core_cells(artifact: Artifact, state: DeviceState) -> Iterator[CoreCells]:
    """The cells of each core in use, in the order of their numbers."""
    for target in written_targets(artifact, state.arrays):
        pair = state.arrays[f"{target.core}.conductance"].sum(axis=0)
        yield CoreCells(target.core, target.siemens.numpy(), pair[0] - pair[1], target.used.numpy())
