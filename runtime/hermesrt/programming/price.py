"""What programming costs in time and energy, from counts of pulses, reads and MVMs.

Cores are programmed side by side. The serial control's overhead is not published and left out.
"""

from hermesc.target.spec import ChipSpec
from hermesrt.programming.hand import Effort


def seconds(chip: ChipSpec, effort: Effort, cores: int) -> float:
    """Time on the chip: passes of pulses, verify reads by diagonal, MVMs.

    Source: Le Gallo 2023, Methods (a diagonal at a time, 32 write heads); Table I (MVM).
    """
    table, diagonals = chip.programming_pulses, chip.crossbar.rows
    reads = effort.reads * diagonals * table.verify_ns
    mvms = effort.mvms * chip.mvm_time.four_phase_ns
    return (effort.pulse_ns + reads + mvms) * 1e-9 / max(1, cores)


def joules(chip: ChipSpec, effort: Effort) -> float:
    """Energy of all cores: the pulses' charge from the supply, verify reads by diagonal, MVMs."""
    price = chip.programming_energy
    reads = effort.reads * chip.crossbar.rows * price.verify_read_nj
    mvms = effort.mvms * chip.mvm_energy.four_phase_nj
    return effort.charge_coulomb * price.supply_volt + (reads + mvms) * 1e-9
