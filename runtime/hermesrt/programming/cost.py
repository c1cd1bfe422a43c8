"""What programming costs in time and energy, from counts of pulses, reads and MVMs.

Cores are programmed side by side. The serial control's overhead is not published and left out.
"""

from hermesrt.chip.spec import ChipSpec
from hermesrt.programming.session import OperationCounts


def seconds(chip: ChipSpec, counts: OperationCounts, cores: int) -> float:
    """Time on the chip: passes of pulses, verify reads by diagonal, MVMs.

    Source: Le Gallo 2023, Methods (a diagonal at a time, 32 write heads); Table I (MVM).
    """
    table, diagonals = chip.programming_pulses, chip.crossbar.rows
    reads = counts.reads * diagonals * table.verify_ns
    mvms = counts.mvms * chip.mvm_time.four_phase_ns
    return (counts.pulse_ns + reads + mvms) * 1e-9 / max(1, cores)


def joules(chip: ChipSpec, counts: OperationCounts) -> float:
    """Energy of all cores: the pulses' charge from the supply, verify reads by diagonal, MVMs."""
    price = chip.programming_energy
    reads = counts.reads * chip.crossbar.rows * price.verify_read_nj
    mvms = counts.mvms * chip.mvm_energy.four_phase_nj
    return counts.charge_coulomb * price.supply_volt + (reads + mvms) * 1e-9
