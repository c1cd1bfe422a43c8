"""Where the energy constants of the HERMES chip come from: a fit to Le Gallo 2023, Table I.

Five constants (an MVM of a core in each read mode, one output of an LDPU, static power of a core
and of the chip) for ten published energies: MVMs alone of 64, 8 and 32 cores and the totals of the
ResNet-9 layer and of the LSTM step, in both read modes. Least squares of relative deviations.
Prints the constants, the deviations, and the best fit without power of the chip.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares


@dataclass(frozen=True)
class Row:
    """One energy of the table: `outputs` of each core's LDPU, 0 where MVMs alone are meant."""

    name: str
    cores: int
    phases: int
    outputs: int
    time_ns: float
    energy_nj: float


def mvms(name: str, cores: int, phases: int, operations: int, tops_per_watt: float) -> Row:
    """MVMs alone, from the table's efficiency."""
    time_ns = {1: 133.0, 4: 520.0}[phases]
    return Row(name, cores, phases, 0, time_ns, operations / tops_per_watt / 1000)


LAYER, STEP = 2 * 2016 * 224, 2 * 1008 * 2016  # operations
TABLE = (
    Row("64 cores, MVMs", 64, 1, 0, 133, 860),
    Row("64 cores, MVMs", 64, 4, 0, 520, 3380),
    mvms("ResNet-9 layer, MVMs", 8, 1, LAYER, 6.88),
    mvms("ResNet-9 layer, MVMs", 8, 4, LAYER, 1.74),
    mvms("LSTM step, MVMs", 32, 1, STEP, 9.34),
    mvms("LSTM step, MVMs", 32, 4, STEP, 2.37),
    Row("ResNet-9 layer", 8, 1, 224, 1131, 970),
    Row("ResNet-9 layer", 8, 4, 224, 1518, 1510),
    Row("LSTM step", 32, 1, 252, 1043, 3460),
    Row("LSTM step", 32, 4, 252, 1430, 5240),
)


def energy_nj(row: Row, constants: Sequence[float]) -> float:
    """MVMs, static power of the chip over the time, and for totals the LDPUs and idle cores."""
    one_phase, four_phase, output, core_mw, chip_mw = constants
    mvm = one_phase if row.phases == 1 else four_phase
    idle_cores = row.cores * core_mw if row.outputs else 0.0
    static = (chip_mw + idle_cores) * row.time_ns / 1000
    return row.cores * (mvm + row.outputs * output) + static


def deviations(constants: Sequence[float]) -> NDArray[np.float64]:
    """Relative, of each energy of the table."""
    return np.array([energy_nj(row, constants) / row.energy_nj - 1 for row in TABLE])


def main() -> None:
    """Fit with and without power of the chip."""
    found = least_squares(deviations, [13.0, 52.0, 0.2, 40.0, 100.0]).x
    names = ("nJ, 1-phase MVM", "nJ, 4-phase MVM", "nJ, LDPU output", "mW, core", "mW, chip")
    for name, value in zip(names, found, strict=True):
        print(f"{value:8.3f} {name}")
    for row, deviation in zip(TABLE, deviations(found), strict=True):
        print(f"{row.name:<22}{row.phases}-phase{row.energy_nj:8.0f} nJ {deviation:+7.1%}")
    alone = least_squares(lambda c: deviations([*c, 0.0]), [13.0, 52.0, 0.2, 40.0]).x
    print(f"without power of the chip: up to {np.abs(deviations([*alone, 0.0])).max():.1%} off")


if __name__ == "__main__":
    main()
